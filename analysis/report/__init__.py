"""Documents: the report as one HTML file and as Markdown, and documents whose numbers are ours.

Imports every room but ``cli``.
"""
