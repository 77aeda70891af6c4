"""How far longer work has come: one line on standard error, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """A bar that nobody sees, as where standard error is no terminal."""

    def advance(self, count: int = 1, text: str = "") -> None:
        """Say that more is done, and what was or is worked on."""

    def show(self, done: int, total: int, text: str | None = None) -> None:
        """Say how much is done, of how much."""


class _ShownBar(Bar):
    def __init__(self, shown: Progress, what: str, total: int | None) -> None:
        self._shown, self._task = shown, shown.add_task(what, total=total, text="")

    def advance(self, count: int = 1, text: str = "") -> None:
        self._shown.update(self._task, advance=count, text=text)

    def show(self, done: int, total: int, text: str | None = None) -> None:
        self._shown.update(self._task, completed=done, total=total, description=text)


@contextmanager
def progress_bar(
    what: str, total: int | None = None, *, wanted: bool = True, unit: str = ""
) -> Iterator[Bar]:
    """Show what is done: a bar, a count, the time left.

    Args:
        what: what is being done: ``verifying``.
        total: of how many; None where the count is told later.
        wanted: whether it takes long enough to show.
        unit: what is counted so fast that its speed matters: ``files``; none by default.
    """
    if not wanted or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console  # noqa: PLC0415 - start-up time
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Speed(ProgressColumn):
        """So many a second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else "", style="progress.data.speed")

    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(24)]
    columns += [MofNCompleteColumn()] if total is not None else []
    columns += [Speed()] if unit else []
    columns += [TimeRemainingColumn(compact=True), TextColumn("{task.fields[text]}")]
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        yield _ShownBar(shown, what, total)
