"""``cellgrad verify``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cellgrad import shipped
from cellgrad.engines import DEFAULT
from cellgrad.errors import InputError
from cellgrad.report.verification import as_json as report_as_json
from cellgrad.report.verification import print_reports
from cellgrad.verify.many import engine_names, verify_workbooks


def verify_command(workbooks: Sequence[Path], engines: Sequence[str], *, as_json: bool) -> int:
    """Verify workbooks and print what was found; return the exit code."""
    paths = list(workbooks) or shipped.workbooks()
    if not paths:
        raise InputError("no workbooks are shipped with this installation", remedy="name some")
    names = engine_names(engines or (DEFAULT,))
    reports = verify_workbooks(paths, names, progress=sys.stderr.isatty())
    if as_json:
        sys.stdout.write(json.dumps(report_as_json(reports), allow_nan=False, indent=1) + "\n")
    else:
        print_reports(reports)
    return 0 if all(report.agrees for report in reports) else 1
