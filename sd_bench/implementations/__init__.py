"""The implementations: this project's networks, and the peers that they are compared with.

Each is a class with the Protocol of ``protocol.py``; ``capabilities/implementations.py``, which
needs no torch, lists them with what they need. May import ``weights`` and what is below it. A
peer's library is imported only by the peer's module, in the worker that runs it.
"""
