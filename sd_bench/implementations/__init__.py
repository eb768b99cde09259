"""What computes the images: this project's networks, and the peers that they are compared with.

One class each, behind the Protocol of ``protocol.py``; which there are, and what they need, stands
in ``capabilities/implementations.py``, which needs no torch. May import ``weights`` and what is
below it. A peer's library is imported by its own module only, in the worker that runs it.
"""
