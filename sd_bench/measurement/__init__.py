"""One round of one cell: clock, memory, telemetry, kernel proof, hardware and software facts.

May import ``implementations`` and what is below it. All of this room is in the fingerprint of the
measured code.
"""
