"""The kinds of chart: each is a dataclass of what to show, drawn on a common sheet.

Nothing here knows about cells. May import the charts' colours, ``series`` and ``formatting``.
"""
