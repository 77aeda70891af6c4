"""Derivatives by a complex step, and the precision in force.

Source: Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import mpmath

Real = Any
"""A number of mpmath's (the library says nothing of its types), or a plain one."""

DIGITS = 100
_STEP = "1e-100"


def working_precision() -> AbstractContextManager[Any]:
    """Set the working precision, for the length of a ``with`` statement."""
    precision: AbstractContextManager[Any] = mpmath.workdps(DIGITS)
    return precision


def number(value: float) -> Real:
    """Return a double exactly."""
    return mpmath.mpf(value)


def derivative(function: Callable[[Real], Real], at: Real) -> Real:
    """Return f′(x) = Im f(x + ih) / h; nothing cancels, since nothing is subtracted."""
    step = mpmath.mpf(_STEP)
    moved = function(mpmath.mpc(at, step))
    return mpmath.im(moved) / step
