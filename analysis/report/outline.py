"""The content of a report in order, every sentence once, independent of its format."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from analysis.comparison.rows import DeltaRow
from analysis.report.contents import ReportData, name_report
from analysis.rows import list_rows
from analysis.tables.efficiency import ABOVE_NOTE, EFFICIENCY_NOTE, make_efficiency_page
from analysis.tables.machines import make_machines_page
from analysis.tables.page import Page
from analysis.tables.pages import (
    DIFFERENCES,
    make_axes_page,
    make_delta_page,
    make_environment_table,
    make_resources_page,
    make_summary_page,
)
from analysis.tables.peers import make_peers_page
from analysis.wording.answers import answer_rows
from analysis.wording.judgements import note_verdicts
from analysis.wording.machines import list_notes
from analysis.wording.notes import (
    DELTA_NOTE,
    RESOURCES_NOTE,
    note_common,
    note_runtime,
    note_scaling,
    note_value,
)
from analysis.wording.peers import state_peers
from analysis.wording.reading import (
    explain_few_rounds,
    explain_headings,
    explain_signs,
    list_covered_notes,
)
from analysis.wording.shared_facts import Fact, list_shared_facts
from sd_bench.verdicts.answers import IS_BASELINE, Answer

#: Notes that stay below their table.
_BELOW_THEIR_TABLE = (EFFICIENCY_NOTE, ABOVE_NOTE)

#: Most answers that are listed; the tables have the others.
MOST_ANSWERS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The content of a report.

    ``shared`` are facts about all cells. ``sections`` are pages of tables with few notes, one per
    machine if there are several; ``differences`` is the page with the main results. ``across`` is
    the page across machines, the first of the sections if there is one. ``reading`` explains
    headings and signs, ``remarks`` what was special about this sweep.
    """

    title: str
    answers: list[Answer]
    num_more_answers: int
    shared: list[Fact]
    across: Page | None
    differences: Page
    sections: list[Page]
    reading: list[Fact]
    remarks: list[str]


def make_outline(data: ReportData) -> Outline:
    """The outline of a report on the data."""
    pages, answers, across = _pages(data), _answers(data), _across_machines(data)
    return Outline(
        title=name_report(data),
        answers=answers[:MOST_ANSWERS],
        num_more_answers=max(len(answers) - MOST_ANSWERS, 0),
        shared=list_shared_facts(data.deltas, data.environments),
        across=across,
        differences=next(_sections(pages, data.environments)),
        sections=[
            *([across] if across else []),
            *_by_machine(_sections(pages, data.environments), data),
        ],
        reading=_reading(data, [*pages, *([across] if across else [])]),
        remarks=_remarks(data, pages),
    )


def _answers(data: ReportData) -> list[Answer]:
    """Each sentence once: how implementations compare, then those that claim a difference.

    If no cell has a baseline, the answers are those on single axes.
    """
    has_own = (data.deltas["method"] != "").any()
    tables = [data.deltas] if has_own else [data.deltas, *data.by_axis.values()]
    found = {a.sentence: a for table in tables for a in answer_rows(table) if a.sentence}
    sentences = [] if data.peers is None else state_peers(data.peers)
    return [
        *(Answer(sentence=sentence, word=IS_BASELINE) for sentence in sentences),
        *sorted(found.values(), key=lambda answer: not answer.claims_difference),
    ]


def _pages(data: ReportData) -> list[Page]:
    """The pages: implementations, differences, single axes, every cell, resources, efficiency."""
    peers = data.peers
    pages = [] if peers is None else [make_peers_page(peers)]
    pages.append(make_delta_page(data.deltas, data.environments))
    if len(data.by_axis) > 1:
        pages.append(make_axes_page(data.by_axis))
    summary = make_summary_page(data.deltas, data.environments)
    pages.append(dataclasses.replace(summary, title=summary.tables[0].title))
    others = (make_resources_page(data.deltas), make_efficiency_page(data.deltas))
    return [*pages, *(page for page in others if page.tables)]


def _across_machines(data: ReportData) -> Page | None:
    """What several machines measured alike, with the notes that are about this table only."""
    machines = data.machines
    if machines is None:
        return None
    return dataclasses.replace(make_machines_page(machines), notes=list_notes(machines))


def _sections(pages: list[Page], environments: pd.DataFrame) -> Iterator[Page]:
    """The pages with few notes; the table of environments comes once, after them."""
    which_is_which = make_environment_table(environments)
    for page in pages:
        tables = [table for table in page.tables if table != which_is_which]
        notes = [note for note in page.notes if note in _BELOW_THEIR_TABLE]
        yield dataclasses.replace(page, tables=tables, notes=notes)
    if len(environments) > 1 and len(set(environments["machine"])) == 1:
        yield Page(title=which_is_which.title, tables=[which_is_which])


def _by_machine(sections: Iterable[Page], data: ReportData) -> Iterator[Page]:
    """The sections; with several machines, one per machine replaces the page of all differences.

    It has the cells of the machine against their baselines, and its environments.
    """
    machines = list(dict.fromkeys(data.deltas["machine"]))
    for page in sections:
        if len(machines) == 1 or page.title != DIFFERENCES:
            yield page
            continue
        for machine, table in zip(machines, page.tables, strict=True):
            of_it = data.environments[data.environments["machine"] == machine]
            what_it_is = dataclasses.replace(
                make_environment_table(of_it), title=f"{machine}: its environments"
            )
            yield Page(title=machine, tables=[table, what_it_is])


def _reading(data: ReportData, pages: list[Page]) -> list[Fact]:
    """Explanations of the headings, verdicts and signs that occur."""
    tables = [table for page in pages for table in page.tables]
    deltas = [data.deltas, *data.by_axis.values()]
    signs = [*data.deltas["flags"], *(f for each in deltas for f in each["baseline_flags"])]
    rule = note_verdicts(list_rows(data.deltas, DeltaRow))[:1]
    measured = data.deltas[data.deltas["status"] == "ok"]
    return [
        *(Fact("verdict", sentence) for sentence in rule),
        *(explain_few_rounds(int(measured["rounds"].min())) if len(measured) else []),
        *explain_headings({heading for table in tables for heading in table.headings}),
        *explain_signs(signs, bold=any(table.bold for table in tables)),
    ]


def _remarks(data: ReportData, pages: list[Page]) -> list[str]:
    """The notes of the pages that are neither about all cells nor in "How to read this"."""
    covered = {
        *note_common(data.deltas, data.environments),
        *note_scaling(data.deltas),
        *(note_value(deltas) for deltas in data.by_axis.values()),
        *(sentence for deltas in data.by_axis.values() for sentence in note_scaling(deltas)),
        *note_verdicts(list_rows(data.deltas, DeltaRow))[:1],
        *list_covered_notes(),
        DELTA_NOTE,
        RESOURCES_NOTE,
        note_runtime(data.deltas),
        *_BELOW_THEIR_TABLE,
    }
    return [*dict.fromkeys(n for page in pages for n in page.notes if n not in covered)]
