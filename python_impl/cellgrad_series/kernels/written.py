"""Compiling a written-out network with numba, and finding it again on disk.

numba keeps on disk only what it compiled of functions that stand in a file. A written-out
network stands in none; so it is compiled as a part of ``_training``, which does, in a
specialisation of its own: the digest of its source is the type of the first argument.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numba.extending

from cellgrad_series.kernels.loops import compiled

_types: Any = numba.types  # typed in some versions of numba only
_FUNCTIONS = {"exp": math.exp, "log": math.log, "tanh": math.tanh, "sqrt": math.sqrt}
_sources: dict[str, str] = {}


def compiled_source(source: str) -> Callable[..., None]:
    """Return the function of a source that ``straight.for_numba`` wrote, compiled.

    Args:
        source: defines ``run(digest, state, rows, first, batch, rates, constants, errors)``.

    Returns:
        that function without its first argument.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()
    _sources[digest] = source
    vector, matrix, whole = _types.float64[::1], _types.float64[:, ::1], _types.int64
    given = (vector, matrix, whole, whole, vector, vector, vector)
    entry: Any = _training
    return partial(entry.compile((_types.literal(digest), *given)), digest)


def _written_out(  # numba calls what ``_implementation`` returns in its place
    digest: str, state: Any, rows: Any, first: Any, batch: Any, rates: Any, constants: Any,
    errors: Any,
) -> None: ...  # fmt: skip


def _implementation(digest: Any, *_: Any) -> Callable[..., None] | None:
    if not isinstance(digest, _types.StringLiteral):
        return None
    names: dict[str, Any] = dict(_FUNCTIONS)
    exec(_sources[digest.literal_value], names)  # noqa: S102 - of straight's own words only
    run: Callable[..., None] = names["run"]
    return run


numba.extending.overload(  # not strict: the signatures need not be written alike
    _written_out, jit_options={"error_model": "numpy"}, strict=False, prefer_literal=True
)(_implementation)


@compiled
def _training(
    digest: str, state: Any, rows: Any, first: Any, batch: Any, rates: Any, constants: Any,
    errors: Any,
) -> None:  # fmt: skip
    _written_out(digest, state, rows, first, batch, rates, constants, errors)
