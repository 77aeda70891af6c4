"""Which class an output stands for, and how often the network finds the right one.

One output: class 1 where it is above 0.5, as in the series; exactly 0.5 is class 0.
Several outputs: the class of the largest one, the first of them where two are equal.
The rule is applied to targets that are classes (0 or 1; with several outputs a
single 1) and to no others: what a target such as 0.3 calls right is not ours to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the class was right.

    Attributes:
        right: samples whose predicted class is the target's.
        of: all samples.
        confusion: counts, a row a target class, a column a predicted class.
    """

    right: int
    of: int
    confusion: list[list[int]]


def are_classes(targets: Floats) -> bool:
    """Tell whether targets, (samples, outputs), stand for classes."""
    binary = bool(np.all((targets == 0) | (targets == 1)))
    return binary and (targets.shape[1] == 1 or bool(np.all(targets.sum(axis=1) == 1)))


def classes_of(values: Floats) -> Integers:
    """Return the class of each row of outputs or targets, (samples, outputs) → (samples,)."""
    if values.shape[1] == 1:
        return (values[:, 0] > THRESHOLD).astype(np.intp)
    return np.asarray(np.argmax(values, axis=1), dtype=np.intp)


def accuracy(outputs: Floats, targets: Floats) -> Accuracy | None:
    """Count the right classes; None where the targets are no classes.

    Args:
        outputs: (samples, outputs).
        targets: the same shape.
    """
    if not are_classes(targets):
        return None
    classes = max(targets.shape[1], 2)
    confusion = np.zeros((classes, classes), dtype=np.intp)
    np.add.at(confusion, (classes_of(targets), classes_of(outputs)), 1)
    return Accuracy(int(np.trace(confusion)), len(targets), confusion.tolist())
