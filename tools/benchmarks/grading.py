"""How many submissions a second are graded, beside other ways to recalculate them.

One run makes the 3-4-1 example for a class, lets simulated students fill it in (with every
kind of mistake that ``cellgrad rehearse`` knows), and grades them with and without feedback;
then once a tenth as many, for the memory. Peers do less: they load and recalculate each
workbook once and give no verdict; they run on one core, so the ratios are for one core.

Nothing here fails for being slow. The exit code is 1 when a submission was not graded.

    python tools/benchmarks/grading.py [--submissions N] [--jobs J] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cellgrad.errors import InputError
from cellgrad.files import write_atomically
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.rehearsal.students import Classroom
from cellgrad_coursework.roster import read_roster
from cellgrad_coursework.running.runner import cores
from cellgrad_coursework.setting.assign import assign, write_example
from cellgrad_coursework.setting.assignment import read_assignment

STUDENTS = 6
RUN = """
import json, sys, time
from contextlib import closing
from pathlib import Path
from cellgrad_coursework.taking_in.intake import Intake
from cellgrad_coursework.manifest_file import read_manifest
from cellgrad_coursework.results.write import write_all
from cellgrad_coursework.running.runner import Settings, grade_all
submissions, course, output, feedback, jobs = sys.argv[1:]
manifest = read_manifest(Path(course))
done = graded = 0
def told(grades):
    global done, graded
    for grade in grades:
        done += 1
        graded += not grade.problem
        yield grade
start = time.perf_counter()
with closing(Intake(Path(submissions))) as intake:
    settings = Settings(feedback=feedback == "1", jobs=int(jobs))
    students = [handout.student for handout in manifest.handouts.values()]
    grades = grade_all(manifest, intake, Path(output), (), settings)
    write_all(Path(output), manifest, told(grades), students, ("tidy", "canvas"))
print(json.dumps([time.perf_counter() - start, done, graded]))
"""


@dataclass
class Run:
    """One way to go through all submissions."""

    name: str
    jobs: int
    submissions: int
    seconds: float
    graded: int
    memory: float = 0.0

    @property
    def rate(self):
        """Submissions a second."""
        return self.submissions / self.seconds


def resident(pid):
    """Return the bytes of memory of a process and its children, as far as they are its own."""
    total, queue = 0, [pid]
    while queue:
        one = queue.pop()
        try:
            children = Path(f"/proc/{one}/task/{one}/children").read_text("ascii").split()
            queue += map(int, children)
            fields = Path(f"/proc/{one}/statm").read_text("ascii").split()
            total += (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total


def children_of_threads(pid):
    """Return the processes that any thread of a process started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text("ascii").split())
        except OSError:
            continue
    return found


def grade(name, submissions, course, folder, *, feedback, jobs):
    """Grade everything in a process of its own; return how it went."""
    output = folder / "graded"
    shutil.rmtree(output, ignore_errors=True)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(submissions), str(course), str(output),
         str(int(feedback)), str(jobs)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    peak = 0
    while process.poll() is None:
        whole = resident(process.pid)
        whole += sum(resident(pid) for pid in children_of_threads(process.pid))
        peak = max(peak, whole)
        time.sleep(0.05)
    seconds, done, graded = json.loads(process.stdout.read())
    return Run(name, jobs, done, seconds, graded, peak / (1 << 20))


def by_formulas(path):
    """Recalculate with the package formulas, in pure Python."""
    os.environ["TQDM_DISABLE"] = "1"  # its progress bars are not of this table
    import formulas  # noqa: PLC0415 - may not be installed

    formulas.ExcelModel().loads(str(path)).finish(circular=True).calculate()


def by_formualizer(path):
    """Recalculate with the engine that cellgrad verifies with, in Rust."""
    from cellgrad import engines  # noqa: PLC0415

    with engines.create("formualizer").open(path):
        pass


def by_openpyxl(path):
    """Only read, with openpyxl."""
    from openpyxl import load_workbook  # noqa: PLC0415

    load_workbook(path)


PEERS = {
    "formulas: recalculate": by_formulas,
    "formualizer: recalculate": by_formualizer,
    "openpyxl: read only": by_openpyxl,
}


def peer(name, action, paths, most):
    """Time a peer on some of the submissions; None where it is not installed."""
    try:
        action(paths[0])
    except ImportError:
        return None
    seconds = []
    for path in paths[1:]:
        start = time.perf_counter()
        action(path)
        seconds.append(time.perf_counter() - start)
        if sum(seconds) > most:
            break
    return Run(name, 1, len(seconds), statistics.median(seconds) * len(seconds), len(seconds))


def made(folder, count):
    """Write an assignment and submissions; return their folders, and the plain submissions."""
    write_example(folder / "example")
    students = read_roster(folder / "example" / "roster.csv")[:STUDENTS]
    example = read_assignment(folder / "example" / "assignment.toml")
    assign(example, students, folder / "course", worksheet=False)
    submissions, paths = folder / "submissions", []
    for student in Classroom(read_manifest(folder / "course"), folder / "course").students(count):
        path = submissions / student.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(student.workbook())
        if student.kind in ("right", "rewritten", "one mistake"):
            paths.append(path)
    return submissions, folder / "course", paths


def part_of(submissions, folder, count):
    """Return a folder with some of the submissions."""
    part = folder / "part"
    files = sorted(path for path in submissions.rglob("*.xlsx"))
    for path in files[:count]:
        new = part / path.relative_to(submissions)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, new)
    return part


def tell(console, runs):
    """Print the table."""
    one_core = next(run for run in runs if run.name.startswith("cellgrad, one core"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "files", "cores", "files/s", "peak MiB", "time, ours = 1"):
        table.add_column(title, justify="right" if title else "left", no_wrap=not title)
    for run in runs:
        ratio = f"{one_core.rate / run.rate:.1f}" if run.jobs == 1 else ""
        memory = f"{run.memory:.0f}" if run.memory else ""
        table.add_row(
            run.name, f"{run.submissions:,}", str(run.jobs), f"{run.rate:.1f}", memory, ratio
        )
    console.print(table)


def main(given=None):
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--submissions", type=int, default=2_000, metavar="N")
    parser.add_argument("--jobs", type=int, default=cores(), metavar="J")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--peer-seconds", type=float, default=10.0, metavar="S")
    options = parser.parse_args(given)
    with tempfile.TemporaryDirectory(prefix="cellgrad-bench-") as name:
        folder = Path(name)
        submissions, course, paths = made(folder, options.submissions)
        part = part_of(submissions, folder, max(1, options.submissions // 10))
        jobs, runs = options.jobs, []
        for label, where, feedback, count in (
            ("cellgrad", submissions, False, jobs),
            ("cellgrad, a tenth of them", part, False, jobs),
            ("cellgrad with feedback", submissions, True, jobs),
            ("cellgrad, one core", part, False, 1),
        ):
            runs.append(grade(label, where, course, folder, feedback=feedback, jobs=count))
        found = (peer(n, action, paths, options.peer_seconds) for n, action in PEERS.items())
        runs += [run for run in found if run is not None]
    tell(Console(highlight=False), runs)
    if options.json:
        table = [{**dataclasses.asdict(run), "rate": run.rate} for run in runs]
        write_atomically(options.json, json.dumps(table, indent=1).encode())
    return int(any(run.graded != run.submissions for run in runs))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        Console(stderr=True, highlight=False).print(error.line(), markup=False)
        sys.exit(2)
