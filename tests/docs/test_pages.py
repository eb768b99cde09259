"""The documents: links work, all pages are listed, and generated parts are current."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.charts.select.measures import MEASURE_CHARTS
from benchmarks.docs_pages import make_pages
from tests.support.commands import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted(DOCS.glob("*.md")),
    REPOSITORY / "tests" / "README.md",
    REPOSITORY / "benchmarks" / "gpu" / "README.md",
]
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(\s*([^)\s]+)\s*\)")
_CODE = re.compile(r"^( *)```.*?^\1```", re.M | re.S)


def prose(page: Path) -> str:
    return _CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as public hosts make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.M)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.strip().replace(" ", "-") for text in words}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    for target in _LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if not re.match(r"https?:|mailto:", target):
            yield (page.parent / path if path else page).resolve(), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target}#{anchor}"


def test_every_page_is_on_the_list() -> None:
    listed = {target for target, _ in links(DOCS / "README.md")}
    assert {page.resolve() for page in DOCS.glob("*.md")} - listed == {DOCS / "README.md"}


@pytest.mark.parametrize("page", make_pages(), ids=lambda page: page.name)
def test_what_is_made_from_the_code_is_current(page: Path) -> None:
    """To update them: ``python -m benchmarks.docs_pages``."""
    assert page.read_text(encoding="utf-8") == make_pages()[page]


def test_every_chart_of_a_quantity_is_on_the_page_of_the_analysis() -> None:
    page = (DOCS / "analysis.md").read_text(encoding="utf-8")
    assert [name for name in MEASURE_CHARTS if f"| `{name}` |" not in page] == []


#: Files of the project that documents name in backticks.
_NAMED = re.compile(
    r"`((?:sd_bench|analysis|benchmarks|conf|tests|hydra_plugins|docs)/[a-z0-9_/]+\.[a-z]+)`"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_file_that_is_named_is_there(page: Path) -> None:
    missing = [name for name in _NAMED.findall(prose(page)) if not (REPOSITORY / name).exists()]
    assert not missing
