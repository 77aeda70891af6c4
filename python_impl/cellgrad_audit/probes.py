"""The cases that an audit asks, and what they exercise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from cellgrad import shipped
from cellgrad.case.model import Case
from cellgrad.case.read import read_case
from cellgrad.errors import InputError
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
