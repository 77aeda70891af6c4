"""A pytest fixture: ``def test_step(cellgrad_audit): cellgrad_audit(my_step)``.

Installed with cellgrad; nothing but pytest is imported until a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cellgrad_audit.result import Audit


@pytest.fixture
def cellgrad_audit() -> Callable[..., Audit]:
    """Return a function that audits a training step and fails the test with the diagnosis.

    Its arguments: a callable that takes a case (a dict, reference/schema/case.schema.json)
    and returns a trace (a dict with at least ``weights`` and ``biases``), or a target as text
    (``module:function``, ``torch:``, …); by name ``cases`` (paths of case files; the probes by
    default), ``conventions`` (ids that the code is known to follow) and ``tolerance``. It
    returns the audit where the step is right.
    """
    return _audit


def _audit(
    step: Callable[[dict[str, Any]], Any] | str,
    *,
    cases: Sequence[Any] = (),
    conventions: Sequence[str] = (),
    tolerance: float | None = None,
) -> Audit:
    __tracebackhide__ = True
    from pathlib import Path  # noqa: PLC0415 - nothing is imported before it is asked for

    from cellgrad.case.model import read_case  # noqa: PLC0415
    from cellgrad.errors import InputError  # noqa: PLC0415
    from cellgrad_audit.adapters import create  # noqa: PLC0415
    from cellgrad_audit.probes import probes  # noqa: PLC0415
    from cellgrad_audit.report.terminal import audit_text  # noqa: PLC0415
    from cellgrad_audit.run import audit  # noqa: PLC0415
    from cellgrad_audit.targets.function import FunctionTarget  # noqa: PLC0415

    try:
        named = create(step) if isinstance(step, str) else None
        result = audit(
            named or FunctionTarget(step),
            [read_case(Path(path)) for path in cases] or probes(),
            declared=conventions,
            tolerance=tolerance,
        )
    except InputError as error:
        pytest.fail(error.line(), pytrace=False)
    failed = [probed.answer.failure for probed in result.probes if probed.answer.failure]
    if failed:
        pytest.fail("\n".join([*failed, audit_text(result)]), pytrace=False)
    if result.code():
        pytest.fail(audit_text(result), pytrace=False)
    return result
