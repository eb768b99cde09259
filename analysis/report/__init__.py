"""Documents: the report as one HTML file and as Markdown, and documents whose numbers are ours.

May import every room but ``cli``.
"""
