"""A sweep: its cells, its plan, its rounds in fresh processes, its folder, going on with it.

``worker`` is what runs in those processes; nothing else here imports torch. May import every room
but ``cli``.
"""
