"""The kinds of chart: each a dataclass of what to show, on one base and one sheet.

Nothing here knows of cells. May import the charts' colours, ``series`` and ``formatting``.
"""
