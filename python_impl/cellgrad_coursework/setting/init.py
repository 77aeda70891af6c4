"""An example to start from: a commented assignment and a roster that work as they are."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cellgrad_coursework.setting.written_folder import written_folder

ASSIGNMENT, ROSTER = "assignment.toml", "roster.csv"


def write_example(folder: Path) -> None:
    """Write the example.

    Args:
        folder: where to; it must not exist, or be empty.

    Raises:
        InputError: there is something already, or the place cannot be written.
    """
    templates = files("cellgrad_coursework.setting") / "templates"
    with written_folder(folder) as place:
        for name in (ASSIGNMENT, ROSTER):
            (place / name).write_bytes((templates / name).read_bytes())
