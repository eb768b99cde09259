"""What a configuration may hold; the options themselves are the files in ``conf/``.

The schema, its checks, and in which ways a workload is smaller than the published one. May import
``errors`` and ``paths``, but not torch.
"""
