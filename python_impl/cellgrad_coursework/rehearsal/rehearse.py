"""A rehearsal: simulated students are graded, and what is said is set beside what was meant."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad_coursework.model import OK, OK_ECF, CellVerdict, Grade, Manifest
from cellgrad_coursework.rehearsal.students import Classroom, Simulated
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake

_SAME = 1e-9

AS_MADE, AS_ANOTHER, NOT_NAMED = "as made", "as another", "not named"
"""What became of a mistake of the catalogue: named as the entry that was made; as another entry
whose formula computes the same in that cell; not named."""


@dataclass(slots=True)
class Rehearsal:
    """What came out.

    Attributes:
        students: how many were graded.
        verdicts: how often a cell meant to be judged in one way was judged in another.
        kinds: of each kind of student: how many, and how many were graded as intended.
        left_out: kinds of students for whom the assignment has nothing to do.
        made: the catalogue's mistakes that were made.
        named: how many of them the grader named, by the words below.
        surprises: what was not as intended, a line each.
    """

    students: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: dict[str, list[int]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    made: set[str] = field(default_factory=set)
    named: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    @property
    def as_intended(self) -> bool:
        """Whether everything was."""
        return self.students > 0 and not self.surprises


def rehearse(
    manifest: Manifest,
    folder: Path,
    count: int,
    *,
    seed: int = 1,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Rehearsal:
    """Grade simulated students.

    Args:
        manifest: the assignment.
        folder: of its handouts.
        count: how many students.
        seed: of what is drawn.
        settings: how they are graded.
        progress: told how many are graded, of how many.

    Raises:
        InputError: the handouts cannot be read.
    """
    room, meant = Classroom(manifest, folder, seed), dict[str, Simulated]()
    result = Rehearsal()
    with tempfile.TemporaryDirectory(prefix="cellgrad-rehearsal-") as name:
        submissions, output = Path(name) / "submissions", Path(name) / "graded"
        for student in room.students(count):
            path = submissions / student.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(student.data)
            student.data = b""
            meant[student.file] = student
        result.left_out = room.left_out
        with closing(Intake(submissions)) as intake:
            for grade in grade_all(
                manifest, intake, output, (), settings or Settings(feedback=False), progress
            ):
                compare(result, meant[grade.file], grade)
    return result


def compare(result: Rehearsal, meant: Simulated, grade: Grade) -> None:
    """Add to a rehearsal what was said of a student beside what was meant."""
    surprises = []
    got = {(v.cell.sheet, v.cell.address): v for v in grade.verdicts}
    if grade.problem:
        surprises.append(f"could not be graded: {grade.problem}")
    for place, intended in meant.intended.items():
        found = got.get(place)
        verdict = found.verdict if found else "(none)"
        result.verdicts[intended, verdict] += 1
        label = f"{place[1]} ({found.cell.label})" if found else place[1]
        points, due = found.points if found else 0.0, meant.points[place]
        if not _alike(intended, verdict, points, due):
            surprises.append(f"{label}: {verdict} instead of {intended}")
        elif abs(points - due) > _SAME:
            surprises.append(f"{label}: {points:g} points instead of {due:g}")
    surprises += _names(result, meant, got)
    if meant.remark and not any(meant.remark in line for line in grade.notes):
        surprises.append(f"nothing is said of this: {meant.remark}")
    if meant.copied != any(" workbook " in line or "token" in line for line in grade.copying):
        surprises.append("copying is not shown" if meant.copied else "copying is shown")
    result.students += 1
    kind = result.kinds.setdefault(meant.kind, [0, 0])
    kind[0] += 1
    kind[1] += not surprises
    result.surprises += [f"{meant.file} ({meant.kind}): {line}" for line in surprises]


def _names(
    result: Rehearsal, meant: Simulated, got: Mapping[tuple[str, str], CellVerdict]
) -> Iterator[str]:
    """Count how the catalogue's mistakes were named; yield what was named wrongly."""
    for place, made in meant.made.items():
        result.made.add(made.entry)
        bug = got[place].bug if place in got else ""
        if not bug:
            result.named[NOT_NAMED] += 1
        elif bug in made.alike:
            result.named[AS_MADE if bug == made.entry else AS_ANOTHER] += 1
        else:
            yield f"{place[1]}: named {bug}, which computes something else than {made.entry}"


def _alike(intended: str, got: str, points: float, due: float) -> bool:
    """Tell whether two verdicts say the same.

    What follows from a mistake may be right anyway; that is no other verdict where it earns
    the same.
    """
    return intended == got or ({intended, got} <= {OK, OK_ECF} and abs(points - due) <= _SAME)
