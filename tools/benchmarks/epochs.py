"""How long verifying a sheet of 5,000 training steps takes, beside its engine alone.

The workbook of one case of 5,000 samples is built, one row an update. Then two take turns:
the engine, which loads and evaluates it and does nothing else, and ``verify`` without
redraws: it reads the file, has it recalculated, and compares every cell. Each turn is a
process of its own, forked when everything is imported; start-up is not timed, and what one
turn leaves in memory is no burden to the next. Last, ``verify`` with its redraws is timed
once.

Nothing here fails for being slow. The exit code is 1 when a cell does not agree, or is not
the same to the last bit.

    python tools/benchmarks/epochs.py [--case ID] [--turns K] [--no-redraws] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

import cellgrad
from cellgrad import engines, shipped
from cellgrad.build import build, read_source
from cellgrad.errors import InputError
from cellgrad.files import write_atomically
from cellgrad.verify.many import verify_workbook

CASE = "series-3-4-1-5000"
KIB = 1 if sys.platform == "linux" else 1024
"""In what the system counts memory: KiB, elsewhere bytes."""


@dataclass(frozen=True)
class Turn:
    """One measurement.

    Attributes:
        seconds: how long it took.
        memory: peak memory in MiB, all its processes together.
        cells: how many cells were compared.
        draws: how many redraws there were.
        problem: what disagreed, or empty.
    """

    seconds: float
    memory: float
    cells: int = 0
    draws: int = 0
    problem: str = ""


@dataclass
class Outcome:
    """A whole run of the benchmark.

    Attributes:
        case: whose workbook it was.
        size: how many bytes the workbook has.
        build: seconds that building it took.
        engine: the turns of the engine alone.
        verify: the turns of ``verify`` without redraws.
        redraws: ``verify`` with redraws, if that was asked for.
    """

    case: str
    size: int
    build: float
    engine: list[Turn] = field(default_factory=list)
    verify: list[Turn] = field(default_factory=list)
    redraws: list[Turn] = field(default_factory=list)

    @property
    def ratio(self):
        """The median of ``verify`` by the engine's."""
        return median(self.verify) / median(self.engine)

    @property
    def problems(self):
        """What disagreed."""
        return [turn.problem for turn in (*self.verify, *self.redraws) if turn.problem]


def median(turns):
    """Return the median seconds."""
    return statistics.median(turn.seconds for turn in turns)


# measuring


def apart(action, path, *arguments):
    """Run an action in a process of its own, and return its turn.

    Raises:
        InputError: the process ended without an answer.
    """
    context = multiprocessing.get_context("fork")
    line, inner = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(inner, action, path, *arguments))
    process.start()
    inner.close()
    try:
        return line.recv()
    except EOFError as error:
        raise InputError("the measurement ended unexpectedly", file=path) from error
    finally:
        process.join()


def answer(line, action, *arguments):
    """Run an action without a collection of garbage, and send its turn."""
    gc.disable()
    start = time.perf_counter()
    found = action(*arguments)
    seconds = time.perf_counter() - start
    # an upper bound: pages that both processes share are counted twice
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    memory = sum(resource.getrusage(who).ru_maxrss for who in whose) / KIB / 1024
    line.send(Turn(seconds, memory, **found))


def built(path, case):
    """Build the workbook."""
    build(read_source(case), path)
    return {}


def load_and_evaluate(path, engine):
    """Let the engine do its part; what it holds is let go only afterwards."""
    load_and_evaluate.held = engine.open(path)
    return {}


def verified(path, engine, limits):
    """Verify the workbook."""
    report = verify_workbook(path, engine, engine, **limits)
    problem = ""
    if not report.agrees:
        problem = f"{len(report.mismatches)} disagreements, the first: {report.mismatches[0]}"
    elif report.bit_identical != report.cells:
        problem = f"{report.cells - report.bit_identical} cells differ in their last bits"
    return {"cells": report.cells, "draws": report.draws, "problem": problem}


def measure(case, turns, bar, *, redraws):
    """Build the workbook and take all measurements."""
    engine = engines.create(engines.DEFAULT)  # loads its library before any fork
    task = bar.add_task("building", total=1 + 2 * turns + redraws)

    def advance(doing):
        bar.update(task, advance=1, description=doing, refresh=True)

    with tempfile.TemporaryDirectory(prefix="cellgrad-bench-") as folder:
        path = Path(folder) / f"{case}.xlsx"
        made = apart(built, path, shipped.folder("reference") / "cases" / f"{case}.json")
        outcome = Outcome(case, path.stat().st_size, made.seconds)
        without = {"draws": 0, "max_draws": 0}
        for _ in range(turns):
            advance("engine alone")
            outcome.engine.append(apart(load_and_evaluate, path, engine))
            advance("verify, no redraws")
            outcome.verify.append(apart(verified, path, engine, without))
        if redraws:
            advance("verify")
            outcome.redraws.append(apart(verified, path, engine, {}))
    return outcome


# telling


def table_of(outcome):
    """Return the table of medians."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "median s", "each turn, s", "peak MiB", "ratio"):
        table.add_column(title, justify="right" if title else "left")
    for label, turns in (
        ("engine: load and evaluate", outcome.engine),
        ("verify, no redraws", outcome.verify),
        ("verify", outcome.redraws),
    ):
        if turns:
            table.add_row(
                label,
                f"{median(turns):.2f}",
                " ".join(f"{turn.seconds:.2f}" for turn in turns),
                f"{max(turn.memory for turn in turns):.0f}",
                f"{median(turns) / median(outcome.engine):.2f}",
            )
    return table


def tell(console, outcome):
    """Print everything that was measured."""
    cells = outcome.verify[0].cells
    console.print(
        f"The workbook of {outcome.case}: {cells:,} computed cells, "
        f"{outcome.size / 2**20:.1f} MiB, built in {outcome.build:.0f} s. Medians of "
        f"{len(outcome.verify)} alternating turns; memory is that of both processes together.\n"
    )
    console.print(table_of(outcome))
    for turn in outcome.redraws:
        console.print(f"\n{turn.draws} redraws")
    facts = machine()
    console.print(f"\n{facts['cores']} cores, {facts['python']}, {facts['system']}")
    for problem in outcome.problems:
        console.print(f"WRONG: {escape(problem[:500])}", style="bold red")


def machine():
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cellgrad": cellgrad.__version__,
        "engine": f"{engines.DEFAULT} {engines.create(engines.DEFAULT).version()}",
    }


def as_json(outcome):
    """Return everything that was measured as one object."""
    found = {
        "case": outcome.case,
        "cells": outcome.verify[0].cells,
        "bytes": outcome.size,
        "build_seconds": outcome.build,
        "ratio": outcome.ratio,
        "machine": machine(),
        "problems": outcome.problems,
    }
    for name in ("engine", "verify", "redraws"):
        turns = getattr(outcome, name)
        if turns:
            found[name] = {
                "median_seconds": median(turns),
                "seconds": [turn.seconds for turn in turns],
                "peak_mib": max(turn.memory for turn in turns),
                "draws": turns[0].draws,
            }
    return found


def arguments():
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--case", default=CASE, help=f"a shipped case (default {CASE})")
    parser.add_argument("--turns", type=int, default=7, help="turns of each (default 7)")
    parser.add_argument("--no-redraws", action="store_true", help="leave the last one out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    if asked.turns < 1:
        parser.error("at least one turn")
    return asked


def main():
    """Measure, tell, and return the exit code."""
    asked = arguments()
    status = Console(stderr=True)
    # no refreshing by itself: that would take a thread, and time
    bar = Progress(
        console=status, transient=True, auto_refresh=False, disable=not status.is_terminal
    )
    try:
        with bar:
            outcome = measure(asked.case, asked.turns, bar, redraws=not asked.no_redraws)
        if asked.json:
            write_atomically(asked.json, (json.dumps(as_json(outcome), indent=2) + "\n").encode())
    except InputError as error:
        print(f"epochs: {error.line()}", file=sys.stderr)
        return 2
    tell(Console(highlight=False), outcome)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
