"""``cellgrad verify``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cellgrad import shipped
from cellgrad.cli.progress import progress_bar
from cellgrad.engines import DEFAULT
from cellgrad.errors import InputError
from cellgrad.report.verification import as_json as report_as_json
from cellgrad.report.verification import print_reports
from cellgrad.verify.many import engine_names, split_by_packages, verify_workbooks
from cellgrad.verify.result import Report

if TYPE_CHECKING:
    from cellgrad_proof.engine_table import Measured


def verify_command(
    workbooks: Sequence[Path], engines: Sequence[str], *, as_json: bool, table: bool = False
) -> int:
    """Verify workbooks and print what was found; return the exit code.

    Args:
        workbooks: their files; all shipped ones if there are none.
        engines: their names; the default one if there are none.
        as_json: print one JSON object.
        table: measure each engine's numbers on certified values.
    """
    paths, left_out = list(workbooks), dict[Path, str]()
    if not paths:
        paths, left_out = split_by_packages(shipped.workbooks())
    if not paths:
        raise InputError("no workbooks are shipped with this installation", remedy="name some")
    names = engine_names(engines or (DEFAULT,))
    total = len(paths) * len(names)
    with progress_bar("verifying", total, wanted=total > 1) as bar:
        reports = verify_workbooks(paths, names, lambda name: bar.advance(text=name))
    measured = _measured(reports) if table else []
    if as_json:
        found = report_as_json(reports, left_out)
        if table:
            from cellgrad_proof.engine_table import table_as_json  # noqa: PLC0415 - start-up time

            found["table"] = table_as_json(measured)
        sys.stdout.write(json.dumps(found, allow_nan=False, indent=1) + "\n")
    elif table and all(report.agrees for report in reports):
        from cellgrad_proof.engine_table import print_table  # noqa: PLC0415 - start-up time

        print_table(measured)
    else:
        print_reports(reports, left_out)
    return 0 if all(report.agrees for report in reports) else 1


def _measured(reports: Sequence[Report]) -> list[Measured]:
    """Measure what the engines computed.

    Raises:
        InputError: the library that certifies is not installed.
    """
    if find_spec("flint") is None:
        raise InputError(
            "certified values need python-flint, which is not installed",
            place="--table",
            remedy="pip install 'cellgrad[proof]'",
        )
    from cellgrad_proof.engine_table import measure  # noqa: PLC0415 - start-up time

    return list(measure(reports))
