"""A sweep on many machines: groups of cells as jobs of Slurm or Ray, each a sweep on its node.

May import all of ``sd_bench`` except ``tuning`` and ``cli``. submitit and Ray are imported only
where they are used.
"""
