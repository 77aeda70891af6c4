"""``python -m cellgrad_coursework.kits``: writes a kit; and what the scripts of the kits run."""

from __future__ import annotations

import sys
from pathlib import Path

from cellgrad.errors import CellgradError, printable
from cellgrad_coursework.kits import git, gradescope, prairielearn
from cellgrad_coursework.kits.write import KINDS, write_kit

_WORDS = 3


def main(arguments: list[str]) -> int:
    """Run a kit; return the exit code, 2 with one line where it cannot be run."""
    kind, *rest = arguments or [""]
    try:
        if kind == "gradescope" and not rest:
            return gradescope.run()
        if kind == "prairielearn" and not rest:
            return prairielearn.run()
        if kind == "git":
            return git.run(rest)
        if kind == "write" and len(rest) == _WORDS:
            return _write(rest[0], Path(rest[1]), Path(rest[2]))
    except (CellgradError, OSError) as error:
        line = error.line() if hasattr(error, "line") else str(error)
        sys.stderr.write(f"cellgrad: {printable(' '.join(line.split()))}\n")
        return 2
    sys.stderr.write(f"cellgrad: use: write {'|'.join(KINDS)} ASSIGNMENT-FOLDER NEW-FOLDER\n")
    return 2


def _write(kind: str, assignment: Path, output: Path) -> int:
    write_kit(kind, assignment, output)
    sys.stdout.write(printable(f"wrote {output}: its README.md says what to do with it") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
