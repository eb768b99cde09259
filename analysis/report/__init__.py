"""The report as HTML and Markdown, a paper, and documents whose numbers come from records.

May import every room except ``cli``.
"""
