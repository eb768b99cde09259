"""The networks' weights, from checkpoints of any layout or from a random table.

Reading a checkpoint's keys and shapes does not need torch. ``python -m sd_bench.weights.convert``
is a separate command. May import ``sampling``, ``config`` and what is below them.
"""
