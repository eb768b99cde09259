"""Documents: the report as HTML and Markdown, and documents whose numbers come from records.

May import every room but ``cli``.
"""
