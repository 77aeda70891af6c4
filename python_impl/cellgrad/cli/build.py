"""``cellgrad build``."""

from __future__ import annotations

import sys
from pathlib import Path

from cellgrad.build import build, read_source
from cellgrad.errors import InputError, printable


def build_command(case: Path, output: Path) -> int:
    """Write the workbook of a case or a book; return the exit code."""
    if output.suffix.lower() != ".xlsx":
        raise InputError("a workbook's name ends in .xlsx", file=output, remedy="rename the output")
    try:
        build(read_source(case), output)
    except InputError as error:
        raise error.within(case) from error
    except OSError as error:  # it is calculated in the folder for temporary files
        raise InputError(
            f"cannot be calculated ({error.strerror or error})",
            file=output,
            remedy="make room in the folder for temporary files",
        ) from error
    sys.stdout.write(printable(f"wrote {output}; now: cellgrad verify {output}") + "\n")
    return 0
