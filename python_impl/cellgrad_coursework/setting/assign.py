"""Handing out: from an assignment and a roster to a folder of workbooks, keys and manifest."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from cellgrad.cli.progress import progress_bar
from cellgrad.errors import InputError, printable
from cellgrad.files import unwritable, zip_entry
from cellgrad_coursework.kits import KINDS, write_kit
from cellgrad_coursework.manifest_file import HANDOUTS, KEPT, NAME, assignment_in, manifest_bytes
from cellgrad_coursework.model import Manifest, Student
from cellgrad_coursework.roster import (
    Roster,
    last_name_first,
    participant,
    roster_of,
    safe_name,
)
from cellgrad_coursework.secret import new_secret, read_secret, secret_beside, write_secret
from cellgrad_coursework.setting.assignment import Assignment, read_assignment
from cellgrad_coursework.setting.handouts import text_from
from cellgrad_coursework.setting.maker import KEYS, WORKSHEET, Maker
from cellgrad_coursework.setting.numbers import check_ids

ASSIGNMENT, ROSTER = "assignment.toml", "roster.csv"
MOODLE = "moodle"
_FOLDER_NAME = 80


def assign_command(
    assignment: Path | None = None,
    *,
    init: Path | None = None,
    roster: Path | None = None,
    output: Path | None = None,
    secret: Path | None = None,
    layout_for: str = "",
    worksheet: bool = True,
    kits: Sequence[str] = (),
) -> int:
    """Write an example, or the handouts of an assignment; return the exit code.

    Args:
        assignment: its file.
        init: the folder of the example, if one is asked for.
        roster: the students.
        output: the folder to write.
        secret: where the secret is kept; None for beside the output.
        layout_for: ``moodle`` for a zip as it takes feedback files, or nothing.
        worksheet: whether the printable worksheet is made, where that is possible.
        kits: autograders whose kits are written too.

    Raises:
        InputError: something asked for is missing, cannot be read or cannot be written.
    """
    if init is not None:
        return _init(init, assignment)
    if assignment is None:
        remedy = "name it, or begin with cellgrad assign --init DIR"
        raise InputError("is missing", place="ASSIGNMENT", remedy=remedy)
    if roster is None:
        remedy = "name the list of students, such as --roster roster.csv"
        raise InputError("is missing", place="--roster", remedy=remedy)
    if output is None:
        remedy = "name the folder to write, such as -o handouts"
        raise InputError("is missing", place="-o", remedy=remedy)
    if layout_for not in ("", MOODLE):
        raise InputError(f"{layout_for!r} is not known", place="--for", remedy=f"use {MOODLE}")
    if unknown := [kind for kind in kits if kind not in KINDS]:
        remedy = f"use {', '.join(KINDS)}"
        raise InputError(f"{unknown[0]!r} is no kit", place="--kit", remedy=remedy)
    content, people = read_assignment(assignment), roster_of(roster)
    with progress_bar("writing", len(people.students)) as bar:
        try:
            done = assign(
                content, people.students, output,
                secret=secret, layout_for=layout_for, worksheet=worksheet, advance=bar.advance,
            )  # fmt: skip
        except InputError as error:
            if error.file == "the roster":
                raise InputError(
                    error.problem, file=roster, place=error.place, remedy=error.remedy
                ) from error
            raise error.within(assignment) from error
    _say(done, output, people, roster)
    for kind in kits:
        folder = output / "kits" / kind
        write_kit(kind, output, folder)
        sys.stdout.write(printable(f"wrote the {kind} kit to {folder}: see its README") + "\n")
    return 0


def _init(folder: Path, assignment: Path | None) -> int:
    if assignment is not None:
        raise InputError(
            "writes an example and reads nothing",
            place="--init",
            remedy="leave out the assignment",
        )
    write_example(folder)
    toml, roster = folder / ASSIGNMENT, folder / ROSTER
    command = ["cellgrad", "assign", str(toml), "--roster", str(roster), "-o", "handouts"]
    for line in (f"wrote {toml} and {roster}", f"now: {shlex.join(command)}"):
        sys.stdout.write(printable(line) + "\n")
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


def write_example(folder: Path) -> None:
    """Write an example to start from: a commented assignment and a roster that work as they are.

    Args:
        folder: where to; it must not exist, or be empty.

    Raises:
        InputError: there is something already, or the place cannot be written.
    """
    templates = files("cellgrad_coursework.setting") / "templates"
    with written_folder(folder) as place:
        for name in (ASSIGNMENT, ROSTER):
            (place / name).write_bytes((templates / name).read_bytes())


@dataclass(slots=True)
class Assigned:
    """What was written.

    Attributes:
        manifest: what grading needs.
        secret: where the secret lies.
        secret_is_new: whether it was made now.
        notes: what the lecturer should know, a line each.
    """

    manifest: Manifest
    secret: Path
    secret_is_new: bool
    notes: list[str] = field(default_factory=list)


def assign(
    assignment: Assignment,
    students: Sequence[Student],
    output: Path,
    *,
    secret: Path | None = None,
    layout_for: str = "",
    worksheet: bool = True,
    advance: Callable[[], None] | None = None,
) -> Assigned:
    """Write the folder of an assignment: workbooks, keys, manifest; all of it or nothing.

    Args:
        assignment: what is handed out.
        students: to whom.
        output: the folder; it must not exist, or be empty.
        secret: where the secret lies or will lie; beside the output by default.
        layout_for: ``moodle`` for a zip as it takes feedback files, or nothing.
        worksheet: whether the printable worksheet is made, where that is possible.
        advance: called after each student.

    Raises:
        InputError: numbers that tell mistakes apart cannot be found, an id cannot be used, the
            secret is lost, or a place cannot be written.
    """
    place = secret or secret_beside(output, assignment.id)
    _check_place(place, output)
    _check_one_file(assignment, students, layout_for)
    is_new = not place.exists()
    if is_new:
        _check_not_lost(place, output, assignment.id)
    key = new_secret() if is_new else read_secret(place)
    packed = moodle_names(students) if layout_for == MOODLE else {}
    made_secret = False
    try:
        with written_folder(output) as folder:
            for inner in (HANDOUTS, KEPT, f"{KEPT}/{KEYS}"):
                (folder / inner).mkdir()
            maker = Maker(assignment, key, folder)
            shared = maker.share(students) if assignment.one_file else None
            handouts = maker.hand_out(students, advance)
            manifest = maker.manifest(handouts, shared)
            (folder / KEPT / NAME).write_bytes(manifest_bytes(manifest))
            notes = maker.notes()
            if worksheet:
                notes += maker.print_worksheet()
            if packed:
                _pack(folder, {packed[s.id]: maker.file_name(s) for s in students})
            text = readme(assignment, place, layout_for, printed=(folder / WORKSHEET).exists())
            (folder / "README.txt").write_text(text, "utf-8", newline="\n")
            if is_new:
                write_secret(place, key)
                made_secret = True
    except BaseException as error:
        if made_secret:
            place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(output, error) from error
        raise
    return Assigned(manifest, place, is_new, notes)


def _check_place(secret: Path, output: Path) -> None:
    absolute, folder = Path(os.path.abspath(secret)), Path(os.path.abspath(output))  # noqa: PTH100 - links stay
    if absolute.is_relative_to(folder):
        raise InputError(
            "the secret must not lie among the handouts",
            file=secret,
            remedy="name a place outside of the output with --secret",
        )


def _check_not_lost(secret: Path, output: Path, assignment_id: str) -> None:
    """Refuse to make a new secret where handouts of the assignment were made with another."""
    beside = Path(os.path.abspath(output)).parent  # noqa: PTH100 - links stay
    if not beside.is_dir():
        return
    for folder in sorted(beside.iterdir()):
        if assignment_in(folder) == assignment_id:
            raise InputError(
                f"is missing, and {folder.name} was made with it: another one would give "
                "everybody other numbers",
                file=secret,
                remedy="put your copy of it back, or name it with --secret; for new numbers give "
                f"the assignment another id, or move {folder.name} elsewhere",
            )


def _check_one_file(assignment: Assignment, students: Sequence[Student], layout_for: str) -> None:
    """Refuse what does not go with one file for all."""
    if not assignment.one_file:
        return
    if layout_for == MOODLE:
        raise InputError(
            "there is one file for all, nothing to hand out one by one",
            place="one_file",
            remedy="leave out --for moodle, or write one_file = false",
        )
    check_ids(students)


def moodle_names(students: Sequence[Student]) -> dict[str, str]:
    """Return where each workbook lies in a zip of Moodle's feedback files, by student.

    Moodle splits a folder's name at underscores: name, participant's number, and the plugin
    of the submissions, ``Lovelace Ada_4711_assignsubmission_file_/s1.xlsx``.

    Raises:
        InputError: the roster lacks Moodle's numbers.
    """
    names: dict[str, str] = {}
    whose: dict[str, str] = {}
    for student in students:
        number = participant(student)
        if not number:
            raise InputError(
                f"{student.id!r} has no number in a column Identifier",
                file="the roster",
                remedy="take Moodle's grading worksheet as the roster (Identifier: Participant "
                "123), or leave out --for moodle",
            )
        if number in whose:
            raise InputError(
                f"{whose[number]!r} and {student.id!r} are both participant {number}",
                file="the roster",
                remedy="correct the column Identifier",
            )
        whose[number] = student.id
        name = moodle_name(last_name_first(student))
        names[student.id] = f"{name}_{number}_assignsubmission_file_/{safe_name(student.id)}.xlsx"
    return names


def moodle_name(name: str) -> str:
    """Return a name as Moodle's folders have it: without its separator, safe as a folder."""
    kept = "".join(c if c.isalnum() or c in " .'-" else " " for c in name)
    return " ".join(kept.split()).lstrip(".~ ")[:_FOLDER_NAME].strip() or "Student"


def _pack(folder: Path, handouts: dict[str, str]) -> None:
    """Pack the handouts as Moodle takes feedback files: place in the zip, file."""
    with zipfile.ZipFile(folder / "moodle-handouts.zip", "w") as packed:
        for place, name in handouts.items():
            data = (folder / HANDOUTS / name).read_bytes()
            packed.writestr(zip_entry(place, packed=False), data)


def readme(assignment: Assignment, secret: Path, layout_for: str, *, printed: bool) -> str:
    """Return what stands in the folder: what is what, and what to keep from whom.

    Args:
        assignment: what is handed out.
        secret: where the secret lies.
        layout_for: ``moodle`` where there is a zip for it.
        printed: whether there is a worksheet.
    """
    return text_from(
        "README.txt.jinja",
        title=assignment.title,
        secret=secret.name,
        one_file=assignment.one_file,
        moodle=layout_for == MOODLE,
        printed=printed,
    )


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write in; when all went well, it becomes ``path``.

    Folders that it lies in are made where they are missing.

    Raises:
        InputError: there is something at the place already, or it cannot be written.
    """
    beside: Path | None = None
    made: list[Path] = []
    try:
        try:
            target = path.resolve()
            if target.exists() and not (target.is_dir() and not any(target.iterdir())):
                what = (
                    "the folder is not empty" if target.is_dir() else "a file of this name exists"
                )
                raise InputError(what, file=path, remedy="choose another place with -o")
            made = _parents(target)
            beside = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
        except (OSError, RuntimeError, ValueError) as error:
            raise unwritable(path, error) from error
        yield beside
        try:
            if target.exists():
                target.rmdir()  # empty; a rename onto a folder is not the same everywhere
            beside.chmod(_plain_mode())
            beside.rename(target)
            beside = None
        except OSError as error:
            raise unwritable(path, error) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(beside)
        if beside is not None or not path.exists():
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only if nothing else was put there


def _parents(target: Path) -> list[Path]:
    """Make the folders that a folder will lie in; return those that are new, outermost first."""
    missing = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _plain_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o777 & ~umask
