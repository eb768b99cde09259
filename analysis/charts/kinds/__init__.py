"""The kinds of chart: each a dataclass of what to show, on one base and one sheet.

Nothing here knows of cells. Imports the charts' colours, ``series`` and ``formatting``.
"""
