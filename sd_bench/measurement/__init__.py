"""One round of one cell: clock, memory, telemetry, kernel proof, hardware and software facts.

May import ``implementations`` and what is below it. The hash of the measured code covers this
whole package.
"""
