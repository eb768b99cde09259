"""Where the networks' numbers come from: checkpoints of any layout, or a random table.

Reading a checkpoint's keys and shapes needs no torch. A command of its own, too:
``python -m sd_bench.weights.convert``. May import ``sampling``, ``config`` and what is below them.
"""
