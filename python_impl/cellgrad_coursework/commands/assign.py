"""``cellgrad assign``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad_coursework.kits.write import KINDS, write_kit
from cellgrad_coursework.roster import Roster, roster_of
from cellgrad_coursework.setting.assign import MOODLE, Assigned, assign
from cellgrad_coursework.setting.assignment import read_assignment
from cellgrad_coursework.setting.folder import ASSIGNMENT, ROSTER, write_example


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where it says nothing."""

    assignment: Path | None
    roster: Path | None = None
    output: Path | None = None
    init: Path | None = None
    secret: Path | None = None
    layout_for: str | None = None
    worksheet: bool = True
    kits: tuple[str, ...] = ()


def assign_command(options: Options) -> int:
    """Write an example, or the handouts of an assignment; return the exit code.

    Raises:
        InputError: something asked for is missing, cannot be read or cannot be written.
    """
    if options.init is not None:
        return _init(options)
    for place, value, remedy in (
        ("ASSIGNMENT", options.assignment, "name it, or begin with cellgrad assign --init DIR"),
        ("--roster", options.roster, "name the list of students, such as --roster roster.csv"),
        ("-o", options.output, "name the folder to write, such as -o handouts"),
    ):
        if value is None:
            raise InputError("is missing", place=place, remedy=remedy)
    if options.assignment is None or options.roster is None or options.output is None:
        return 2  # never: refused above
    layout_for = options.layout_for or ""
    if layout_for not in ("", MOODLE):
        raise InputError(f"{layout_for!r} is not known", place="--for", remedy=f"use {MOODLE}")
    if unknown := [kind for kind in options.kits if kind not in KINDS]:
        remedy = f"use {', '.join(KINDS)}"
        raise InputError(f"{unknown[0]!r} is no kit", place="--kit", remedy=remedy)
    assignment = read_assignment(options.assignment)
    roster = roster_of(options.roster)
    students = roster.students
    with progress_bar("writing", len(students)) as bar:
        try:
            done = assign(
                assignment, students, options.output,
                secret=options.secret, layout_for=layout_for, worksheet=options.worksheet,
                advance=bar.advance,
            )  # fmt: skip
        except InputError as error:
            if error.file == "the roster":
                raise InputError(
                    error.problem, file=options.roster, place=error.place, remedy=error.remedy
                ) from error
            raise error.within(options.assignment) from error
    _say(done, options.output, roster, options.roster)
    for kind in options.kits:
        folder = options.output / "kits" / kind
        write_kit(kind, options.output, folder)
        sys.stdout.write(printable(f"wrote the {kind} kit to {folder}: see its README") + "\n")
    return 0


def _init(options: Options) -> int:
    if options.init is None or options.assignment is not None:
        raise InputError(
            "writes an example and reads nothing",
            place="--init",
            remedy="leave out the assignment",
        )
    write_example(options.init)
    command = [
        "cellgrad", "assign", str(options.init / ASSIGNMENT),
        "--roster", str(options.init / ROSTER), "-o", "handouts",
    ]  # fmt: skip
    sys.stdout.write(
        printable(f"wrote {options.init / ASSIGNMENT} and {options.init / ROSTER}")
        + "\nnow: "
        + printable(shlex.join(command))
        + "\n"
    )
    return 0


def _say(done: Assigned, output: Path, roster: Roster, read: Path) -> None:
    count = len(done.manifest.handouts)
    cells, points = len(done.manifest.cells), done.manifest.points
    what = _counted(count, "workbook")
    if done.manifest.one_file is not None:
        what = f"one workbook for {_counted(count, 'student')}"
    asked = f"{_counted(cells, 'cell')} to fill in, {_counted(points, 'point')}"
    lines = [
        f"read {_counted(len(roster.students), 'student')} from {read}",
        *(f"  {note}" for note in roster.notes),
        f"wrote {what} to {output}: {asked}",
        *done.notes,
    ]
    if done.secret_is_new:
        lines.append(
            f"made the secret {done.secret}: keep it to yourself, with a copy; the same "
            "numbers can be made from it alone"
        )
    lines.append(f"{output / 'README.txt'} says what to hand out and what to keep")
    sys.stdout.write("".join(printable(line) + "\n" for line in lines))


def _counted(number: float, what: str) -> str:
    return f"{number:g} {what}{'s' * (number != 1)}"
