"""The cases that an audit asks, what they exercise, and what a right program leaves of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cellgrad import shipped
from cellgrad.case.model import Case, read_case
from cellgrad.case.quantities import Key
from cellgrad.errors import InputError
from cellgrad_audit.answer import PARAMETERS, Vector
from cellgrad_audit.bugs.arithmetic import UNIT, RunningBounds, bounds_of
from cellgrad_audit.bugs.catalogue import CONVENTION, Variant, by_id, entries
from cellgrad_audit.bugs.program import Program


def folder() -> Path:
    """Return where the probes are shipped."""
    return shipped.folder("reference") / "probes"


@cache
def probes() -> tuple[Case, ...]:
    """Return the shipped probes: the two that see the most first, then by name.

    Raises:
        InputError: the installation is incomplete.
    """
    cases = [read_case(path) for path in sorted(folder().glob("probe-*.json"))]
    if not cases:
        raise InputError("the probes are missing", remedy="install cellgrad again")
    first = ("probe-online", "probe-batch")
    return tuple(
        sorted(
            cases,
            key=lambda case: (
                case.id not in first,
                -first.index(case.id) if case.id in first else 0,
                case.id,
            ),
        )
    )


def features(case: Case) -> set[str]:
    """Return what a case exercises, in words."""
    network, optimizer = case.network, case.optimizer
    words = {f"{word} outputs" for word in network.activations[-1:]}
    words |= {f"{word} hidden nodes" for word in network.activations[:-1]}
    words.add(
        {
            "half_squared_error": "the half squared error",
            "squared_error": "the squared error",
            "mean_squared_error": "the mean squared error",
            "binary_cross_entropy": "binary cross-entropy",
            "categorical_cross_entropy": "categorical cross-entropy",
            "perceptron": "the perceptron rule",
        }[case.loss]
    )
    words.add("no biases" if network.biases is None else "biases")
    words.add(
        {"online": "online updates", "batch_sum": "batches (sum)", "batch_mean": "batches (mean)"}[
            case.update
        ]
    )
    for word, holds in (
        ("several outputs", network.nodes[-1] > 1),
        ("two hidden layers", len(network.nodes) > 3),
        ("several updates", case.updates() > 1),
        (
            "a changing learning rate",
            isinstance(case.learning_rate, tuple) and len(set(case.learning_rate)) > 1,
        ),
        ("momentum", optimizer.name == "sgd" and optimizer.momentum != 0),
        ("weight decay", optimizer.weight_decay != 0),
        ("Adam", optimizer.name == "adam"),
    ):
        if holds:
            words.add(word)
    return words


def not_exercised(asked: Sequence[Case], run: Sequence[Case]) -> list[str]:
    """Return, in words, what the probes exercise and the cases that were run do not.

    Args:
        asked: the cases that were asked.
        run: those of them that the target ran.
    """
    done = set().union(*(features(case) for case in run))
    everything: dict[str, None] = {}
    for case in (*probes(), *asked):
        everything.update(dict.fromkeys(sorted(features(case))))
    return [word for word in everything if word not in done]


def declare(case: Case, ids: Sequence[str]) -> tuple[Case, list[Variant]]:
    """Return a case that states the declared conventions.

    Args:
        case: the case.
        ids: of catalogue conventions; ``id/variant`` names a variant.

    Returns:
        the case, and the conventions that a case cannot state: the right program then is
        the one that follows them.

    Raises:
        InputError: there is no such convention.
    """
    beyond = []
    for text in ids:
        name, _, which = text.partition("/")
        entry = by_id().get(name)
        if entry is None or entry.kind != CONVENTION:
            known = ", ".join(e.id for e in entries() if e.kind == CONVENTION)
            raise InputError(
                f"{name!r} is no convention", place="--convention", remedy=f"use one of {known}"
            )
        chosen = (
            [v for v in entry.variants if v.name == which] if which else list(entry.variants[:1])
        )
        if not chosen:
            names = ", ".join(v.name for v in entry.variants if v.name)
            raise InputError(
                f"{name} has no variant {which!r}",
                place="--convention",
                remedy=f"use one of {names}",
            )
        if entry.declare is not None and not which:
            case = entry.declare(case)
        else:
            beyond += chosen
    return case, beyond


# what a right program leaves


CERTIFIED = "cellgrad-certified-final/1"


@cache
def certified_final(case: str) -> dict[Key, Vector] | None:
    """Return the certified weights and biases after all updates of a shipped probe.

    They are the doubles nearest to the exact values, which come from the formulas of the
    probe's workbook alone, verified by the proof's second route. Whoever compares with them
    makes sure, by the checksum or the case itself, that the case is the shipped one.

    Args:
        case: its id; None is returned for any other case's.

    Raises:
        InputError: the file is there and cannot be used.
    """
    path = folder() / "certified" / f"{case}.json"
    if not case.replace("-", "").isalnum() or not path.is_file():
        return None  # no id of a probe, and no part of a path
    try:
        document = json.loads(path.read_bytes())
        names = {CERTIFIED: PARAMETERS}[document["schema"]]  # no other format is known
        return {
            (name, k): np.array(_doubles(layer), dtype=np.float64)
            for name in names
            for k, layer in enumerate(document[name] or ())
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "cannot be read as certified values", file=path, remedy="install cellgrad again"
        ) from error


def _doubles(value: Any) -> Any:
    return float.fromhex(value["hex"]) if isinstance(value, dict) else [*map(_doubles, value)]


MOST_UPDATES = 5
"""Bounds are carried over no more updates: beyond, they say nothing."""


def final_document(case: Case, sha256: str, workbook: Path) -> dict[str, Any]:
    """Return the certified weights and biases after all updates of a case.

    Args:
        case: of at most ``MOST_UPDATES`` updates.
        sha256: the checksum of its file, in hexadecimal.
        workbook: a workbook that was built from it.

    Raises:
        InputError: the case makes more updates, a value could not be certified, or the two
            routes do not agree.
    """
    from importlib.metadata import version  # noqa: PLC0415 - start-up time

    from cellgrad_proof.exact.vectors import final_parameters  # noqa: PLC0415

    if case.updates() > MOST_UPDATES:
        raise InputError(
            f"makes {case.updates()} updates",
            file=case.id,
            remedy=f"bounds are carried over {MOST_UPDATES} at most",
        )
    values = final_parameters(case, workbook)
    bounds = {precision: Program(case, RunningBounds(precision)).run() for precision in UNIT}
    return {
        "schema": CERTIFIED,
        "case": case.id,
        "updates": case.updates(),
        "provenance": {
            "case_file": f"reference/probes/{case.id}.json",
            "case_sha256": sha256,
            "values": "the formulas of the case's workbook, from its givens through all updates, "
            "in rational numbers and in balls",
            "verified_by": "the definitions of reference/equations.md, from the case file; "
            "derivatives by a complex step of E",
            "tools": {name: version(name) for name in ("python-flint", "mpmath")},
            "digits_agreed": values["digits_agreed"],
        },
        "weights": [
            _with_bounds(layer, {p: bounds_of(r.weights[k]) for p, r in bounds.items()})
            for k, layer in enumerate(values["weights"])
        ],
        "biases": [
            _with_bounds(layer, {p: bounds_of((r.biases or [])[k]) for p, r in bounds.items()})
            for k, layer in enumerate(values["biases"])
        ]
        if "biases" in values
        else None,
    }


def _with_bounds(value: Any, bounds: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return nested numbers with the bounds of the same place."""
    from cellgrad_proof.exact.vectors import rounded_up  # noqa: PLC0415 - start-up time

    if isinstance(value, dict):
        return {
            **value,
            "bound": rounded_up(float(bounds["float64"])),
            "bound_float32": rounded_up(float(bounds["float32"])),
        }
    return [
        _with_bounds(item, {p: array[n] for p, array in bounds.items()})
        for n, item in enumerate(value)
    ]


# what a case needs to be one

GRID = 64
LARGEST = 30.0
SMALLEST = 1 / 64
CLEAR = 1e-3
"""A pre-activation or an error below this is too close to 0 to decide anything."""


def unfit(case: Case) -> list[str]:
    """Return why a case is no probe, one reason a line; nothing where it is fit.

    Source: the degenerate choices are listed in reference/bugs.md.
    """
    return [*_numbers(case), *_sizes(case), *_values(case)]


def _numbers(case: Case) -> list[str]:
    network = case.network
    weights = [np.array(layer) for layer in network.weights]
    biases = [np.array(layer) for layer in network.biases or ()]
    samples = [np.array([*s.input, *s.target]) for s in case.samples]
    reasons = []
    if any(np.any(a * GRID != np.rint(a * GRID)) for a in (*weights, *biases, *samples)):
        reasons.append("a number is no multiple of 1/64")
    flat = np.concatenate([w.ravel() for w in weights])
    if len(np.unique(np.abs(flat))) < min(len(flat), GRID) * 0.6:
        reasons.append("too many equal weights: mistaken indices hide")
    for k, layer in enumerate(weights):
        if any(len(set(row)) < len(row) for row in (*layer.tolist(), *layer.T.tolist())):
            reasons.append(f"equal weights in one row or column of layer {k}")
        if not layer.any():
            reasons.append(f"all weights of layer {k} are 0")
    inputs = np.array([s.input for s in case.samples])
    if np.any(np.abs(inputs) == 1) or np.any(np.abs(inputs) < SMALLEST):
        reasons.append("an input of 1 or 0: a missing factor hides")
    if case.loss != "categorical_cross_entropy" and any(
        t in (0.0, 1.0) for s in case.samples for t in s.target
    ):
        reasons.append("a target of exactly 0 or 1")
    rates = case.learning_rate if isinstance(case.learning_rate, tuple) else (case.learning_rate,)
    if any(rate in (0.5, 1.0, 2.0) for rate in rates):
        reasons.append("a learning rate of ½, 1 or 2: other factors hide behind it")
    return reasons


def _sizes(case: Case) -> list[str]:
    reasons = []
    if case.network.nodes[-1] == 2:
        reasons.append("two outputs: a mean over them is a half")
    if len(case.samples) == 2:
        reasons.append("two samples: a mean over them is a half")
    return reasons


def _values(case: Case) -> list[str]:
    with np.errstate(all="ignore"):
        record = Program(case).run()
    reasons, errors = [], []
    for table in record.steps:
        for (name, _), values in table.items():
            if name == "pre_activation":
                if not np.all(np.abs(values) < LARGEST):
                    reasons.append("a pre-activation of 30 or more")
                if np.any(np.abs(values) < CLEAR):
                    reasons.append("a pre-activation of 0, or nearly")
            if name == "final_error":
                errors.append(values.ravel())
    every = np.concatenate(errors)
    if np.any(np.abs(every) < CLEAR):
        reasons.append("an error of 0, or nearly")
    if every.max() < 0 or every.min() > 0:
        reasons.append("all errors have one sign")
    return reasons
