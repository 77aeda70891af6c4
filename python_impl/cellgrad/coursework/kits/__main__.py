"""``python -m cellgrad.coursework.kits KIND``: what the scripts of the kits run."""

from __future__ import annotations

import sys

from cellgrad.coursework.kits import git, gradescope, prairielearn
from cellgrad.errors import CellgradError, printable


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
    except (CellgradError, OSError) as error:
        line = error.line() if hasattr(error, "line") else str(error)
        sys.stderr.write(f"cellgrad: {printable(' '.join(line.split()))}\n")
        return 2
    sys.stderr.write("cellgrad: name a kit: gradescope, prairielearn, or git MANIFEST [FOLDER]\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
