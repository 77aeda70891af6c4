"""How many files one answer goes through: a profile hook on the commands as people run them.

A file counts where one of its functions is called; what merely defines names does not.
Usage: flows.py [FLOW ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SOURCES = TOP / "python_impl"
COMMAND = "cellgrad/cli/main.py"
CASE = TOP / "reference" / "cases" / "series-3-4-1.json"
WORKBOOK = TOP / "spreadsheets" / "training-step-3-4-1.xlsx"

# every process writes the name of each file when one of its functions is first called
HOOK = """
import os, sys, threading
seen = set()
log = os.open(os.path.join(os.environ["FLOWS"], f"{os.getpid()}.log"), os.O_CREAT | os.O_WRONLY)
def note(frame, event, _):
    code = frame.f_code
    # what a comprehension of a module makes of its constants is no answer
    if event == "call" and code.co_flags & 1 and code.co_name[0] != "<" and (
        code.co_filename not in seen
    ):
        seen.add(code.co_filename)
        os.write(log, (code.co_filename + chr(10)).encode())
sys.setprofile(note)
threading.setprofile(note)
"""


@dataclass(frozen=True)
class Flow:
    """A command and how many files it may go through.

    Attributes:
        words: the command's words behind ``cellgrad``.
        most: the limit.
        in_child: whether what counts is done in a process of its own.
    """

    words: tuple[str, ...]
    most: int
    in_child: bool = False


FLOWS = {
    "build": Flow(("build", str(CASE), "-o", "out.xlsx"), 20),
    "verify": Flow(("verify", str(WORKBOOK)), 25),
    "grade": Flow(
        ("grade", "submission", "--assignment", "handouts", "-o", "graded", "--jobs", "1"),
        28,
        in_child=True,
    ),
}


def run_command(words: tuple[str, ...], folder: Path, logs: Path | None = None) -> None:
    """Run the command line in a folder, with the hook where there is a place for its notes."""
    paths = [str(SOURCES)]
    environment = os.environ.copy()
    if logs is not None:
        (logs / "sitecustomize.py").write_text(HOOK, "utf-8")
        paths.insert(0, str(logs))
        environment["FLOWS"] = str(logs)
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    command = [sys.executable, "-m", "cellgrad", *words]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def prepare_course(folder: Path) -> None:
    """Hand out a course and hand in one workbook, as it was handed out."""
    run_command(("assign", "--init", "course"), folder)
    words = ("assign", "course/assignment.toml", "--roster", "course/roster.csv", "-o", "handouts")
    run_command((*words, "--no-worksheet"), folder)
    (folder / "submission").mkdir()
    handout = min((folder / "handouts").rglob("*.xlsx"))
    solution = next(iter(sorted((folder / "handouts").rglob("*olution*.xlsx"))), handout)
    (folder / "submission" / handout.name).write_bytes(solution.read_bytes())


def files_of(flow: Flow, folder: Path) -> set[Path]:
    """Return the files of the project that a flow goes through."""
    with tempfile.TemporaryDirectory() as logs:
        run_command(flow.words, folder, Path(logs))
        touched: dict[str, set[Path]] = defaultdict(set)
        for log in Path(logs).glob("*.log"):
            for line in log.read_text("utf-8").splitlines():
                if line.startswith(str(SOURCES)):
                    touched[log.name].add(Path(line))
    if flow.in_child:
        (files,) = [files for files in touched.values() if SOURCES / COMMAND not in files]
        return files
    return set().union(*touched.values())


def main(names: list[str]) -> int:
    """Print a line a flow; return 1 where one goes through more files than it may."""
    code = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title in names or FLOWS:
            flow = FLOWS[title]
            if title == "grade":
                prepare_course(folder)
            files = files_of(flow, folder)
            lines = sum(len(path.read_text("utf-8").splitlines()) for path in files)
            print(f"{title:8} {len(files):3} files (at most {flow.most}), {lines:6,} lines")
            if os.environ.get("VERBOSE"):
                print(*(f"  {path.relative_to(SOURCES)}" for path in sorted(files)), sep="\n")
            code |= len(files) > flow.most
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
