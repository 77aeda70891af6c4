"""``cellgrad trace``."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from itertools import groupby, islice
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap

import numpy as np

from cellgrad.case.equations import all_lines, general_equation
from cellgrad.case.model import Case, read_case
from cellgrad.case.quantities import Index, Key, person_label, quantities
from cellgrad.errors import CaseError, InputError
from cellgrad.mlp import Step, Update, training_run
from cellgrad.report.trace import trace_document

MOST = 20_000
"""A trace of more updates would be a file of gigabytes."""


def trace_command(path: Path, *, as_json: bool, decimals: int, update: int | None) -> int:
    """Print a training step of a case, or with ``as_json`` all of them; return the exit code."""
    try:
        case = read_case(path)
        with np.errstate(all="ignore"):
            updates = _updates(case, update, everything=as_json)
    except InputError as error:
        raise error.within(path) from error
    if as_json:
        document = trace_document(case, updates)
        sys.stdout.write(json.dumps(document, allow_nan=False, indent=1) + "\n")
    else:
        number = "" if case.updates() == 1 else f"update {update or 1:,} of {case.updates():,}"
        print_working(case, updates[-1].step, decimals, number)
    return 0


def _updates(case: Case, update: int | None, *, everything: bool) -> list[Update]:
    """Make the updates up to the one asked for, or all.

    Raises:
        CaseError: there is no such update, it cannot be written out, or a number overflows.
    """
    count, asked = case.updates(), update or 1
    if everything and update is not None:
        raise CaseError("--json holds every update", place="--update", remedy="leave it out")
    if asked > count:
        raise CaseError(
            f"the case makes {count:,} update{'s' * (count != 1)}",
            place="--update",
            remedy=f"take one from 1 to {count:,}",
        )
    if count > MOST and everything:
        raise CaseError(
            f"{count:,} updates are too many for a trace",
            place="epochs",
            remedy="use cellgrad train --save, or fewer epochs",
        )
    if not everything and not case.update_rule().plain:
        raise CaseError(
            "momentum and Adam are not written out in words",
            place="optimizer",
            remedy="use --json, or cellgrad build for a workbook",
        )
    updates: deque[Update] = deque(maxlen=None if everything else 1)
    for made in islice(training_run(case), count if everything else asked):
        _refuse_overflow(made.step)
        updates.append(made)
    return list(updates)


def _refuse_overflow(step: Step) -> None:
    numbers = {**step.results(), ("error after the step", None): step.after().error}
    for (name, layer), values in numbers.items():
        if not np.all(np.isfinite(values)):
            raise CaseError(
                f"{name} leaves the range of a double",
                place="" if layer is None else f"layer {layer}",
                remedy="use smaller numbers",
            )


# as a person would write it: each equation with its numbers substituted

_LARGE = 1e15
"""From here on a number is written with a power of ten."""


def print_working(case: Case, step: Step, decimals: int, number: str = "") -> None:
    """Print the step, quantity by quantity, in the order of the derivation.

    Args:
        case: whose step.
        step: its numbers.
        decimals: how many digits after the point.
        number: which of several updates it is, in words.
    """
    width = get_terminal_size().columns
    numbers, structure = step.givens() | step.results(), step.structure

    def digits(value: float) -> str:
        return _number(value, decimals)

    def scalar(key: Key, index: Index) -> str:
        return digits(float(numbers[key][index]))

    _say(case.title, width, bold=True)
    if number:
        _say(number, width)
    for quantity in quantities(structure):
        if quantity.given:
            rows = np.atleast_2d(numbers[quantity.key]).tolist()
            body = "; ".join(" ".join(map(digits, row)) for row in rows)
            _say_both(f"given  {quantity.label} = ", body, width)
    for quantity, lines in groupby(all_lines(structure), key=lambda line: line.quantity):
        sys.stdout.write("\n")
        equation = f"{quantity.label}:  {general_equation(structure, quantity)}"
        _say(f"{quantity.equation:<7}{equation}", width, cyan=7)
        for line in lines:
            label = person_label(structure, quantity, line.index)
            result = scalar(quantity.key, line.index)
            working = "".join(
                piece if isinstance(piece, str) else scalar(piece.key, piece.index)
                for piece in line.written()
            )
            body = working if working == result else f"{working} = {result}"
            _say_both(f"  {label} = ", body, width)
    sys.stdout.write("\n")
    before, after = (digits(float(each.error)) for each in (step.forward, step.after()))
    _say(f"E before the step {before}, after it {after}", width)


def _say(text: str, width: int, *, bold: bool = False, cyan: int = 0) -> None:
    """Print a text, broken where it is too long; so many characters of it in cyan."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    for number, line in enumerate(wrap(text, width, break_on_hyphens=False) or [""]):
        cut = 0 if number or plain else cyan
        head = f"\x1b[36m{line[:cut]}\x1b[0m" if cut else ""
        body = f"\x1b[1m{line}\x1b[0m" if bold and not plain else line[cut:]
        sys.stdout.write(f"{head}{body}\n")


def _say_both(head: str, body: str, width: int) -> None:
    """Print head and body on one line, or the body below, indented, where that is too long."""
    if len(head) + len(body) <= width:
        sys.stdout.write(f"{head}{body}\n")
        return
    _say(head.rstrip(), width)
    for line in wrap(body, max(width - 6, 30), break_on_hyphens=False):
        sys.stdout.write(f"      {line}\n")


def _number(value: float, decimals: int) -> str:
    """Return at most so many decimals; a small number keeps its first digits."""
    if abs(value) >= _LARGE:
        return f"{value:.{decimals}e}"
    text = f"{value:.{decimals}f}"
    if value and abs(value) < 10.0 ** (1 - decimals) and decimals:
        return f"{value:.{max(decimals - 3, 1)}e}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
