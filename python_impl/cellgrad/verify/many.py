"""Verifying several workbooks in several engines."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cellgrad.described import describe, missing_packages
from cellgrad.engines import (
    DEFAULT,
    ENGINE_NAMES,
    Engine,
    create,
    installed,
)
from cellgrad.errors import InputError
from cellgrad.shipped import PackageMissingError
from cellgrad.verify.result import Report
from cellgrad.verify.verifier import DRAWS, MAX_DRAWS, Verifier
from cellgrad.xlsx.package import check_directory

WORTH_SHARING = 4
"""From this many workbooks on, a second process pays."""

LARGE = 1_000_000
"""From so many bytes on, an embedded engine calculates while the file is still being read."""

_EMBEDDED = ("formualizer", "ironcalc")


def engine_names(asked: Sequence[str]) -> list[str]:
    """Return the engines asked for, once each; ``all`` stands for every installed one.

    Raises:
        InputError: an engine is not known.
    """
    names: list[str] = []
    for name in asked:
        if name != "all" and name not in ENGINE_NAMES:
            known = ", ".join((*ENGINE_NAMES, "all"))
            raise InputError(f"{name!r} is no engine", place="--engine", remedy=f"use {known}")
        names += installed() if name == "all" else [name]
    return list(dict.fromkeys(names))


def split_by_packages(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Return the workbooks whose kinds of parts are known here, and of the others why not.

    Raises:
        WorkbookError: one cannot be read.
    """
    if not missing_packages():
        return list(paths), {}
    known, others = [], {}
    for path in paths:
        try:
            describe(path)
            known.append(path)
        except PackageMissingError as error:
            others[path] = error.problem
    return known, others


def verify_workbooks(
    paths: Sequence[Path], engines: Sequence[str], advance: Callable[[str], None] = lambda _: None
) -> list[Report]:
    """Verify every workbook in every engine, in this order: engine by engine.

    Args:
        paths: the workbooks.
        engines: names of engines.
        advance: called with the name of each workbook that is done.

    Raises:
        InputError: a workbook cannot be used, or an engine is missing or failed.
    """
    with _no_garbage_collection():
        reports = []
        for name in engines:
            if name in _EMBEDDED and len(paths) >= WORTH_SHARING and _can_calculate_apart():
                found = _shared(paths, name)
            else:
                found = _in_turn(paths, name)
            for report in found:
                reports.append(report)
                advance(f"{report.path.name}, {name}")
    return reports


def _in_turn(paths: Sequence[Path], name: str) -> Iterator[Report]:
    with create(name) as engine, contextlib.ExitStack() as stack:
        redraw_engine = stack.enter_context(create(DEFAULT)) if name == "saved" else engine
        for path in paths:
            yield verify_workbook(path, engine, redraw_engine)


def verify_workbook(
    path: Path,
    engine: Engine,
    redraw_engine: Engine,
    *,
    draws: int = DRAWS,
    max_draws: int = MAX_DRAWS,
) -> Report:
    """Verify one workbook; a large one is calculated while it is still being read.

    Args:
        path: the workbook.
        engine: recalculates it.
        redraw_engine: recalculates the redraws; the same one unless that cannot.
        draws: the least number of redraws.
        max_draws: the most.

    Raises:
        InputError: the workbook cannot be used, or an engine failed.
    """
    try:
        with np.errstate(all="ignore"), contextlib.ExitStack() as stack:
            # what overflows is compared like any other number
            if engine.name in _EMBEDDED and _size(path) >= LARGE and _can_calculate_apart():
                from cellgrad.engines.apart import ApartEngine  # noqa: PLC0415 - start-up time

                same = redraw_engine is engine
                ahead = stack.enter_context(ApartEngine(engine))
                check_directory(path)
                ahead.begin(path)
                engine, redraw_engine = ahead, ahead if same else redraw_engine
            return Verifier(
                describe(path), engine,
                redraw_engine=redraw_engine, draws=draws, max_draws=max_draws,
            ).run()  # fmt: skip
    except MemoryError as error:
        raise InputError("needs more memory than there is", file=path) from error


def _can_calculate_apart() -> bool:
    """Tell whether an engine can calculate in another process."""
    from cellgrad.engines import apart  # noqa: PLC0415 - start-up time

    return apart.possible()


def _one(path: Path, name: str) -> Report:
    return next(_in_turn([path], name))


def _size(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return path.stat().st_size
    return 0


def _shared(paths: Sequence[Path], name: str) -> Iterator[Report]:
    """Share the workbooks among processes; the answers keep their order."""
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - start-up time
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415
    from multiprocessing import get_context  # noqa: PLC0415

    create(name).close()  # loads the library once, before the fork
    workers = min(os.cpu_count() or 1, len(paths), 8)
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        try:
            # the largest first, or the last process would work on alone
            waiting = {}
            for path in sorted(paths, key=_size, reverse=True):
                waiting[path] = pool.submit(_one, path, name)
            for path in paths:
                yield waiting[path].result()
        except BrokenProcessPool as error:
            raise InputError(
                "a process that recalculates workbooks was ended from outside",
                remedy="verify fewer workbooks at a time",
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Cells make many small objects and no cycles worth collecting."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
