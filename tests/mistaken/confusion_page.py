"""What the audit says of every mistake that the program makes: reference/confusion.md.

python tests/mistaken/confusion_page.py            writes the page
python tests/mistaken/confusion_page.py --check    exits with 1 where it is not current
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "reference" / "confusion.md"
PROGRAM = Path(__file__).resolve().parent / "run.py"

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "python_impl"), str(ROOT / "tests")]

from mistaken.mistakes import MISTAKES, names

OPEN = {
    # entry/variant of this program: what the words leave open, and how it was read here
}
"""Readings of the words in which this program and the catalogue part: the audit knows the
mistake in the catalogue's reading only."""


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
    """Return the command that makes a mistake, in a process without anything installed."""
    return [sys.executable, "-I", "-S", str(PROGRAM), *more, name]


def audited(name, *more):
    """Audit the program that makes a mistake; a process for each probe."""
    from cellgrad.audit.probes import probes  # noqa: PLC0415 - the path is set above
    from cellgrad.audit.run import audit  # noqa: PLC0415
    from cellgrad.audit.targets.command import CommandTarget  # noqa: PLC0415

    with closing(CommandTarget(words_for(name, *more), timeout=60)) as target:
        return audit(target, probes())


def row_of(name):
    """Return the row of one mistake."""
    result = audited(name)
    if not result.diagnoses:
        return Row(name, result.verdict, "", ())
    best = result.diagnoses[0]
    return Row(name, result.verdict, " + ".join(e.id for e in best.entries), best.ties)


def every_name():
    """Return every mistake of the catalogue in every way that the program makes it."""
    return [name for entry in MISTAKES for name in names(entry)]


def confusion():
    """Return a row for every mistake, in the order of the catalogue."""
    with ProcessPoolExecutor() as pool:
        return list(pool.map(row_of, every_name()))


def line(row):
    """Return a row as a line of the page's table."""
    entry, _, variant = row.name.partition("/")
    said = f"`{row.first}`" if row.first else "nothing"
    ties = ", ".join(f"`{tie}`" for tie in row.ties)
    return f"| `{entry}` | {variant} | {row.verdict.replace('_', ' ')} | {said} | {ties} |"


def named(row):
    """Whether the mistake itself is named first."""
    return row.first == row.name.partition("/")[0]


def markdown(rows):
    """Return the page."""
    entries = {row.name.partition("/")[0] for row in rows}
    first = {row.name.partition("/")[0] for row in rows if named(row)}
    opened = [
        f"| `{name.partition('/')[0]}` | {name.partition('/')[2]} | {reason} |"
        for name, reason in OPEN.items()
    ]
    lines = [
        "# Confusion matrix",
        "",
        "A training program in plain Python ([`tests/mistaken/`](../tests/mistaken/)) makes every",
        "mistake of the catalogue ([bugs.md](bugs.md)) on purpose. It was written from the catalogue's",
        "*words* and shares no code with the audit; it answers the probes as a process of its own, with",
        "final weights and biases alone. Below is what the audit says of it. Tests keep this page current",
        "(`python tests/mistaken/confusion_page.py` writes it).",
        "",
        f"{len(rows)} ways to make {len(entries)} mistakes: {sum(map(named, rows))} ways are named first,",
        f"of {len(first)} mistakes.",
        "",
        "`error-sign-convention` and `softmax-shifted` give the right weights: the final weights cannot show",
        "them. Formulas for the same function are told apart only where their roundings differ.",
        "",
        "| mistake made | way | verdict | named first | cannot be told from |",
        "|---|---|---|---|---|",
        *map(line, rows),
        "",
        "## Where the words leave more than one reading",
        "",
        *(
            [
                "In these ways the program reads the words otherwise than the catalogue does. The audit must not",
                "give such a mistake a wrong name.",
                "",
                "| mistake | way | read here as |",
                "|---|---|---|",
                *opened,
            ]
            if opened
            else ["None is known."]
        ),
        "",
    ]
    return "\n".join(lines)


def main(words):
    """Write the page, or check it; return the exit code."""
    text = markdown(confusion())
    if "--check" in words:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        sys.stdout.write("current\n" if current else f"{PAGE.name} is not current\n")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
