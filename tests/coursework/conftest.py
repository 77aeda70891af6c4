"""Assignments that are handed out once for all tests of coursework."""

import pytest

from assignments import EXAMPLE, STUDENTS, kept_secret
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.rehearsal.students import Classroom
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.setting.assign import assign, write_example
from cellgrad_coursework.setting.assignment import read_assignment


@pytest.fixture(scope="session")
def handed_out(tmp_path_factory):
    """Return the example handed out to three students: the folder, and what was written."""
    folder = tmp_path_factory.mktemp("handed out")
    assignment = read_assignment(EXAMPLE / "assignment.toml")
    done = assign(
        assignment, STUDENTS, folder / "out", secret=kept_secret(folder), worksheet=False
    )  # fmt: skip
    return folder / "out", done


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """Return the folder of an assignment for three students, with its manifest."""
    folder = tmp_path_factory.mktemp("course")
    write_example(folder / "course")
    students = read_roster(folder / "course" / "roster.csv")[:3]
    assign(
        read_assignment(folder / "course" / "assignment.toml"), students, folder / "handouts",
        worksheet=False,
    )  # fmt: skip
    return folder / "handouts"


@pytest.fixture(scope="session")
def manifest(course):
    """Return the manifest of that assignment."""
    return read_manifest(course)


@pytest.fixture(scope="session")
def handouts(course, manifest):
    """Return the bytes of each student's handout, by id."""
    room = Classroom(manifest, course)
    return {one.student.id: room.handed_out(one) for one in manifest.handouts.values()}
