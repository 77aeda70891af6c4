"""What a cell can hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CellError:
    """An error value, such as ``#DIV/0!``."""

    code: str

    def __str__(self) -> str:
        return self.code


Value = float | str | bool | CellError | None
"""Numbers are always float; an empty cell is None."""

Block = list[list[Value]]
"""The values of a rectangle of cells, row by row."""
