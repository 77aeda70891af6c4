"""The manifest as a file: what grading needs, and nothing that was drawn with.

Source: reference/schema/manifest.schema.json.
"""

from __future__ import annotations

import builtins
import hashlib
import json
import math
import re
import types
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import cache
from itertools import starmap
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from cellgrad.case.model import Case, Matrix, Sample, Vector, case_document, parse_case
from cellgrad.errors import InputError, ShapeError
from cellgrad.files import check_schema, read_json, read_limited
from cellgrad_coursework.model import (
    Handout,
    Manifest,
    Policy,
    Student,
)

SCHEMA = "cellgrad-manifest/1"
NAME = "manifest.json"
HANDOUTS = "students"
"""The folder of what is handed out."""

KEPT = "lecturer"
"""The folder of an assignment that is not handed out."""

MAX_BYTES = 512 << 20
_HEAD = 1 << 16
_BEGINNING = f'{{\n "schema": "{SCHEMA}",\n'
KEEP = (
    "For the lecturer alone: the right formulas and every student's numbers. Needed for "
    "grading, so keep it with a copy. It does not hold the secret that the numbers were drawn "
    "with; whoever sees it can look up the answers to this assignment, no more."
)
_CELLS = ("cells", "givens", "fixed")
_HEAD_OF_HANDOUT = ("token", "file", "student", "weights", "biases", "samples")


def version_of(manifest: Manifest, case: Case) -> str:
    """Return a hash of everything that decides a grade, the students' numbers aside."""
    document = {
        "cells": [asdict(cell) for cell in manifest.cells],
        "givens": [asdict(cell) for cell in manifest.givens],
        "fixed": [asdict(cell) for cell in manifest.fixed],
        "names": manifest.names,
        "policy": _policy_document(manifest.policy),
        "case": {
            name: value
            for name, value in case_document(case).items()
            if name not in ("network", "samples", "id", "title", "source")
        },
        "network": [case.network.nodes, case.network.activations, case.network.leaky_slope],
    }
    if manifest.one_file is not None:
        document["one_file"] = asdict(manifest.one_file)
    text = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def version_of_questions(manifest: Manifest, case: Case) -> str:
    """Return a hash of what a handout asks, whoever it is for and however it is graded.

    Points and penalties may be put right after handing out: the workbooks are still the same.
    """
    asked = tuple(replace(cell, points=1.0) for cell in manifest.cells)
    return version_of(replace(manifest, cells=asked, policy=Policy(), one_file=None), case)


def _policy_document(policy: Policy) -> dict[str, Any]:
    """Return a policy; a later key only where it says something, so that older hashes hold."""
    usual = Policy()
    return {
        name: value
        for name, value in asdict(policy).items()
        if name != "repeats_forgiven" or value != usual.repeats_forgiven
    }


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, one line a cell and one a handout."""
    first = next(iter(manifest.handouts.values()))
    head = {
        "schema": SCHEMA,
        "keep": KEEP,
        "id": manifest.id,
        "title": manifest.title,
        "version": manifest.version,
        "policy": asdict(manifest.policy),
        "box": manifest.box,
        "names": manifest.names,
        "case": case_document(first.case),
    }
    if manifest.one_file is not None:
        head["one_file"] = asdict(manifest.one_file)
    lists = {
        **{name: [asdict(cell) for cell in getattr(manifest, name)] for name in _CELLS},
        "handouts": [_handout_document(handout) for handout in manifest.handouts.values()],
    }
    parts = [f" {json.dumps(name)}: {_line(value)}" for name, value in head.items()]
    for name, items in lists.items():
        rows = ",".join(f"\n  {_line(item)}" for item in items)
        parts.append(f" {json.dumps(name)}: [{rows}\n ]")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _handout_document(handout: Handout) -> dict[str, Any]:
    network, student = handout.case.network, handout.student
    return {
        "token": handout.token,
        "file": handout.file,
        "student": asdict(student),
        "weights": network.weights,
        "biases": network.biases,
        "samples": [{"input": s.input, "target": s.target} for s in handout.case.samples],
    }


def manifest_path(folder: Path) -> Path:
    """Return where the manifest of an assignment lies.

    Args:
        folder: the folder that ``cellgrad assign`` wrote, its inner folder, or the file.
    """
    for place in (folder / KEPT / NAME, folder / NAME):
        if place.is_file():
            return place
    return folder if folder.is_file() else folder / KEPT / NAME


def assignment_in(folder: Path) -> str:
    """Return the id of the assignment that a folder holds; empty if it holds none."""
    try:
        with (folder / KEPT / NAME).open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return ""
    stated = re.search(r'(?m)^ "id": ("(?:[^"\\]|\\.)*"),?$', head)
    return str(json.loads(stated[1])) if stated and head.startswith(_BEGINNING) else ""


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an assignment.

    Args:
        folder: what ``cellgrad assign`` wrote.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    path = manifest_path(folder)
    if not path.exists():
        raise InputError(
            "holds no assignment",
            file=folder,
            remedy="name the folder that cellgrad assign wrote",
        )
    try:
        return parse_manifest(read_limited(path, MAX_BYTES))
    except InputError as error:
        raise error.within(path) from error


def parse_manifest(data: bytes) -> Manifest:
    """Return the manifest that JSON bytes hold.

    Raises:
        InputError: no JSON, no manifest, or numbers that do not fit the network.
    """
    document = read_json(data)
    handouts = document.pop("handouts", None) if isinstance(document, dict) else None
    _check_schema(document, handouts)
    first = parse_case(json.dumps(document["case"]).encode())
    told = {name: document[name] for name in _fields(Manifest) if name in document}
    try:
        manifest: Manifest = _made(Manifest, {**told, "handouts": {}})
    except OverflowError as error:
        raise InputError(
            "holds a whole number beyond all doubles",
            place="the document",
            remedy="restore your copy of it",
        ) from error
    for number, item in enumerate(handouts or ()):
        handout = _handout(item, first, f"handouts[{number}]")
        if handout.token in manifest.handouts:
            raise InputError("the token stands twice", place=f"handouts[{number}].token")
        manifest.handouts[handout.token] = handout
    if version_of(manifest, first) != manifest.version:
        raise InputError(
            "was changed after it was written", place="version", remedy="restore your copy of it"
        )
    return manifest


@cache
def _fields(kind: type) -> dict[str, Any]:
    """Return the fields of a dataclass and their types."""
    return get_type_hints(kind)


def _made(kind: Any, value: Any) -> Any:
    """Return what a JSON value says of a type: of dataclasses, tuples, and what they hold."""
    inner = get_args(kind)
    match get_origin(kind):
        case None if kind is float:
            value = float(value)
        case None if hasattr(kind, "__dataclass_fields__"):
            kinds = _fields(kind)
            value = kind(**{name: _made(kinds[name], item) for name, item in value.items()})
        case builtins.tuple if inner[-1] is Ellipsis:
            value = tuple(_made(inner[0], item) for item in value)
        case builtins.tuple:
            value = tuple(starmap(_made, zip(inner, value, strict=True)))
        case builtins.dict:
            value = {name: _made(inner[1], item) for name, item in value.items()}
        case types.UnionType if value is not None:
            value = _made(inner[0], value)
    return value


def _check_schema(document: Any, handouts: Any) -> None:
    """Check everything but the handouts after the first: there may be thousands of them."""
    if isinstance(document, dict) and isinstance(handouts, list):
        document = {**document, "handouts": handouts[:1]}
    check_schema(document, "manifest", remedy="make the assignment again")


def _handout(item: Any, first: Case, place: str) -> Handout:
    if not isinstance(item, dict) or set(item) != set(_HEAD_OF_HANDOUT):
        raise InputError("is no handout", place=place, remedy="make the assignment again")
    try:
        told = item["student"]
        student = Student(
            str(told["id"]), str(told["name"]), str(told["email"]), str(told["section"]),
            float(told["late"]), tuple((str(name), str(value)) for name, value in told["other"]),
        )  # fmt: skip
        network = replace(
            first.network,
            weights=tuple(_matrix(layer) for layer in item["weights"]),
            biases=None if item["biases"] is None else _matrix(item["biases"]),
        )
        samples = tuple(
            Sample(_vector(sample["input"]), _vector(sample["target"]))
            for sample in item["samples"]
        )
        case = replace(first, network=network, samples=samples)
        token, file = str(item["token"]), str(item["file"])
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise InputError(
            "is no handout", place=place, remedy="make the assignment again"
        ) from error
    if _shapes(case) != _shapes(first):
        raise ShapeError("does not fit the network", place=place)
    return Handout(student, token, case, file)


def _shapes(case: Case) -> Any:
    network = case.network
    return (
        [[len(row) for row in layer] for layer in network.weights],
        None if network.biases is None else [len(layer) for layer in network.biases],
        [(len(sample.input), len(sample.target)) for sample in case.samples],
    )


def _vector(values: Iterable[Any]) -> Vector:
    numbers = tuple(float(value) for value in values)
    if not all(map(math.isfinite, numbers)):
        raise ValueError("not finite")
    return numbers


def _matrix(rows: Iterable[Iterable[Any]]) -> Matrix:
    return tuple(_vector(row) for row in rows)
