"""The interpreters that run workers: with PyTorch 1.12, with PyTorch 2, or the command's own.

Finds, inspects, creates and locks them; ``python -m sd_bench.environments`` is the command for it.
May import ``capabilities``, ``records`` and what is below them, but not torch.
"""
