"""The page that a student gets: one HTML file that needs nothing else, printed on one sheet."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from cellgrad.errors import printable
from cellgrad_coursework.model import OK, OK_ECF, CellVerdict, Grade, Manifest
from cellgrad_coursework.results.feedback.summary import (
    MARKS,
    MEANINGS,
    WORDS,
    Summary,
    counted,
    exact,
    plain_number,
    summary,
)

MOST_CAUSES = 12
PRINTED_CAUSES = 5
"""So many fit one sheet of paper beside the cells."""

MOST_ROWS = 400


@dataclass(slots=True)
class Group:
    """The cells of one quantity.

    Attributes:
        name: what the sheet calls it.
        equation: its number.
        cells: its cells, in the order of the flow.
    """

    name: str
    equation: str
    cells: list[CellVerdict] = field(default_factory=list)


def page(manifest: Manifest, grade: Grade) -> str:
    """Return the page about a submission as the text of an HTML file."""
    told = summary(grade)
    return template("student.html.jinja").render(
        manifest=manifest,
        grade=grade,
        told=told,
        look=_look(told),
        share=_share(grade),
        causes=told.numbered[:MOST_CAUSES],
        printed=PRINTED_CAUSES,
        more=max(len(told.causes) - MOST_CAUSES, 0),
        groups=groups(grade.verdicts),
        told_of=[v for v in grade.verdicts if v.verdict != OK][:MOST_ROWS],
        kinds=[v for v in MEANINGS if any(w.verdict == v for w in grade.verdicts)],
    )


def groups(verdicts: list[CellVerdict]) -> list[Group]:
    """Return the cells quantity by quantity, in the order of the flow."""
    found: dict[tuple[str, int | None], Group] = {}
    for verdict in verdicts:
        cell = verdict.cell
        group = found.setdefault(
            (cell.quantity, cell.layer), Group(cell.label.partition("[")[0].strip(), cell.equation)
        )
        group.cells.append(verdict)
    return list(found.values())


def _look(told: Summary) -> str:
    if told.grade.problem:
        return "bad"
    right = told.count(OK, OK_ECF)
    return "good" if right == len(told.grade.verdicts) and not told.causes else "open"


def _share(grade: Grade) -> float:
    return min(max(grade.score / grade.of, 0.0), 1.0) if grade.of else 0.0


def short_label(label: str) -> str:
    """Return the place within a quantity: ``[2]`` of ``S_ERROR_H[2]``."""
    _, bracket, rest = label.partition("[")
    return rest.rstrip("]") if bracket else ""


def clean(text: str) -> str:
    """Return a text on one line, its control characters made visible."""
    return " ".join(printable(" ".join(text.split())).split())


@cache
def template(name: str) -> Template:
    """Return a template of a page; what it shows is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=plain_number, exact=exact, counted=counted, clean=clean, place=short_label
    )
    environment.globals.update(words=WORDS, marks=MARKS, meanings=MEANINGS)
    return environment.get_template(name)
