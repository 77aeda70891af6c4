"""An assignment that is handed out once for all tests of coursework."""

import pytest

from assignments import EXAMPLE, STUDENTS, kept_secret
from cellgrad_coursework.setting.assign import assign
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
