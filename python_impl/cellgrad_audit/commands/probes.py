"""``cellgrad probes``."""

from __future__ import annotations

import sys
from pathlib import Path

from cellgrad.errors import printable
from cellgrad_audit.handout import files_of, write_folder
from cellgrad_audit.probes import probes


def probes_command(output: Path) -> int:
    """Write the probes for targets that cannot read JSON; return the exit code.

    Args:
        output: the folder to write; it may exist if it is empty.

    Raises:
        InputError: the folder holds something, or cannot be written.
    """
    cases = probes()
    write_folder(output, files_of(cases))
    line = (
        f"wrote {len(cases)} probes to {output}; {output / 'README.txt'} says how to fill them in"
    )
    sys.stdout.write(printable(line) + "\n")
    return 0
