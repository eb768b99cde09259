"""Pages as Markdown and HTML."""

from __future__ import annotations

import html
import re

from analysis.tables.page import Page, Table

_MARKDOWN_SIGNS = re.compile(r"[\\|<*`]|\b_|_\b|(?<=])\(|&(?=#?\w+;)|~(?=~)|(?<=~)~")
#: What each of them begins with.
_MAYBE_MARKDOWN = re.compile(r"[\\|<*`_(&~]")
#: Headings, quotations, lists and rules begin so.
_MARKDOWN_BEGIN = re.compile(
    r"^(\s*|\s*\d{1,9}(?=[.)]\s))(#(?=#*(?:\s|$))|>|[-+](?=\s|$)|[-=](?=[-=\s]*$)|(?<=\d)[.)](?=\s))"
)


def to_markdown(page: Page) -> str:
    """The page as GitHub Markdown."""
    blocks = [f"# {escape_markdown(page.title)}"]
    blocks += [escape_paragraph(page.answer)] if page.answer else []
    for table in page.tables:
        blocks += [f"## {escape_markdown(table.title)}", table_to_markdown(table)]
    blocks += [escape_paragraph(note) for note in page.notes]
    return "\n\n".join(blocks) + "\n"


def table_to_markdown(table: Table) -> str:
    """One table as GitHub Markdown, without its title."""
    rule = ["--:" if heading in table.numeric else ":--" for heading in table.headings]
    rows = [
        [
            _stressed(escape_markdown(cell)) if at in table.bold else escape_markdown(cell)
            for cell in row
        ]
        for at, row in enumerate(table.rows)
    ]
    lines = [[escape_markdown(heading) for heading in table.headings], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def to_html(page: Page) -> str:
    """The page as a complete plain HTML document."""
    body = [f"<h1>{html.escape(page.title)}</h1>"]
    body += [f"<p>{html.escape(page.answer)}</p>"] if page.answer else []
    for table in page.tables:
        rows = [_html_row(table, row, "td", at in table.bold) for at, row in enumerate(table.rows)]
        body += [
            f"<table>\n<caption>{html.escape(table.title)}</caption>",
            f"<thead>{_html_row(table, table.headings, 'th', False)}</thead>",
            "<tbody>",
            *rows,
            "</tbody>\n</table>",
        ]
    body += [f"<p>{html.escape(note)}</p>" for note in page.notes]
    head = f'<meta charset="utf-8"><title>{html.escape(page.title)}</title>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n' + (
        "\n".join(body) + "\n</body></html>\n"
    )


def _html_row(table: Table, cells: list[str], tag: str, bold: bool) -> str:
    shown = []
    for heading, cell in zip(table.headings, cells, strict=True):
        align = ' align="right"' if heading in table.numeric else ""
        text = html.escape(cell)
        shown.append(f"<{tag}{align}>{f'<b>{text}</b>' if bold else text}</{tag}>")
    return f"<tr>{''.join(shown)}</tr>"


def _stressed(cell: str) -> str:
    """Bold, unless the text is empty."""
    return f"**{cell}**" if cell else cell


def escape_paragraph(text: str) -> str:
    """Text at the beginning of a line of Markdown, where more characters are markup."""
    return _MARKDOWN_BEGIN.sub(r"\1\\\2", escape_markdown(text))


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is; an underscore inside a word is not markup."""
    if not _MAYBE_MARKDOWN.search(text):  # most of a table
        return text
    return _MARKDOWN_SIGNS.sub(r"\\\g<0>", text)
