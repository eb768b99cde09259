"""The Python interface, for programs and notebooks: ``run`` measures, ``generate`` draws images.

May import every other room; none imports it.
"""
