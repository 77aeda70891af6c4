"""What the audit says of every mistake that the program makes."""

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import mistaken
from mistaken.mistakes import MISTAKES, names
from mistaken.readings import OPEN

PROGRAM = Path(mistaken.__file__).resolve().parent / "run.py"

_HEAD = """\
# Confusion matrix

A training program in plain Python
([`tests/independent/mistaken/`](../tests/independent/mistaken/)) makes every mistake of the
catalogue ([bugs.md](bugs.md)) on purpose. It was written from the catalogue's *words* and shares no
code with the audit. It answers the probes as a process of its own, with final weights and biases
alone. This is what the audit says of it. Tests keep the page current
(`python tools/confusion/page.py` writes it).

{ways} ways to make {entries} mistakes: {named} ways are named first, of {first} mistakes.

`error-sign-convention` and `softmax-shifted` leave the right weights: a trace shows the first, and
the second is a right formula. Other formulas for the same function are told apart only where their
roundings differ.

| mistake made | way | verdict | named first | cannot be told from |
|---|---|---|---|---|
"""

_READINGS = """
## Where the words leave more than one reading

In these ways the program may read the words otherwise than the catalogue does. The audit must not
give such a mistake a wrong name.

| mistake | way | read here as | named |
|---|---|---|---|
"""


class Row(NamedTuple):
    """What came of one mistake.

    Attributes:
        name: the mistake, as the program takes it.
        verdict: the audit's.
        first: what it names first: an entry, or two; empty for nothing.
        ties: what it cannot tell from that.
    """

    name: str
    verdict: str
    first: str
    ties: tuple[str, ...]


def words_for(name, *more):
    """Return the command that makes a mistake, by a Python without anything installed."""
    return [sys.executable, "-I", "-S", str(PROGRAM), *more, *name.split(" & ")]


def audited(name, *more):
    """Audit the program that makes a mistake; a process for each probe."""
    from cellgrad_audit.probes import probes  # noqa: PLC0415 - the program itself needs none of it
    from cellgrad_audit.run import audit  # noqa: PLC0415
    from cellgrad_audit.targets.command import CommandTarget  # noqa: PLC0415

    with closing(CommandTarget(words_for(name, *more), timeout=60)) as target:
        return audit(target, probes())


def row_of(name):
    """Return the row of one mistake."""
    result = audited(name)
    if not result.diagnoses:
        return Row(name, result.verdict, "", ())
    best = result.diagnoses[0]
    return Row(name, result.verdict, " + ".join(e.id for e in best.entries), tuple(best.ties))


def every_name():
    """Return every mistake of the catalogue in every way that the program makes it."""
    return [name for entry in MISTAKES for name in names(entry)]


def confusion():
    """Return a row for every mistake, in the order of the catalogue."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(row_of, every_name()))


def entry_of(name):
    """Return the entry of a mistake's name."""
    return name.partition("/")[0]


def line(row):
    """Return a row as a line of the page's table."""
    entry, _, way = row.name.partition("/")
    said = f"`{row.first}`" if row.first else "nothing"
    ties = ", ".join(f"`{tie}`" for tie in row.ties)
    return f"| `{entry}` | {way} | {row.verdict.replace('_', ' ')} | {said} | {ties} |"


def rows_of(page):
    """Return the rows that a page shows."""
    table = page.split("|---|---|---|---|---|\n")[1].split("\n\n")[0]
    rows = []
    for text in table.splitlines():
        entry, way, verdict, said, ties = (cell.strip() for cell in text.strip("|").split(" | "))
        name = f"{entry.strip('`')}/{way}" if way else entry.strip("`")
        first = "" if said == "nothing" else said.strip("`")
        told = tuple(tie.strip("`") for tie in ties.split(", ")) if ties else ()
        rows.append(Row(name, verdict.replace(" ", "_"), first, told))
    return rows


def markdown(rows):
    """Return the page."""
    hits = [row for row in rows if row.first == entry_of(row.name)]
    head = _HEAD.format(
        ways=len(rows),
        entries=len({entry_of(row.name) for row in rows}),
        named=len(hits),
        first=len({entry_of(row.name) for row in hits}),
    )
    found = {row.name: row.first == entry_of(row.name) for row in rows}
    readings = [
        f"| `{entry_of(name)}` | {name.partition('/')[2]} | {reason} "
        f"| {'yes' if found[name] else 'unknown'} |\n"
        for name, reason in OPEN.items()
    ]
    return head + "".join(line(row) + "\n" for row in rows) + _READINGS + "".join(readings)
