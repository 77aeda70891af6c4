"""``cellgrad train``."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from cellgrad.case.model import Case, read_case
from cellgrad.cli.progress import progress_bar
from cellgrad.errors import CaseError, InputError, printable
from cellgrad.files import write_atomically
from cellgrad_series.kernels import KERNELS
from cellgrad_series.train.excel import Data, Selection, describe_samples, with_samples
from cellgrad_series.train.report import as_json, print_training, trace_document
from cellgrad_series.train.run import DEFAULT_SEED, HIDDEN_NODES, Result, change_case, train

PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; None where it says nothing."""

    case: Path | None
    epochs: int | None = None
    learning_rate: float | None = None
    kernel: str = "auto"
    seed: int | None = None
    hidden: int | None = None
    save: Path | None = None
    plot: Path | None = None
    from_excel: tuple[Path, Path] | None = None
    inputs: str | None = None
    outputs: str | None = None
    training_sheet: str | None = None
    validation_sheet: str | None = None
    as_json: bool = False


def train_command(options: Options) -> int:
    """Train, print what came of it, save and draw what was asked for; return the exit code."""
    _check(options)
    if options.plot is not None:
        from cellgrad_series.train.picture import require_matplotlib  # noqa: PLC0415

        require_matplotlib()
    case, data, seed = _run_of(options)
    with progress_bar("training", case.updates(), unit="updates") as bar:
        try:
            result = train(case, options.kernel, bar.advance)
        except CaseError as error:
            raise (error if options.case is None else error.within(options.case)) from error
    written = [] if result.diverged else _files(options, result, data)
    for path, content in written:
        _write(path, content)
    if options.as_json:
        sys.stdout.write(json.dumps(as_json(result, seed), allow_nan=False, indent=1) + "\n")
    else:
        start = "weights of the case" if seed is None else f"weights drawn with seed {seed}"
        print_training(result, describe_samples(*data) if data else [], start)
        for path, _ in written:
            sys.stdout.write(printable(f"wrote {path}") + "\n")
    return 1 if result.diverged else 0


def _files(options: Options, result: Result, data: tuple[Data, ...]) -> list[tuple[Path, bytes]]:
    """Return what is to be written, complete, so that one failure leaves nothing behind."""
    files = []
    if options.save is not None:
        document = trace_document(result, result.case.id if _untouched(options) else None)
        text = json.dumps(document, allow_nan=False, indent=1) + "\n"
        files.append((options.save, text.encode()))
    if options.plot is not None:
        from cellgrad_series.train.picture import picture  # noqa: PLC0415 - slow to start

        names = [data[0].table.headings.get(c, "") for c in data[0].chosen.inputs] if data else []
        files.append((options.plot, picture(result, options.plot.suffix.lower()[1:], names)))
    return files


def _untouched(options: Options) -> bool:
    changes = (options.epochs, options.learning_rate, options.seed, options.from_excel)
    return all(change is None for change in changes)


def _run_of(options: Options) -> tuple[Case, tuple[Data, ...], int | None]:
    """Return the case to run, what was read from Excel for it, and the seed that was used."""
    seed = options.seed
    case = None if options.case is None else read_case(options.case)
    data: tuple[Data, ...] = ()
    if options.from_excel is not None:
        if case is None and seed is None:
            seed = DEFAULT_SEED
        hidden = HIDDEN_NODES if options.hidden is None else options.hidden
        sheets = options.training_sheet, options.validation_sheet
        selection = Selection(options.inputs, options.outputs, *sheets)
        case, data = with_samples(case, *options.from_excel, selection, hidden)
    if case is None:
        raise InputError(
            "nothing to train: no CASE and no --from-excel", remedy="see cellgrad train --help"
        )
    try:
        case = change_case(
            case, epochs=options.epochs, learning_rate=options.learning_rate, seed=seed
        )
    except InputError as error:
        raise (error if options.case is None else error.within(options.case)) from error
    return case, data, seed


def _check(options: Options) -> None:
    """Refuse what cannot be meant, before anything is read or computed."""
    if options.kernel not in KERNELS:
        known = ", ".join(KERNELS)
        raise InputError(
            f"{options.kernel!r} is no kernel", place="--kernel", remedy=f"use {known}"
        )
    if options.learning_rate is not None and not math.isfinite(options.learning_rate):
        raise InputError("must be a finite number", place="--learning-rate")
    if options.hidden is not None and options.case is not None:
        raise InputError(
            "not beside a case, which has its own network",
            place="--hidden",
            remedy="leave it out, or leave out the case and give --from-excel",
        )
    if options.from_excel is None:
        for name, value in (
            ("--hidden", options.hidden),
            ("--inputs", options.inputs),
            ("--output", options.outputs),
            ("--training-sheet", options.training_sheet),
            ("--validation-sheet", options.validation_sheet),
        ):
            if value is not None:
                raise InputError("goes with --from-excel only", place=name, remedy="leave it out")
    _check_written(options)


def _check_written(options: Options) -> None:
    read = [path for path in (options.case, *(options.from_excel or ())) if path is not None]
    for name, path, endings in (
        ("--save", options.save, (".json",)),
        ("--plot", options.plot, PICTURES),
    ):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            known = " or ".join(endings)
            raise InputError(
                f"the name must end in {known}", file=path, place=name, remedy="rename the output"
            )
        if any(_same(path, other) for other in read):
            raise InputError(
                "would overwrite what is read", file=path, place=name, remedy="rename the output"
            )
        with contextlib.suppress(OSError, ValueError):  # writing it will say what is wrong
            if not path.resolve().parent.is_dir():
                raise InputError(
                    "its folder does not exist", file=path, place=name, remedy="make it first"
                )


def _same(first: Path, second: Path) -> bool:
    try:
        return first.resolve() == second.resolve()
    except (OSError, RuntimeError, ValueError):
        return False


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except InputError as error:
        raise InputError(
            error.problem, file=path, remedy="choose another place, or make room"
        ) from error
