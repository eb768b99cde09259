"""What the devices of this machine and each version of PyTorch can do.

Holds the devices, the rules that say what cannot run where, the differences between versions of
PyTorch, and the composing of a configuration for this machine. May import ``config`` and what is
below it. Only ``torch_compat`` imports torch: the launcher does not need it.
"""
