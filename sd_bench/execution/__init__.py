"""A sweep: its cells, its plan, its rounds in fresh processes, its folder, resuming it.

``worker`` is what runs in those processes; nothing else here imports torch. May import every room
but ``cli``.
"""
