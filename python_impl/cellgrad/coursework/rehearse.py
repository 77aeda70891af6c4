"""A rehearsal: simulated students are graded, and what is said is set beside what was meant."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from cellgrad.coursework.intake import Intake
from cellgrad.coursework.model import OK, OK_ECF, Grade, Manifest
from cellgrad.coursework.runner import Settings, grade_all
from cellgrad.coursework.students import Classroom, Simulated

_SAME = 1e-9


@dataclass(slots=True)
class Rehearsal:
    """What came out.

    Attributes:
        students: how many were graded.
        verdicts: how often a cell meant to be judged in one way was judged in another.
        kinds: of each kind of student: how many, and how many were graded as intended.
        surprises: what was not as intended, a line each.
    """

    students: int = 0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    kinds: dict[str, list[int]] = field(default_factory=dict)
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
        with closing(Intake(submissions)) as intake:
            for grade in grade_all(
                manifest, intake, output, (), settings or Settings(feedback=False), progress
            ):
                _compare(result, meant[grade.file], grade)
    return result


def _compare(result: Rehearsal, meant: Simulated, grade: Grade) -> None:
    surprises = []
    got = {(v.cell.sheet, v.cell.address): v for v in grade.verdicts}
    if grade.problem:
        surprises.append(f"could not be graded: {grade.problem}")
    for place, intended in meant.intended.items():
        verdict = got[place].verdict if place in got else "(none)"
        result.verdicts[intended, verdict] += 1
        if not _alike(intended, verdict):
            label = f"{place[1]} ({got[place].cell.label})" if place in got else place[1]
            surprises.append(f"{label}: {verdict} instead of {intended}")
    points = sum(verdict.points for verdict in grade.verdicts)
    if meant.points is not None and not surprises and abs(points - meant.points) > _SAME:
        surprises.append(f"{points:g} points instead of {meant.points:g}")
    if meant.remark and not any(meant.remark in line for line in grade.notes):
        surprises.append(f"nothing is said of this: {meant.remark}")
    if meant.copied != any(" workbook " in line or "token" in line for line in grade.copying):
        surprises.append("copying is not shown" if meant.copied else "copying is shown")
    result.students += 1
    kind = result.kinds.setdefault(meant.kind, [0, 0])
    kind[0] += 1
    kind[1] += not surprises
    result.surprises += [f"{meant.file} ({meant.kind}): {line}" for line in surprises]


def _alike(intended: str, got: str) -> bool:
    """Tell whether two verdicts say the same: what follows from a mistake may be right anyway."""
    return intended == got or {intended, got} <= {OK, OK_ECF}
