"""``python -m cellgrad_coursework.kits``: writes a kit; and what the scripts of the kits run."""

from __future__ import annotations

import sys
from pathlib import Path

from cellgrad.errors import CellgradError, InputError, printable
from cellgrad_coursework.kits.run import PLATFORMS, run_git, run_platform
from cellgrad_coursework.kits.write import KINDS, write_kit


def main(arguments: list[str]) -> int:
    """Run a kit, or write one; return the exit code, 2 with one line where that cannot be."""
    kind, *rest = arguments or [""]
    try:
        if kind in PLATFORMS and not rest:
            return run_platform(kind)
        if kind == "git":
            return run_git(rest)
        if kind == "write" and len(rest) == 3:
            output = Path(rest[2])
            write_kit(rest[0], Path(rest[1]), output)
            said = f"wrote {output}: its README.md says what to do with it"
            sys.stdout.write(printable(said) + "\n")
            return 0
    except (CellgradError, OSError) as error:
        line = error.line() if isinstance(error, InputError) else str(error)
        sys.stderr.write(f"cellgrad: {printable(' '.join(line.split()))}\n")
        return 2
    sys.stderr.write(f"cellgrad: use: write {'|'.join(KINDS)} ASSIGNMENT-FOLDER NEW-FOLDER\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
