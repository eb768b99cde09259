"""What Python programs and notebooks call: ``run`` measures, ``generate`` draws.

May import every other room; none imports it.
"""
