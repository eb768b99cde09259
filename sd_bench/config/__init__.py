"""What a configuration may hold; the options themselves are the files in ``conf/``.

Its classes, its checks, and in which ways a workload is smaller than the published one. May
import ``errors`` and ``paths``; no torch.
"""
