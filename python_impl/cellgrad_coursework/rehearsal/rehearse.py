"""A rehearsal: simulated students are graded, and what is said is set beside what was meant."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad_coursework.manifest_file import KEPT, manifest_path, read_manifest
from cellgrad_coursework.model import OK, OK_ECF, VERDICTS, CellVerdict, Grade, Manifest
from cellgrad_coursework.rehearsal.students import Classroom
from cellgrad_coursework.rehearsal.work import Work
from cellgrad_coursework.results.summary import counted
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake

_SAME = 1e-9
_SHOWN = 20

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
    room, meant = Classroom(manifest, folder, seed), dict[str, Work]()
    result = Rehearsal()
    with tempfile.TemporaryDirectory(prefix="cellgrad-rehearsal-") as name:
        submissions, output = Path(name) / "submissions", Path(name) / "graded"
        for student in room.students(count):
            path = submissions / student.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(student.workbook())
            meant[student.file] = student
        result.left_out = room.left_out
        with closing(Intake(submissions)) as intake:
            for grade in grade_all(
                manifest, intake, output, (), settings or Settings(feedback=False), progress
            ):
                compare(result, meant[grade.file], grade)
    return result


def compare(result: Rehearsal, meant: Work, grade: Grade) -> None:
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
    result: Rehearsal, meant: Work, got: Mapping[tuple[str, str], CellVerdict]
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


# the command


def rehearse_command(
    assignment_dir: Path, count: int = 100, *, jobs: int | None = None, seed: int = 1
) -> int:
    """Grade simulated students and print what was meant beside what was said.

    Args:
        assignment_dir: what ``cellgrad assign`` wrote.
        count: how many students.
        jobs: how many processes; None for all cores.
        seed: of what is drawn.

    Returns:
        0 if everything was graded as intended, else 1.

    Raises:
        InputError: there is no assignment, or its handouts are missing.
    """
    if count < 1:
        raise InputError("must be 1 or more", place="-n", remedy="try -n 100")
    manifest = read_manifest(assignment_dir)
    inner = manifest_path(assignment_dir).parent
    with progress_bar("grading", count, unit="files") as bar:
        result = rehearse(
            manifest,
            inner.parent if inner.name == KEPT else inner,
            count,
            seed=seed,
            settings=Settings(feedback=False, jobs=jobs),
            progress=bar.show,
        )
    print_result(result, Console(highlight=False))
    return 0 if result.as_intended else 1


def print_result(result: Rehearsal, console: Console) -> None:
    """Print what was meant beside what was said, and how mistakes were named."""
    console.print(_matrix(result))
    console.print(_kinds(result))
    for line in _naming(result):
        console.print(line, markup=False)
    for line in result.surprises[:_SHOWN]:
        console.print(printable(line), markup=False)
    if len(result.surprises) > _SHOWN:
        console.print(f"and {len(result.surprises) - _SHOWN:,} more")
    verdict = "as intended" if result.as_intended else "NOT as intended"
    cells = counted(sum(result.verdicts.values()), "cell")
    console.print(f"{counted(result.students, 'student')}, {cells}: {verdict}")


def _naming(result: Rehearsal) -> list[str]:
    """Say how many of the catalogue's mistakes were named, and as what."""
    total = sum(result.named.values())
    if not total:
        return []
    words = {
        AS_MADE: "named as the mistake that was made",
        AS_ANOTHER: "named as another one whose formula computes the same in that cell",
        NOT_NAMED: "not named; the cell is wrong all the same",
    }
    made, cells = counted(len(result.made), "mistake"), counted(total, "cell")
    lines = [f"{made} of the catalogue, made in {cells}:"]
    lines += [f"  {result.named[way]:>6,}  {said}" for way, said in words.items()]
    return [*lines, ""]


def _matrix(result: Rehearsal) -> Table:
    """Return how often a cell meant one way (rows) was judged another (columns)."""
    got = [name for name in (*VERDICTS, "(none)")
           if any(pair[1] == name for pair in result.verdicts)]  # fmt: skip
    table = _table("cells: meant (rows), graded (columns)")
    table.add_column("", no_wrap=True)
    for name in got:
        table.add_column(name.replace("-constant", "-\nconstant"), justify="right", no_wrap=True)
    for name in VERDICTS:
        row = [result.verdicts.get((name, other), 0) for other in got]
        if any(row):
            table.add_row(name, *(f"{count:,}" if count else "·" for count in row))
    return table


def _kinds(result: Rehearsal) -> Table:
    table = _table("students")
    table.add_column("kind", no_wrap=True)
    table.add_column("graded", justify="right")
    table.add_column("as intended", justify="right")
    for kind, (count, fine) in result.kinds.items():
        table.add_row(kind, f"{count:,}", f"{fine:,}")
    for kind in result.left_out:
        table.add_row(kind, "left out", "nothing here for it")
    return table


def _table(title: str) -> Table:
    """Return an empty table that leaves room for all verdicts on a line of 80 characters."""
    return Table(title=title, box=box.SIMPLE, title_justify="left", padding=0)
