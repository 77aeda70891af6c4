"""The pages that a student and a lecturer get: each one HTML file that needs nothing else.

A student's page is printed on one sheet; the class page says which cell, which mistake, how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Template

from cellgrad.errors import printable
from cellgrad.report.page import page_template
from cellgrad_coursework.model import (
    OK,
    OK_ECF,
    VERDICTS,
    CellVerdict,
    Grade,
    GradedCell,
    Manifest,
)
from cellgrad_coursework.results.summary import (
    EXCUSED,
    GRADED,
    MARKS,
    MEANINGS,
    MISSING,
    MOST_CAUSES,
    OTHER,
    UNREADABLE,
    WORDS,
    Record,
    Summary,
    counted,
    exact,
    plain_number,
    summary,
)

PRINTED_CAUSES = 5
"""So many fit one sheet of paper beside the cells."""

MOST_ROWS = 400
MOST = 200
"""So many lines of a list are shown; the files beside the page hold all of them."""

_BARS = 10
_WIDTH, _HEIGHT, _FOOT, _HEAD = 520.0, 150.0, 20.0, 18.0


@cache
def _template(name: str) -> Template:
    """Return a template of a page; what it shows is escaped."""
    filters = {"number": plain_number, "exact": exact, "counted": counted, "clean": _clean}
    words = {"words": WORDS, "marks": MARKS, "meanings": MEANINGS}
    return page_template(Path(__file__).parent / "templates", name, filters, words)


def _clean(text: str) -> str:
    """Return a text on one line, its control characters made visible."""
    return " ".join(printable(" ".join(text.split())).split())


# a student


def student_page(manifest: Manifest, grade: Grade) -> str:
    """Return the page about a submission as the text of an HTML file."""
    told = summary(grade)
    return _template("student.html.jinja").render(
        manifest=manifest,
        grade=grade,
        told=told,
        look=_look(told),
        share=_share(grade),
        causes=told.numbered[:MOST_CAUSES],
        printed=PRINTED_CAUSES,
        more=max(len(told.causes) - MOST_CAUSES, 0),
        groups=_groups(grade.verdicts),
        told_of=[v for v in grade.verdicts if v.verdict != OK][:MOST_ROWS],
        kinds=[v for v in MEANINGS if any(w.verdict == v for w in grade.verdicts)],
    )


def _groups(verdicts: list[CellVerdict]) -> list[list[CellVerdict]]:
    """Return the cells quantity by quantity, in the order of the flow."""
    groups: dict[tuple[str, int | None], list[CellVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.cell.quantity, verdict.cell.layer), []).append(verdict)
    return list(groups.values())


def _look(told: Summary) -> str:
    if told.grade.problem:
        return "bad"
    right = told.count(OK, OK_ECF)
    return "good" if right == len(told.grade.verdicts) and not told.causes else "open"


def _share(grade: Grade) -> float:
    return min(max(grade.score / grade.of, 0.0), 1.0) if grade.of else 0.0


# a class

_STRIP = (OK, OK_ECF, *(v for v in VERDICTS if v not in (OK, OK_ECF)))


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the distribution, in the units of the picture."""

    x: float
    y: float
    width: float
    height: float
    count: int
    label: str


@dataclass(frozen=True, slots=True)
class CellLine:
    """How the class did in one cell.

    Attributes:
        cell: which.
        counts: how many submissions have each verdict.
        strip: for the picture: verdict, place and width of each stretch, in hundredths.
        right: the share that is right or follows correctly, in hundredths.
    """

    cell: GradedCell
    counts: dict[str, int]
    strip: list[tuple[str, float, float]]
    right: float


@dataclass(frozen=True, slots=True)
class MistakeLine:
    """A mistake, where it was made, and by how many."""

    title: str
    students: int
    places: str


def class_page(manifest: Manifest, records: Sequence[Record]) -> str:
    """Return the page about a class as the text of an HTML file.

    Args:
        manifest: the assignment.
        records: of each submission, and of each student who handed nothing in, sorted.
    """
    graded = [r for r in records if r.status == GRADED and r.counting]
    shares = [100 * r.score / r.grade.of for r in graded if r.score is not None and r.grade.of]
    states = Counter(r.status for r in records)
    said = {
        GRADED: f"{counted(states[GRADED], 'file')} graded",
        UNREADABLE: f"{states[UNREADABLE]} unreadable",
        OTHER: f"{states[OTHER]} of another assignment",
        MISSING: f"{counted(states[MISSING], 'student')} handed nothing in",
        EXCUSED: f"{states[EXCUSED]} excused",
    }
    reasons = [(r, kind, reason) for r in records for kind, reason in r.reasons]
    copying = [(r, reason) for r, kind, reason in reasons if kind == "potential copying"]
    unreadable = [r for r in records if r.status in (UNREADABLE, OTHER)]
    elsewhere = ("potential copying", "unreadable", OTHER)
    other = [line for line in reasons if line[1] not in elsewhere]
    return _template("class.html.jinja").render(
        manifest=manifest,
        graded=len(graded),
        states=[words for status, words in said.items() if states[status] or status == GRADED],
        facts=_facts(shares, manifest.points),
        bars=_bars(shares),
        width=_WIDTH,
        height=_HEIGHT,
        floor=_HEIGHT - _FOOT,
        cells=_cells(manifest, graded),
        mistakes=_mistakes(manifest, graded),
        copying=copying[:MOST],
        unreadable=unreadable[:MOST],
        other=other[:MOST],
        missing=[r for r in records if r.status == MISSING][:MOST],
        most=MOST,
        lengths={"copying": len(copying), "unreadable": len(unreadable), "other": len(other)},
    )


def _facts(shares: list[float], points: float) -> list[tuple[str, str]]:
    if not shares:
        return []
    ranked = sorted(shares)
    middle = len(ranked) // 2
    median = ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2
    mean = sum(ranked) / len(ranked)

    def both(share: float) -> str:
        return f"{share:.0f} % ({share * points / 100:.1f} points)"

    return [
        ("median", both(median)),
        ("mean", both(mean)),
        ("lowest", both(ranked[0])),
        ("highest", both(ranked[-1])),
    ]


def _bars(shares: list[float]) -> list[Bar]:
    counts = [0] * _BARS
    for share in shares:
        counts[min(max(int(share * _BARS / 100), 0), _BARS - 1)] += 1
    most, step = max([*counts, 1]), _WIDTH / _BARS
    bars = []
    for place, count in enumerate(counts):
        height = (_HEIGHT - _FOOT - _HEAD) * count / most
        last = 100 * (place + 1) // _BARS
        label = f"{100 * place // _BARS}–{last}"
        bars.append(Bar(place * step + 3, _HEIGHT - _FOOT - height, step - 6, height, count, label))
    return bars


def _cells(manifest: Manifest, graded: list[Record]) -> list[CellLine]:
    lines = []
    for place, cell in enumerate(manifest.cells):
        codes = Counter(VERDICTS[r.codes[place]] for r in graded if place < len(r.codes))
        total, at, strip = sum(codes.values()), 0.0, []
        for verdict in _STRIP:
            if codes[verdict]:
                width = 100 * codes[verdict] / total
                strip.append((verdict, at, width))
                at += width
        right = 100 * (codes[OK] + codes[OK_ECF]) / total if total else 0.0
        lines.append(CellLine(cell, dict(codes), strip, right))
    return lines


def _mistakes(manifest: Manifest, graded: list[Record]) -> list[MistakeLine]:
    """Return the mistakes, commonest first; each counts once a student."""
    students: Counter[str] = Counter()
    places: dict[str, Counter[int]] = {}
    for record in graded:
        for title in {title for _, title in record.mistakes}:
            students[title] += 1
        for place, title in record.mistakes:
            places.setdefault(title, Counter())[place] += 1
    lines = []
    for title, count in sorted(students.items(), key=lambda item: (-item[1], item[0])):
        ranked = sorted(places[title].items(), key=lambda item: (-item[1], item[0]))
        shown = [f"{manifest.cells[place].label} ({times})" for place, times in ranked[:6]]
        more = [f"and {len(ranked) - 6} more"] if len(ranked) > 6 else []
        lines.append(MistakeLine(title, count, ", ".join([*shown, *more])))
    return lines
