"""How long recalculating and comparing a workbook takes, beside other calculators.

One run makes workbooks of the default size (the 3-4-1 case with givens of its own for
each), lets every contender warm up, and then times them in turns: one workbook after
another, the order of the contenders moving on by one each time, so that a busy moment
of the machine falls on all of them alike. Start-up and imports are not timed, and
Python's garbage is collected between the timings, never during one.

Nothing here fails for being slow. The exit code is 1 when a contender computes another
value than the MLP, or when cellgrad itself does not agree or cannot finish.

    python tools/benchmarks/recalculation.py [--workbooks N] [--repeats K] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import platform
import random
import re
import statistics
import sys
import tempfile
import time
import zipfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

import cellgrad
from cellgrad import engines, shipped
from cellgrad.build import build
from cellgrad.case.model import Sample, read_case
from cellgrad.described import describe
from cellgrad.engines import OpenWorkbook
from cellgrad.errors import EngineMissingError, InputError, WorkbookError
from cellgrad.files import write_atomically
from cellgrad.mlp import training_step
from cellgrad.verify.verifier import DRAWS, Verifier
from cellgrad.xlsx.addresses import Range
from cellgrad.xlsx.book import read_book

CASE = "series-3-4-1"
TOLERANCE = 1e-12
BASE = "b"
"""The contender that all others are set in relation to."""

LITTER = 2_000
"""New objects since the last collection of garbage that make another one worth while."""

STORED = re.compile(rb"(</f><v[^>]*>)[-+.eE0-9]+(</v>)")
"""A number stored beside a formula."""

PARTS = {
    "open": "load and evaluate",
    "update": "set and evaluate redraws",
    "read": "hand out values",
}


# the workbooks


@dataclass(frozen=True)
class Sheet:
    """One workbook, and what the MLP says about two of its cells."""

    path: Path
    cells: tuple[Range, Range]
    values: tuple[float, float]


def redrawn_case(number):
    """Return the default case with givens of its own, of at most 4 decimals each."""
    rng = random.Random(f"benchmark {number}")

    def given(reach=1):
        return rng.choice((-1, 1)) * rng.randint(1, 9999 * reach) / 10_000

    case = read_case(shipped.folder("reference") / "cases" / f"{CASE}.json")
    weights = tuple(
        tuple(tuple(given() for _ in row) for row in layer) for layer in case.network.weights
    )
    samples = tuple(
        Sample(
            tuple(given(reach=2) for _ in sample.input),
            tuple(abs(given()) for _ in sample.target),
        )
        for sample in case.samples
    )
    return dataclasses.replace(
        case,
        id=f"{CASE}-benchmark-{number}",
        network=dataclasses.replace(case.network, weights=weights),
        samples=samples,
        learning_rate=abs(given()),
    )


def make_workbook(folder, number):
    """Build one workbook and note what E and one gradient should come to."""
    case, path = redrawn_case(number), folder / f"{number:04}.xlsx"
    build(case, path)
    book = read_book(path)
    gradients = book.name_range("gradient_ItoH")
    first = Range(gradients.sheet, gradients.top, gradients.left, gradients.top, gradients.left)
    step = training_step(
        case.network.weights,
        [sample.input for sample in case.samples],
        [sample.target for sample in case.samples],
        activations=case.network.activations,
        loss=case.loss,
        learning_rate=case.step_learning_rate(),
        update=case.update,
    )
    values = (step.error, float(step.weight_gradient[0][0, 0]))
    return Sheet(path, (book.name_range("E"), first), values)


def forged(sheet):
    """Return a copy in which the number stored beside every formula is wrong.

    Who hands back stored values instead of calculating is found out by it.
    """
    path, count = sheet.path.with_name(f"forged-{sheet.path.name}"), 0
    with zipfile.ZipFile(sheet.path) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.startswith("xl/worksheets/"):
                data, found = STORED.subn(rb"\g<1>0.123\g<2>", data)
                count += found
            new.writestr(name, data)
    if not count:
        raise WorkbookError("no stored number was found to forge", file=path)
    return dataclasses.replace(sheet, path=path)


def formulas_in(path):
    """Return how many formulas a workbook holds."""
    return sum(len(cells.formulas) for cells in read_book(path).sheets.values())


# the contenders


class Contender:
    """Somebody who recalculates workbooks.

    Attributes:
        key: its letter in the table.
        label: its name in the table.
        does: what is timed, in half a sentence.
        most: it is slow, so it gets this many workbooks at most; None for all of them.
        ours: whether a failure is cellgrad's own.
    """

    key = label = does = version = ""
    most = None
    ours = False

    def run(self, path):
        """Do what is timed; return whatever ``problem`` needs."""
        raise NotImplementedError

    def values(self, result, sheet):
        """Return the numbers that came out for E and for the gradient."""
        raise NotImplementedError

    def problem(self, result, sheet):
        """Return what is wrong with a result, or None."""
        for cell, found, wanted in zip(
            sheet.cells, self.values(result, sheet), sheet.values, strict=True
        ):
            if not isinstance(found, float) or not abs(found - wanted) <= TOLERANCE:
                return f"{cell} of {sheet.path.name} is {found!r}, the MLP says {wanted!r}"
        return None

    def problem_when_forged(self, result, sheet):
        """Return what is wrong with the result of a workbook with forged stored values."""
        return self.problem(result, sheet)

    def inside(self):
        """Return the seconds that the last run spent in the engine, part by part."""
        return {}

    def close(self):
        """End what was started."""


class TimedWorkbook(OpenWorkbook):
    """An open workbook that notes how long its engine takes."""

    def __init__(self, engine, book):
        self.engine, self.book = engine, book

    def read(self, ranges):
        with self.engine.clock("read"):
            return self.book.read(ranges)

    def update(self, changes):
        with self.engine.clock("update"):
            self.book.update(changes)

    def close(self):
        self.book.close()


class TimedEngine:
    """An engine that notes how long it takes; in everything else the engine it wraps."""

    def __init__(self, engine):
        self.engine, self.seconds = engine, Counter()

    def __getattr__(self, name):
        return getattr(self.engine, name)

    @contextmanager
    def clock(self, part):
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start

    def open(self, path):
        with self.clock("open"):
            book = self.engine.open(path)
        return TimedWorkbook(self, book)


class Verification(Contender):
    """cellgrad: read the file, recalculate it in an engine, compare every cell."""

    def __init__(self, key, label, does, *, engine="formualizer", most=None, **draws):
        self.key, self.label, self.does, self.most, self.draws = key, label, does, most, draws
        self.engine = TimedEngine(engines.create(engine))
        self.ours = engine == engines.DEFAULT
        self.version = cellgrad.__version__ if self.ours else self.engine.version()

    def run(self, path):
        self.engine.seconds.clear()
        return Verifier(describe(path), self.engine, **self.draws).run()

    def problem(self, result, sheet):
        if result.agrees:
            return None
        first = result.mismatches[0]
        return f"{len(result.mismatches)} disagreements in {sheet.path.name}, the first: {first}"

    def problem_when_forged(self, result, sheet):
        kinds = {mismatch.kind for mismatch in result.mismatches}
        if kinds == {"stored"}:
            return None
        return f"forged stored values in {sheet.path.name} are reported as {kinds or 'agreeing'}"

    def inside(self):
        return dict(self.engine.seconds)

    def close(self):
        self.engine.close()


class EngineAlone(Contender):
    """The default engine without anything of cellgrad's around it."""

    key, label, does = "c", "formualizer alone", "load and evaluate, without anything of cellgrad's"
    ours = True

    def __init__(self):
        self.engine = engines.create(engines.DEFAULT)
        self.version = self.engine.version()

    def run(self, path):
        return self.engine.open(path)

    def values(self, result, sheet):
        with result:
            return [block[0][0] for block in result.read(sheet.cells)]


class Formulas(Contender):
    """The package ``formulas``."""

    key, label, does = "d", "formulas", "load and calculate the whole model"
    most = 5

    def __init__(self):
        os.environ.setdefault("TQDM_DISABLE", "1")  # its progress bars
        import formulas  # noqa: PLC0415 - not everybody has it

        self.library, self.version = formulas, metadata.version("formulas")

    def run(self, path):
        return self.library.ExcelModel().loads(str(path)).finish().calculate()

    def values(self, result, sheet):
        found = {str(name).upper(): ranges for name, ranges in result.items()}
        names = [f"'[{sheet.path.name}]{area.sheet}'!{cell_name(area)}" for area in sheet.cells]
        return [float(found[name.upper()].value[0, 0]) for name in names]


class Pycel(Contender):
    """The package ``pycel``."""

    key, label, does = "e", "pycel", "load, ask for every formula cell, recalculate them"
    most = 5

    def __init__(self):
        import pycel  # noqa: PLC0415 - not everybody has it

        self.library, self.version = pycel, metadata.version("pycel")

    def run(self, path):
        compiler = self.library.ExcelCompiler(filename=str(path))
        for cell in compiler.formula_cells():
            compiler.evaluate(cell)  # the first time it answers with the stored value
        compiler.recalculate()
        return compiler

    def values(self, result, sheet):
        return [result.evaluate(f"{area.sheet}!{cell_name(area)}") for area in sheet.cells]


def cell_name(area):
    """Return a cell's address without its sheet."""
    return str(area).rpartition("!")[2]


def contenders():
    """Yield every contender, or one line that says why it is left out."""
    makers = (
        lambda: Verification(
            "a", "cellgrad verify",
            f"read, recalculate, compare every cell; {DRAWS} redraws, compared too",
        ),
        lambda: Verification(
            "b", "cellgrad, no redraws", "read, recalculate, compare every cell",
            draws=0, max_draws=0,
        ),
        EngineAlone,
        Formulas,
        Pycel,
        lambda: Verification(
            "f", "LibreOffice", "as b, with a running LibreOffice for an engine",
            engine="libreoffice", most=10, draws=0, max_draws=0,
        ),
    )  # fmt: skip
    for make in makers:
        try:
            yield make()
        except EngineMissingError as error:
            yield f"left out: {error.line()}"
        except ImportError as error:
            yield f"left out: {error.name} is not installed: pip install {error.name}"


# measuring


@dataclass
class Record:
    """What was measured of one contender.

    Attributes:
        contender: whom.
        sheets: the workbooks it is given, by number.
        runs: seconds of every run, by the workbook's number.
        inside: seconds in the engine over all runs, part by part.
        wrong: results that differ from the MLP's.
        failed: workbooks that it could not compute, and why.
    """

    contender: Contender
    sheets: frozenset[int]
    runs: dict[int, list[float]] = field(default_factory=dict)
    inside: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def by_workbook(self):
        """The median seconds of each workbook."""
        return {number: statistics.median(runs) for number, runs in self.runs.items()}

    @property
    def median(self):
        """The median over the workbooks' medians, in seconds."""
        return statistics.median(self.by_workbook.values())

    @property
    def all_runs(self):
        """The seconds of every run."""
        return [seconds for runs in self.runs.values() for seconds in runs]

    def ratio(self, base):
        """Return this contender's median by the base's, over the same workbooks."""
        ours = base.by_workbook
        both = [number for number in self.runs if number in ours]
        if not both:
            return None
        theirs = self.by_workbook
        return statistics.median(theirs[n] for n in both) / statistics.median(ours[n] for n in both)


@dataclass
class Outcome:
    """A whole run of the benchmark.

    Attributes:
        workbooks: how many were made.
        repeats: how often each was timed.
        formulas: how many formulas each holds.
        size: how many bytes each has.
        records: what was measured.
        left_out: one line for every contender that is not installed.
    """

    workbooks: int
    repeats: int
    formulas: int
    size: int
    records: list[Record] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def base(self):
        """The record that all others are set in relation to."""
        return next(record for record in self.records if record.contender.key == BASE)

    @property
    def broken(self):
        """Whether somebody computed another value, or cellgrad failed."""
        return any(
            record.wrong or (record.contender.ours and record.failed) for record in self.records
        )


def spread(count, most):
    """Return at most so many of the numbers below ``count``, evenly spread."""
    if most is None or count <= most:
        return frozenset(range(count))
    return frozenset(n * count // most for n in range(most))


def timed(action, *arguments):
    """Return the result of a call and its seconds."""
    if gc.get_count()[0] > LITTER:
        gc.collect()
    start = time.perf_counter()
    result = action(*arguments)
    return result, time.perf_counter() - start


@contextmanager
def no_garbage_collection():
    """Leave it to ``timed`` when garbage is collected."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def attempt(record, sheet, judge):
    """Run a contender once; return its seconds, or None if it failed."""
    try:
        result, seconds = timed(record.contender.run, sheet.path)
        problem = judge(result, sheet)
    except Exception as error:  # noqa: BLE001 - whatever a peer throws is its result
        line = " ".join(str(error).split()) or "no message"
        record.failed[sheet.path.name] = f"{type(error).__name__}: {line}"
        return None
    if problem:
        record.wrong.append(problem)
    return seconds


def warm_up(records, sheet, fake, advance):
    """Let everybody compute a workbook whose stored values are wrong, and a whole one."""
    for record in records:
        attempt(record, fake, record.contender.problem_when_forged)
        attempt(record, sheet, record.contender.problem)
        advance()
    gc.collect()
    gc.freeze()  # what is loaded by now need not be looked through again and again


def measure(records, sheets, repeats, advance):
    """Time every contender on its workbooks, in turns."""
    turn = 0
    for _ in range(repeats):
        for number, sheet in enumerate(sheets):
            turn += 1
            shift = turn % len(records)
            for record in (*records[shift:], *records[:shift]):
                if number not in record.sheets:
                    continue
                seconds = attempt(record, sheet, record.contender.problem)
                if seconds is not None:
                    record.runs.setdefault(number, []).append(seconds)
                    record.inside.update(record.contender.inside())
            advance()


# telling


def table_of(outcome):
    """Return the table of medians."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("contender")
    table.add_column("version")
    table.add_column("workbooks", justify="right")
    table.add_column("median ms (min–max)", justify="right")
    table.add_column(f"ratio to {BASE}", justify="right")
    for record in outcome.records:
        contender = record.contender
        count = f"{len(record.runs)}"
        if len(record.runs) < len(record.sheets):
            count += f" of {len(record.sheets)}"
        ratio = record.ratio(outcome.base) if record.runs else None
        table.add_row(
            contender.key, contender.label, contender.version, count, milliseconds(record),
            "–" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}",
        )  # fmt: skip
    return table


def milliseconds(record):
    """Return the median and the range as a person reads them."""
    if not record.runs:
        return "failed"
    figures = (record.median, min(record.all_runs), max(record.all_runs))
    digits = 0 if record.median >= 0.1 else 1
    median, least, most = (f"{1000 * seconds:,.{digits}f}" for seconds in figures)
    return f"{median} ({least}–{most})"


def shares_of(record):
    """Return the engine's share of a contender's time, whole and part by part."""
    whole = sum(record.all_runs)
    return {part: record.inside[part] / whole for part in PARTS if record.inside[part]}


def share_line(record):
    """Return the engine's share as a sentence."""
    shares = shares_of(record)
    parts = ", ".join(f"{PARTS[part]} {share:.0%}" for part, share in shares.items())
    return f"{record.contender.key}: {sum(shares.values()):.0%} ({parts})"


def machine():
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def tell(console, outcome):
    """Print everything that was measured."""
    console.print(
        f"Workbooks: {outcome.workbooks}, of the case {CASE}, each with givens of its own; "
        f"{outcome.formulas} formulas, {outcome.size / 1024:.0f} KiB. Every one was timed "
        f"{outcome.repeats}×, the contenders in turns after a warm-up. Slow contenders get fewer "
        "of the same workbooks; a ratio is taken over the workbooks that both had.\n"
    )
    console.print(table_of(outcome))
    console.print()
    for record in outcome.records:
        console.print(f"{record.contender.key}: {escape(record.contender.does)}")
    for line in outcome.left_out:
        console.print(escape(line), style="yellow")
    tell_shares(console, [record for record in outcome.records if record.inside])
    facts = machine()
    console.print(f"\n{facts['cores']} cores, {facts['python']}, {facts['system']}")
    tell_faults(console, outcome.records)


def tell_shares(console, records):
    """Print how much of the time is the engine's own."""
    if records:
        console.print("\nThe engine's own share of the time:", style="bold")
    for record in records:
        console.print(share_line(record))


def tell_faults(console, records):
    """Print who failed, and who computed something else."""
    for record in records:
        label = record.contender.label
        if record.failed:
            path, why = next(iter(record.failed.items()))
            console.print(
                f"{escape(label)} FAILED to compute {len(record.failed)} workbooks, first {path}: "
                f"{escape(why[:300])}", style="bold yellow",
            )  # fmt: skip
        if record.wrong:
            console.print(
                f"{escape(label)} is WRONG {len(record.wrong)} times, first: "
                f"{escape(record.wrong[0][:500])}", style="bold red",
            )  # fmt: skip


def as_json(outcome):
    """Return everything that was measured as one object."""
    return {
        "case": CASE,
        "workbooks": outcome.workbooks,
        "repeats": outcome.repeats,
        "formulas": outcome.formulas,
        "bytes": outcome.size,
        "machine": machine(),
        "left_out": outcome.left_out,
        "contenders": [record_as_json(record, outcome.base) for record in outcome.records],
    }


def record_as_json(record, base):
    """Return what was measured of one contender."""
    contender = record.contender
    found = {
        "key": contender.key,
        "contender": contender.label,
        "version": contender.version,
        "does": contender.does,
        "workbooks": len(record.runs),
        "wrong": record.wrong,
        "failed": record.failed,
    }
    if record.runs:
        found |= {
            "median_ms": 1000 * record.median,
            "min_ms": 1000 * min(record.all_runs),
            "max_ms": 1000 * max(record.all_runs),
            "ratio": record.ratio(base),
            "engine_share": shares_of(record),
            "medians_ms": {n: 1000 * s for n, s in sorted(record.by_workbook.items())},
        }
    return found


# the program


def arguments(given):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workbooks", type=positive, default=100, metavar="N",
                        help="how many workbooks to make (default %(default)s)")  # fmt: skip
    parser.add_argument("--repeats", type=positive, default=3, metavar="K",
                        help="how often each is timed (default %(default)s)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(given)


def positive(text):
    """Return a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def make_workbooks(folder, count, bar):
    """Make the workbooks to be timed, and one more for warming up."""
    task = bar.add_task("making workbooks", total=count + 1)
    sheets = []
    for number in range(count + 1):
        sheets.append(make_workbook(folder, number))
        bar.advance(task)
    return sheets[:-1], sheets[-1]


def compete(folder, options, bar, stack):
    """Make the workbooks and time everybody."""
    sheets, spare = make_workbooks(folder, options.workbooks, bar)
    outcome = Outcome(
        len(sheets), options.repeats, formulas_in(spare.path), spare.path.stat().st_size
    )
    for contender in contenders():
        if isinstance(contender, str):
            outcome.left_out.append(contender)
            continue
        stack.callback(contender.close)
        outcome.records.append(Record(contender, spread(len(sheets), contender.most)))
    task = bar.add_task("warming up", total=len(outcome.records))
    warm_up(outcome.records, spare, forged(spare), lambda: bar.advance(task))
    task = bar.add_task("measuring", total=len(sheets) * options.repeats)
    measure(outcome.records, sheets, options.repeats, lambda: bar.advance(task))
    return outcome


def main(given=None):
    """Run the benchmark; return the exit code."""
    options = arguments(given)
    status = Console(stderr=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cellgrad-bench-")))
        bar = stack.enter_context(
            Progress(console=status, transient=True, disable=not status.is_terminal)
        )
        stack.enter_context(no_garbage_collection())
        outcome = compete(folder, options, bar, stack)
    tell(Console(highlight=False), outcome)
    if options.json:
        write_atomically(options.json, json.dumps(as_json(outcome), indent=1).encode())
    return int(outcome.broken)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        Console(stderr=True, highlight=False).print(error.line(), markup=False)
        sys.exit(2)
