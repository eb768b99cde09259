"""How implementations compare, in sentences: the main results of a sweep of peers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from analysis.comparison.peers import Peers
from analysis.comparison.rows import DeltaRow
from analysis.formatting import count_rounds, join_words, seconds
from analysis.rows import keep_measured, list_rows
from analysis.wording.answers import compare_rows
from analysis.wording.cell_names import describe_workload
from sd_bench.verdicts.answers import IS_BASELINE, NO_CLAIM, Answer, Compared, answer_all

#: How the reference compares with implementations whose answer has this word.
_FARES = {"faster": "loses to", "same": "is level with", "slower": "is ahead of"}

PEERS_NOTE = (
    "An iteration is one timed call, from tokens to the image tensor of one batch; stages are its "
    "parts. Each cell is compared with the reference implementation's cell that has the same "
    "settings, or the most similar ones. Compile or convert is the time of conversion and "
    "compilation; for a compiled UNet it is the first call, which includes the compilation. Cold: "
    "nothing was cached; warm: an earlier round had filled the cache. No other time includes it."
)

BEST_NOTE = (
    "Best of each: the fastest cell of each implementation, picked by the same rounds, against "
    "the reference's fastest."
)


def state_peers(peers: Peers) -> list[str]:
    """For each place which is fastest, and where the reference loses and wins, each at its best."""
    rows, compared = list_rows(peers.best, DeltaRow), compare_rows(peers.best)
    answers = answer_all(compared)
    places: dict[str, list[int]] = defaultdict(list)
    for at, each in enumerate(compared):
        places[each.place].append(at)
    sentences: list[str] = []
    for place, members in places.items():
        chosen = [(rows[at], compared[at], answers[at]) for at in members]
        sentences += [*_of_the_fastest(chosen, place), *_of_the_reference(chosen, peers, place)]
    return sentences


def describe_sweep(peers: Peers) -> str:
    """Machine, versions, date, work and rounds of the measured cells, in one sentence."""
    rows = list_rows(keep_measured(peers.deltas), DeltaRow)
    versions = {f"PyTorch {row.torch}": None for row in rows}
    versions |= {row.peer_versions: None for row in rows if row.peer_versions}
    days = sorted({start[:10] for row in rows for start in row.started_at})
    least, most = (end(int(row.rounds) for row in rows) for end in (min, max))
    rounds = count_rounds(least) if least == most else f"{least} to {most} rounds"
    where = ", ".join([*dict.fromkeys(str(row.device) for row in rows), *versions])
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    work = describe_workload(rows[0], "sampler", "precision")
    return f"Measured on {where}, {when}: {work}, {rounds} per cell."


def _of_the_fastest(
    cells: Sequence[tuple[DeltaRow, Compared, Answer]], place: str
) -> Iterator[str]:
    """Which of the comparable cells has the shortest time."""
    comparable = [(row, each) for row, each, answer in cells if answer.word != NO_CLAIM]
    if len(comparable) > 1:
        row, each = min(comparable, key=lambda cell: cell[0].typical_s)
        where = f" {place}" if place else ""
        iteration_s = seconds(row.typical_iteration_s)
        yield f"Shortest time{where}: {each.name}, {iteration_s} s per iteration."


def _of_the_reference(
    cells: Sequence[tuple[DeltaRow, Compared, Answer]], peers: Peers, place: str
) -> Iterator[str]:
    """Where the reference loses, wins or is undecided, each implementation at its best settings."""
    named: dict[str, list[str]] = defaultdict(list)
    for row, _, answer in cells:
        if answer.word != IS_BASELINE:
            named[answer.word].append(str(row.implementation))
    fares = [f"{how} {join_words(named[word])}" for word, how in _FARES.items() if named[word]]
    if no_claim := named[NO_CLAIM]:
        fares.append(f"cannot be compared fairly with {join_words(no_claim)}")
    settled = {*_FARES, NO_CLAIM}
    if undecided := [
        name for word, names in named.items() if word not in settled for name in names
    ]:
        fares.append(f"has no verdict yet against {join_words(undecided)}")
    if fares:
        begin = f"{place[:1].upper()}{place[1:]}, each" if place else "Each"
        yield f"{begin} at its best, {peers.reference} {join_words(fares)}."
