"""The interpreters that run workers: PyTorch 1.12, PyTorch 2, or the command's own.

Where they are, what they hold, how they are made and locked. A command of its own, too:
``python -m sd_bench.environments``. May import ``capabilities``, ``records`` and what is below
them; no torch.
"""
