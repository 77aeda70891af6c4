"""The commands assign, grade and rehearse.

Declared apart from what they do, so that a page of help loads nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)
_COUNT = click.IntRange(1)
_jobs = click.option("--jobs", type=_COUNT, metavar="N", help="Processes; all cores by default.")


@click.command()
@click.argument("assignment", required=False, type=_PATH)
@click.option(
    "--init",
    type=_PATH,
    metavar="DIR",
    help="Write a commented assignment and a sample roster to start from.",
)
@click.option(
    "--roster",
    type=_PATH,
    metavar="ROSTER",
    help="The students: a .csv or .xlsx, as it comes from Canvas or Moodle too.",
)
@click.option("-o", "--output", type=_PATH, metavar="DIR", help="The folder to write.")
@click.option(
    "--secret",
    type=_PATH,
    metavar="FILE",
    help="Where the secret is kept; made if it is not there. Default: beside the output.",
)
@click.option(
    "--for",
    "layout_for",
    default="",
    metavar="LMS",
    help="Lay the workbooks out as the LMS takes them: moodle.",
)
@click.option("--worksheet/--no-worksheet", default=True, help="A sheet to print (LibreOffice).")
@click.option(
    "--kit",
    "kits",
    multiple=True,
    metavar="NAME",
    help="An autograder's kit too: gradescope, prairielearn or git; repeat for several.",
)
def assign(**options: Any) -> int:
    """Hand out an ASSIGNMENT: a workbook for each student, with numbers of their own.

    Begin with: cellgrad assign --init course
    """
    from cellgrad_coursework.setting.assign import assign_command  # noqa: PLC0415 - start-up time

    return assign_command(**options)


@click.command()
@click.argument("submissions", type=_PATH)
@click.option(
    "--assignment",
    "assignment_dir",
    required=True,
    type=_PATH,
    metavar="DIR",
    help="The folder that cellgrad assign wrote.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=_PATH,
    metavar="DIR",
    help="The folder to write; a run that was stopped goes on there.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="tidy, canvas, moodle, gradescope or prairielearn; several with commas.",
)
@click.option(
    "--roster",
    type=_PATH,
    metavar="ROSTER",
    help="A newer roster, such as one with a column of lateness.",
)
@click.option("--feedback/--no-feedback", default=True, help="Feedback for each student.")
@_jobs
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster (cellgrad[dask]).")
def grade(**options: Any) -> int:
    """Grade SUBMISSIONS: a folder, a zip, or what an LMS lets you download.

    Every submission has a row in the gradebook; one that cannot be read has the reason.
    """
    from cellgrad_coursework.running.command import grade_command  # noqa: PLC0415 - start-up time

    return grade_command(**options)


@click.command()
@click.argument("assignment_dir", metavar="DIR", type=_PATH)
@click.option("-n", "count", default=100, show_default=True, type=_COUNT, metavar="N")
@_jobs
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), metavar="N")
def rehearse(**options: Any) -> int:
    """Grade N simulated students with known mistakes, before the real ones come.

    DIR is the folder that cellgrad assign wrote.
    """
    from cellgrad_coursework.rehearsal.rehearse import rehearse_command  # noqa: PLC0415

    return rehearse_command(**options)
