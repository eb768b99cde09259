"""The three networks as PyTorch modules, and the forms of attention in the UNet.

May import ``capabilities``, ``config`` and what is below them.
"""
