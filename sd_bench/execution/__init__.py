"""A sweep: its cells, its plan, its rounds in fresh processes, its folder, and how it is resumed.

``worker`` runs in those processes; nothing else here imports torch. May import every room except
``cli``.
"""
