"""What the devices of this machine and each version of PyTorch can do.

The devices, the rules of what cannot run where, what differs between versions of PyTorch, and a
configuration composed for this machine. May import ``config`` and what is below it. Only
``torch_compat`` imports torch: the launcher needs none.
"""
