"""A training run: every update, the errors on the way, and the network at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellgrad.case.model import Case, Sample
from cellgrad_series.kernels import Training
from cellgrad_series.train.classes import Accuracy, accuracy
from cellgrad_series.train.losses import penalty, sample_errors
from cellgrad_series.train.record import Sums

Floats = NDArray[np.float64]

BLOCKS = 10
MOST_POINTS = 100_000
"""So many points of the curve of E are kept at most."""

LARGEST = 1e300
"""An E beyond this is on its way out of a double's range; sums of it would be there first."""

_SHORT, _LONG = 0.03, 0.12
"""Seconds between two reports of progress: more updates at a time below, fewer above."""

_ENOUGH_SAMPLES = 10_000
"""Outputs are computed for so many samples at a time."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well the trained network does on a set of samples.

    Attributes:
        samples: how many.
        error: the mean of the samples' E, without a penalty; may be infinite.
        total: their sum.
        accuracy: None where the targets are no classes.
        outputs: (samples, outputs).
        targets: the same shape.
    """

    samples: int
    error: float
    total: float
    accuracy: Accuracy | None
    outputs: Floats = field(repr=False)
    targets: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left behind.

    Attributes:
        case: what was run.
        kernel: which kernel ran it.
        updates: updates made.
        epochs: E of each epoch's updates, each before its update.
        blocks: the same for about ten stretches of the whole run.
        curve: the same for every update, or for every few of a very long run.
        weights: as in the case, at the end.
        biases: as in the case, at the end.
        training: the score on the samples with these weights; None after a divergence.
        validation: the score on the validation samples; None where there are none.
        diverged: what went beyond the range of a double, and where; empty if nothing did.
        outputs: the trained network as a function, (samples, inputs) → (samples, outputs).
    """

    case: Case
    kernel: str
    updates: int
    epochs: Sums
    blocks: Sums
    curve: Sums
    weights: list[Floats]
    biases: list[Floats] | None
    training: Score | None
    validation: Score | None
    diverged: str
    outputs: Callable[[Floats], Floats]

    def final_error(self) -> float:
        """Return E over all samples with the final weights, as one batch of them (Eq. 19, 16).

        Their sum, or their mean where the case's updates take the mean.
        """
        if self.training is None:
            return math.nan
        decay = self.case.optimizer.weight_decay
        mean = self.case.update == "batch_mean"
        error = self.training.error if mean else self.training.total
        if not decay:
            return error
        biases = (self.biases or []) if self.case.conventions.decay_biases else []
        return error + penalty([*self.weights, *biases], decay)


def train(case: Case, kernel: str = "auto", advance: Callable[[int], None] | None = None) -> Result:
    """Carry out every update of a case and score the network that results.

    The same case gives the same numbers, bit for bit, whatever the portions in
    which the updates are made.

    Args:
        case: the run.
        kernel: a name of ``cellgrad_series.kernels.KERNELS``.
        advance: called with the number of updates made since the last call.

    Raises:
        InputError: the kernel is unknown, not installed, or cannot run the case.
    """
    training = Training(case, kernel)
    total = case.updates()
    records = epochs, blocks, curve = (
        Sums(total // case.epochs),
        Sums(-(-total // BLOCKS)),
        Sums(-(-total // MOST_POINTS)),
    )
    with np.errstate(all="ignore"):  # what overflows is reported below
        diverged = _run(training, total, records, advance or (lambda _: None))
        if not diverged and not _finite([*training.weights, *(training.biases or ())]):
            diverged = "a weight left the range of a double"
        scored, validated = (None, None) if diverged else _scores(case, training)
    for score, name in ((scored, "training"), (validated, "validation")):
        if score is not None and not _finite([score.outputs]):
            diverged = f"an output for the {name} samples left the range of a double"
    return Result(
        case, training.kernel, training.updates, epochs, blocks, curve,
        training.weights, training.biases, scored, validated, diverged, training.outputs,
    )  # fmt: skip


def _run(
    training: Training, total: int, records: Sequence[Sums], advance: Callable[[int], None]
) -> str:
    """Make all updates; return what went wrong, or nothing."""
    made, count = 0, 1
    while made < total:
        count = min(count, total - made)
        started = time.perf_counter()
        errors = np.asarray(training.run_updates(count), dtype=np.float64)
        within = errors <= LARGEST  # not a number is not within
        good = count if bool(np.all(within)) else int(np.argmin(within))
        for record in records:
            record.add(errors[:good])
        if good < count:
            what = "is no number" if math.isnan(errors[good]) else f"grew beyond {LARGEST:g}"
            return f"E {what} at update {made + good + 1:,}"
        made += count
        advance(count)
        seconds = time.perf_counter() - started
        if seconds < _SHORT:
            count *= 2
        elif seconds > _LONG:
            count = max(count // 2, 1)
    for record in records:
        record.finish()
    return ""


def _finite(arrays: Sequence[Floats]) -> bool:
    return all(bool(np.all(np.isfinite(array))) for array in arrays)


def _scores(case: Case, training: Training) -> tuple[Score | None, Score | None]:
    validation = _score(case, training, case.validation) if case.validation else None
    return _score(case, training, case.samples), validation


def _score(case: Case, training: Training, samples: Sequence[Sample]) -> Score:
    inputs = np.array([sample.input for sample in samples], dtype=np.float64)
    targets = np.array([sample.target for sample in samples], dtype=np.float64)
    outputs = np.concatenate(
        [
            np.asarray(training.outputs(inputs[start : start + _ENOUGH_SAMPLES]))
            for start in range(0, len(inputs), _ENOUGH_SAMPLES)
        ]
    )
    errors = sample_errors(case.loss, outputs, targets)
    total = float(np.sum(errors))
    if math.isfinite(total):
        total = math.fsum(errors.tolist())
    found = accuracy(outputs, targets)
    return Score(len(samples), total / len(samples), total, found, outputs, targets)
