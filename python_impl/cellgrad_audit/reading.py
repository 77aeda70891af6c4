"""An answer read from a trace: from JSON text, or from what a Python function returned.

Source: reference/schema/trace.schema.json. Arrays are checked by hand, in their shapes and
with the place of what is wrong: a schema knows no shapes and takes seconds for large ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad.errors import InputError, printable
from cellgrad.files import read_json, read_limited, shortened
from cellgrad_audit.answer import Answer, Numbers, Place, Slot, Slots, Vector, printed
from cellgrad_audit.targets import Target, failed

SCHEMA = "cellgrad-trace/1"
_KEYS = ("schema", "case", "weights", "biases", "steps", "final", "epoch_errors", "unsupported")
_NUMBERS = ("weights", "biases", "steps", "final", "epoch_errors")
_DEEPEST = 32
_MOST_SHOWN = 60
_STEP_NUMBER = re.compile("[1-9][0-9]{0,9}")
_PLAIN = {float, int, str, type(None), bool}


def read_answer(case: Case, data: bytes, *, whole: bool) -> Answer:
    """Return the answer that the JSON text of a trace holds.

    Args:
        case: what was asked.
        data: the text.
        whole: it is a program's answer, which holds every final weight and bias; else it is
            a file, which may hold any part.

    Raises:
        InputError: it is not JSON, not a trace, or does not fit the case.
    """
    document = read_json(data, constant=float)
    if isinstance(document, dict) and not {"schema", "unsupported"} & set(document):
        raise InputError("is missing", place="schema", remedy=f'give "schema": "{SCHEMA}"')
    try:
        return _read(case, document, whole=whole)
    except RecursionError as error:
        raise InputError("nested too deeply") from error


def answer_of_document(case: Case, document: object, *, whole: bool) -> Answer:
    """Return the answer that Python objects hold: a trace as dicts, lists and numbers.

    Arrays (whatever has ``tolist``), tuples and NumPy numbers are taken as lists and
    numbers; the key ``schema`` may be left out.

    Args:
        case: what was asked.
        document: the objects.
        whole: as for ``read_answer``.

    Raises:
        InputError: they are no trace, or do not fit the case.
    """
    return _read(case, _plain(document), whole=whole)


def _read(case: Case, document: Any, *, whole: bool) -> Answer:
    if not isinstance(document, dict):
        raise InputError(f"the answer is {_kind(document)}, not a trace (an object)")
    _refuse_others(document, _KEYS, "")
    if document.get("schema", SCHEMA) != SCHEMA:
        raise InputError(
            f"is {_quoted(document['schema'])}", place="schema", remedy=f"use {SCHEMA}"
        )
    if document.get("case", case.id) != case.id:
        raise InputError(f"is {_quoted(document['case'])}, asked was {case.id}", place="case")
    if "unsupported" in document:
        return Answer(case, unsupported=_unsupported(document))
    reader = _Reader(case)
    if "steps" in document:
        reader.steps(document["steps"])
    if "final" in document:
        reader.final(document["final"])
    for name in ("weights", "biases"):
        reader.take(0, name, document.get(name), name, reader.slots.parameters()[name])
    errors = Place(False, reader.slots.layers, {None: (case.epochs,)}, per_sample=False)
    reader.take(0, "epoch_errors", document.get("epoch_errors"), "epoch_errors", errors)
    if whole:
        reader.refuse_gaps()
    elif not reader.numbers:
        raise InputError("holds no number", remedy="give a part of a trace")
    return Answer(case, reader.numbers)


def _unsupported(document: dict[str, Any]) -> str:
    why = document["unsupported"]
    if not isinstance(why, str) or not why:
        raise InputError("is no text", place="unsupported", remedy="say why")
    for name in _NUMBERS:
        if name in document:
            raise InputError(
                "stands beside unsupported", place=name, remedy="answer, or say that you cannot"
            )
    return printable(shortened(" ".join(why.split()), 300)) or "it does not say why"


class _Reader:
    """Takes the parts of a trace in, one after another."""

    def __init__(self, case: Case) -> None:
        self.case, self.slots = case, Slots(case)
        self.numbers: dict[Slot, Numbers] = {}

    def steps(self, steps: Any) -> None:
        """Take in the steps: a list from the first update on, or an object by number."""
        most = self.slots.updates
        if isinstance(steps, list):
            if len(steps) > most:
                raise InputError(
                    f"has {len(steps)} entries, the case makes {most} updates", place="steps"
                )
            for n, step in enumerate(steps):
                self._step(n + 1, step, f"steps[{n}]")
            return
        if not isinstance(steps, dict):
            raise InputError(f"is {_kind(steps)}, expected a list of objects", place="steps")
        if not steps:
            raise InputError("is empty", place="steps", remedy="leave it out")
        numbered = {}
        for key, step in steps.items():
            if not _STEP_NUMBER.fullmatch(str(key)) or int(key) > most:
                raise InputError(
                    f"the key {_quoted(str(key))} is no update of the case",
                    place="steps",
                    remedy=f"use 1 to {most}",
                )
            numbered[int(key)] = step
        for number in sorted(numbered):
            self._step(number, numbered[number], f'steps["{number}"]')

    def _step(self, number: int, step: Any, where: str) -> None:
        places = self.slots.step(number)
        self._object(number, step, where, places)

    def final(self, final: Any) -> None:
        """Take in the forward pass after the run."""
        self._object(0, final, "final", self.slots.final())

    def _object(self, number: int, values: Any, where: str, places: dict[str, Place]) -> None:
        if not isinstance(values, dict):
            raise InputError(f"is {_kind(values)}, expected an object", place=where)
        if not values:
            raise InputError("is empty", place=where, remedy="leave it out")
        _refuse_others(values, tuple(places), where)
        for name, place in places.items():
            self.take(number, name, values.get(name), f"{where}.{name}", place)

    def take(self, number: int, name: str, value: Any, where: str, place: Place) -> None:
        """Take in what stands under a key."""
        if value is None:
            return
        if not place.shapes:
            _refuse_numbers(value, where, f"the case has no {name}")
        elif not place.layered:
            layer, shape = next(iter(place.shapes.items()))
            self._keep(Slot(number, name, layer), value, shape, where, place)
        else:
            last = max(layer for layer in place.shapes if layer is not None) + 1
            if not isinstance(value, list) or len(value) not in (last, place.layers):
                given = f"{len(value)} entries" if isinstance(value, list) else _kind(value)
                verb = "has" if isinstance(value, list) else "is"
                raise InputError(
                    f"{verb} {given}, expected a list of {last}, one a layer", place=where
                )
            for k, entry in enumerate(value):
                there = f"{where}[{k}]"
                if k not in place.shapes:
                    _refuse_numbers(entry, there, f"the case has no {name} in this layer")
                else:
                    self._keep(Slot(number, name, k), entry, place.shapes[k], there, place)

    def _keep(
        self, slot: Slot, value: Any, shape: tuple[int, ...], where: str, place: Place
    ) -> None:
        if place.per_sample and shape[0] == 1 and _lacks_samples(value, len(shape)):
            short = _numbers(value, shape[1:], where)
            numbers = Numbers(short.values[None], short.half_units[None])
        else:
            numbers = _numbers(value, shape, where)
        if not np.isnan(numbers.values).all():
            self.numbers[slot] = numbers

    def refuse_gaps(self) -> None:
        """Refuse an answer without every final parameter."""
        for name, layer, _ in self.slots.required():
            numbers = self.numbers.get(Slot(0, name, layer))
            remedy = f"answer every final {'weight' if name == 'weights' else 'bias'}"
            if numbers is None:
                given = any(s.step == 0 and s.name == name for s in self.numbers)
                raise InputError(
                    "is missing", place=f"{name}[{layer}]" if given else name, remedy=remedy
                )
            gaps = np.argwhere(np.isnan(numbers.values))
            if len(gaps):
                index = "".join(f"[{i}]" for i in gaps[0])
                raise InputError("is null", place=f"{name}[{layer}]{index}", remedy=remedy)


# arrays


class _MisfitError(Exception):
    """A list is not as long as it should be, or no list."""


def _numbers(value: Any, shape: tuple[int, ...], where: str) -> Numbers:
    """Return nested lists as numbers of a shape."""
    try:
        _check_length(value, shape[0] if shape else None, where)  # before room is made for it
        numbers = Numbers(np.full(shape, np.nan), np.zeros(shape))
        _fill(value, numbers.values, numbers.half_units, where)
    except _MisfitError as misfit:
        shape_given = _shape(value)
        if not shape_given or len(shape_given) == len(shape) == 1:
            raise InputError(str(misfit.args[1]), place=misfit.args[0]) from misfit
        wanted = f"{shape}" if shape else "a number"
        raise InputError(f"has shape {shape_given}, expected {wanted}", place=where) from misfit
    return numbers


def _fill(value: Any, values: Vector, half_units: Vector, where: str) -> None:
    if value is None:
        return
    if values.ndim == 0:
        if isinstance(value, list | dict):
            raise _MisfitError(where, f"is {_kind(value)}, expected a number")
        values[()], half_units[()] = _number(value, where)
        return
    _check_length(value, len(values), where)
    if values.ndim == 1 and set(map(type, value)) <= {float, int}:
        try:
            values[:] = value
        except OverflowError:
            values[:] = np.inf
        if np.isfinite(values).all():
            return
    for i, entry in enumerate(value):
        _fill(
            entry,
            values[i : i + 1].reshape(values.shape[1:]),
            half_units[i : i + 1].reshape(values.shape[1:]),
            f"{where}[{i}]",
        )


def _check_length(value: Any, wanted: int | None, where: str) -> None:
    if wanted is None or value is None:
        return
    if not isinstance(value, list):
        raise _MisfitError(where, f"is {_kind(value)}, expected a list of {wanted}")
    if len(value) != wanted:
        raise _MisfitError(where, f"has {len(value)} entries, expected {wanted}")


def _number(value: Any, where: str) -> tuple[float, float]:
    """Return a number and half a unit of the last decimal that it shows."""
    if type(value) not in (float, int, str):
        raise InputError(f"{_quoted(value)} is no number", place=where)
    try:
        if type(value) is str:
            text = printed(value)
            return text.value, text.half_unit
        number = float(value)
    except ValueError as error:
        raise InputError(f"{_quoted(value)} {error}", place=where) from error
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise InputError("answers NaN", place=where)
    if math.isinf(number):
        raise InputError("is infinite, or beyond the range of a double", place=where)
    return number, 0.0


def _lacks_samples(value: Any, axes: int) -> bool:
    """Whether a value of a single sample comes without the axis of samples."""
    if axes == 1:
        return not isinstance(value, list)
    if not isinstance(value, list) or value == [None]:
        return False
    return not any(isinstance(entry, list) for entry in value)


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None where they are ragged."""
    if not isinstance(value, list):
        return ()
    inner = {_shape(entry) for entry in value if entry is not None}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(next(iter(inner)) or ())) if inner else (len(value),)


# what does not belong


def _refuse_others(values: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in known:
            raise InputError(
                f"the key {_quoted(key)} is not known",
                place=where,
                remedy="see reference/schema/trace.schema.json",
            )


def _refuse_numbers(value: Any, where: str, problem: str) -> None:
    """Accept null and lists of it; refuse anything else."""
    if isinstance(value, list):
        for entry in value:
            _refuse_numbers(entry, where, problem)
    elif value is not None:
        raise InputError(problem, place=where, remedy="leave it out, or give null")


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "a text", bool: "a truth value"}
    if value is None:
        return "null"
    return words.get(type(value)) or (
        "a number" if isinstance(value, float | int) else f"of type {type(value).__name__}"
    )


def _quoted(value: Any) -> str:
    if isinstance(value, str | bool | float) or value is None:
        return printable(shortened(repr(value), _MOST_SHOWN))
    return _kind(value)


# Python objects


def _plain(value: Any, depth: int = 0) -> Any:
    """Return objects as JSON would hold them: dicts with texts as keys, lists, numbers."""
    if type(value) in _PLAIN:
        return value
    if depth > _DEEPEST:
        raise InputError("nested too deeply")
    if isinstance(value, list | tuple):
        if set(map(type, value)) <= _PLAIN:
            return list(value)
        return [_plain(entry, depth + 1) for entry in value]
    if isinstance(value, Mapping):
        return {
            str(key) if isinstance(key, int | np.integer) else key: _plain(entry, depth + 1)
            for key, entry in value.items()
        }
    tolist = getattr(value, "tolist", None)
    return _plain(tolist(), depth + 1) if callable(tolist) else value


MAX_BYTES = 64 << 20


class TraceFileTarget(Target):
    """Answers any case with what one file holds.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or holds no JSON object.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._path = printable(str(path)), path
        self._data = read_limited(path, MAX_BYTES)
        try:
            document = read_json(self._data, constant=float)
        except InputError as error:
            raise error.within(path) from error
        if not isinstance(document, dict):
            raise InputError("holds no object", file=path, remedy="give a cellgrad-trace/1 file")

    def answer(self, case: Case) -> Answer:
        """Return what the file says of a case."""
        try:
            return read_answer(case, self._data, whole=False)
        except InputError as error:
            return failed(case, error.within(self._path).line())
