"""How long one update takes: the series' style of program, libraries, cellgrad's kernels, C.

All train the series' network (3-4-1, logistic, half squared error, LR 1, no biases, one
update a sample) on the same samples in the same order. They take turns, the first one
moving on each time, so that a busy moment of the machine falls on all of them alike; the
slow ones get fewer samples, and everything is told per update. Start-up, imports and
compiling are not timed.

Nothing here fails for being slow. The exit code is 1 when those that follow the order of
evaluation of reference/equations.md do not end with the same weights to the last bit.

    python tools/benchmarks/training.py [--samples N] [--turns K] [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

import cellgrad
from cellgrad.case.model import Case, Network, Sample
from cellgrad.errors import InputError
from cellgrad.files import write_atomically
from cellgrad_series.kernels import Training

INPUTS, HIDDEN = 3, 4
STYLE, C = "a", "h"
"""The contenders that the others are set in relation to."""

SLOWEST = 500
"""Samples for those that take a good part of a millisecond each."""

LEAST_A_TURN = 0.01
"""Seconds that a turn lasts at least: a fast one runs several times."""

C_SOURCE = r"""
#include <math.h>

enum { INPUTS = 3, HIDDEN = 4 };

static double logistic(double x) { return 1 / (1 + exp(-x)); }

/* One update a sample. to_hidden[i][h], to_output[h]; errors receives E before each. */
void train(long samples, const double *inputs, const double *targets, double rate,
           double *restrict to_hidden, double *restrict to_output, double *restrict errors)
{
    for (long s = 0; s < samples; s++) {
        const double *x = inputs + s * INPUTS;
        double a[HIDDEN], sum, y, error, signal;
        for (int h = 0; h < HIDDEN; h++) {
            sum = x[0] * to_hidden[h];
            for (int i = 1; i < INPUTS; i++)
                sum += x[i] * to_hidden[i * HIDDEN + h];
            a[h] = logistic(sum);
        }
        sum = a[0] * to_output[0];
        for (int h = 1; h < HIDDEN; h++)
            sum += a[h] * to_output[h];
        y = logistic(sum);
        error = y - targets[s];
        errors[s] = 0.5 * (error * error);
        signal = error * (y * (1 - y));
        for (int h = 0; h < HIDDEN; h++) {
            double below = signal * to_output[h] * (a[h] * (1 - a[h]));
            to_output[h] -= rate * (signal * a[h]);
            for (int i = 0; i < INPUTS; i++)
                to_hidden[i * HIDDEN + h] -= rate * (below * x[i]);
        }
    }
}
"""


# what is trained


@dataclass(frozen=True)
class Task:
    """The samples and the first weights.

    Attributes:
        inputs: shape (samples, 3).
        targets: shape (samples,).
        to_hidden: shape (3, 4).
        to_output: shape (4,).
    """

    inputs: np.ndarray
    targets: np.ndarray
    to_hidden: np.ndarray
    to_output: np.ndarray

    def first(self, count):
        """Return the same with the first samples only."""
        return Task(self.inputs[:count], self.targets[:count], self.to_hidden, self.to_output)

    def case(self):
        """Return it as a case."""
        network = Network(
            (INPUTS, HIDDEN, 1),
            ("logistic", "logistic"),
            (
                tuple(map(tuple, self.to_hidden.tolist())),
                tuple((w,) for w in self.to_output.tolist()),
            ),
        )
        samples = tuple(
            Sample(tuple(x), (t,))
            for x, t in zip(self.inputs.tolist(), self.targets.tolist(), strict=True)
        )
        return Case("benchmark", "the series' network", network, "half_squared_error", samples)


def make_task(count):
    """Return samples of a plane that cuts the cube of inputs, and weights between −1 and 1."""
    rng = random.Random("benchmark")
    inputs = np.array([[rng.uniform(0, 1) for _ in range(INPUTS)] for _ in range(count)])
    targets = np.where(inputs[:, 0] + inputs[:, 1] > inputs[:, 2] + 0.5, 1.0, 0.0)
    to_hidden = np.array([[rng.uniform(-1, 1) for _ in range(HIDDEN)] for _ in range(INPUTS)])
    to_output = np.array([rng.uniform(-1, 1) for _ in range(HIDDEN)])
    return Task(inputs, targets, to_hidden, to_output)


# the contenders


class Contender:
    """Somebody who trains.

    Attributes:
        key: its letter in the table.
        label: its name in the table.
        does: how it works, in half a sentence.
        exact: whether it must end with the same bits.
        most: samples that it gets at most; None for all.
    """

    key = label = does = version = ""
    exact = False
    most = None

    def prepare(self, task):
        """Return whatever ``train`` needs; not timed."""
        raise NotImplementedError

    def train(self, prepared):
        """Make one update a sample; this is timed."""
        raise NotImplementedError

    def weights(self, prepared):
        """Return the weights after it: to hidden (3, 4), to output (4,); None if not ours."""
        raise NotImplementedError


class SeriesStyle(Contender):
    """Nested loops over the elements of NumPy arrays, as in a first program."""

    does = "nested Python loops over the elements of NumPy arrays"
    version = f"NumPy {np.__version__}"

    def __init__(self, key, exp):
        # NumPy's exp, which such a program calls, has other last bits than the platform's
        # on some processors; with the platform's the rest of it must be the same bits
        self.key, self.exp, self.exact = key, exp, exp is math.exp
        name = "math.exp" if self.exact else "np.exp"
        self.label, self.does = f"series' style, {name}", f"{self.does}, {name}"

    def prepare(self, task):
        return task, task.to_hidden.copy(), task.to_output.copy()

    def weights(self, prepared):
        return prepared[1:]

    def logistic(self, x):
        return 1.0 / (1 + self.exp(-x))

    def slope(self, x):
        return self.logistic(x) * (1 - self.logistic(x))

    def train(self, prepared):
        task, to_hidden, to_output = prepared
        logistic, slope, rate = self.logistic, self.slope, 1.0
        inputs, targets = task.inputs, task.targets
        before, after = np.zeros(HIDDEN), np.zeros(HIDDEN)
        for sample in range(len(inputs)):
            for node in range(HIDDEN):
                before[node] = 0
                for i in range(INPUTS):
                    before[node] += inputs[sample, i] * to_hidden[i, node]
                after[node] = logistic(before[node])
            total = 0
            for node in range(HIDDEN):
                total += after[node] * to_output[node]
            error = logistic(total) - targets[sample]
            for node in range(HIDDEN):
                signal = error * slope(total)
                gradient = signal * after[node]
                for i in range(INPUTS):  # before the output weight moves
                    hidden_gradient = (
                        signal * to_output[node] * slope(before[node]) * inputs[sample, i]
                    )
                    to_hidden[i, node] -= rate * hidden_gradient
                to_output[node] -= rate * gradient


class NumPyVectors(Contender):
    """One matrix product a layer and sample."""

    key, label = "e", "NumPy, vectorised"
    does = "matrix products, one sample at a time"
    version = np.__version__

    def prepare(self, task):
        return task, task.to_hidden.copy(), task.to_output.copy()

    def weights(self, prepared):
        return prepared[1:]

    def train(self, prepared):
        task, to_hidden, to_output = prepared
        for x, t in zip(task.inputs, task.targets, strict=True):
            a = 1 / (1 + np.exp(-(x @ to_hidden)))
            y = 1 / (1 + math.exp(-(a @ to_output)))
            signal = (y - t) * (y * (1 - y))
            below = signal * to_output * (a * (1 - a))
            to_output -= signal * a
            to_hidden -= x[:, None] * below


class PyTorch(Contender):
    """Automatic derivatives and its SGD."""

    key, label, does = "c", "PyTorch", "autograd and torch.optim.SGD, one sample a step"
    most = SLOWEST

    def __init__(self):
        import torch  # noqa: PLC0415 - not everybody has it

        torch.set_num_threads(1)  # threads only cost time here
        self.torch, self.version = torch, torch.__version__

    def prepare(self, task):
        torch = self.torch
        model = torch.nn.Sequential(
            torch.nn.Linear(INPUTS, HIDDEN, bias=False, dtype=torch.float64),
            torch.nn.Sigmoid(),
            torch.nn.Linear(HIDDEN, 1, bias=False, dtype=torch.float64),
            torch.nn.Sigmoid(),
        )
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor(task.to_hidden.T.copy()))
            model[2].weight.copy_(torch.tensor(task.to_output[None]))
        return model, torch.tensor(task.inputs), torch.tensor(task.targets)

    def train(self, prepared):
        model, inputs, targets = prepared
        optimizer = self.torch.optim.SGD(model.parameters(), lr=1.0)
        for x, t in zip(inputs, targets, strict=True):
            optimizer.zero_grad()
            loss = 0.5 * ((model(x) - t) ** 2).sum()
            loss.backward()
            optimizer.step()

    def weights(self, prepared):
        model = prepared[0]
        return model[0].weight.detach().numpy().T, model[2].weight.detach().numpy()[0]


class ScikitLearn(Contender):
    """MLPRegressor; it has biases and an identity output, so its weights are its own."""

    key, label = "d", "scikit-learn"
    does = "MLPRegressor.partial_fit, one sample a call; with biases, identity output"
    most = SLOWEST

    def __init__(self):
        from sklearn.neural_network import MLPRegressor  # noqa: PLC0415 - not everybody has it

        self.kind, self.version = MLPRegressor, metadata.version("scikit-learn")

    def prepare(self, task):
        model = self.kind(
            hidden_layer_sizes=(HIDDEN,), activation="logistic", solver="sgd", alpha=0,
            batch_size=1, learning_rate_init=0.1, momentum=0, nesterovs_momentum=False,
            random_state=0,
        )  # fmt: skip
        model.partial_fit(task.inputs[:1], task.targets[:1])  # it lays out its arrays
        return model, task

    def train(self, prepared):
        model, task = prepared
        for s in range(len(task.inputs)):
            model.partial_fit(task.inputs[s : s + 1], task.targets[s : s + 1])

    def weights(self, prepared):
        return None


class Kernel(Contender):
    """cellgrad's own."""

    exact = True
    version = cellgrad.__version__

    def __init__(self, key, name, does):
        self.key, self.label, self.does, self.name = key, f"cellgrad, {name}", does, name
        if name == "compiled":
            Training(make_task(1).case(), name)  # is numba there?
            self.version += f", numba {metadata.version('numba')}"

    def prepare(self, task):
        return Training(task.case(), self.name)

    def train(self, prepared):
        prepared.run_epoch()

    def weights(self, prepared):
        to_hidden, to_output = prepared.weights
        return to_hidden, to_output[:, 0]


class CLoop(Contender):
    """The same in C."""

    key, label = C, "C"
    does = "loops in C, compiled here with -O3 -ffp-contract=off"
    exact = True

    def __init__(self, folder):
        names = (os.environ.get("CC"), "cc", "gcc", "clang")
        compiler = next((name for name in names if name and shutil.which(name)), None)
        if compiler is None:
            raise InputError("there is no C compiler", remedy="install one, or set CC")
        source, library = folder / "loop.c", folder / "loop.so"
        source.write_text(C_SOURCE)
        command = (
            compiler, "-O3", "-ffp-contract=off", "-shared", "-fPIC", source, "-o", library, "-lm",
        )  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"{compiler} failed: {done.stderr[:200]}")
        told = subprocess.run((compiler, "--version"), capture_output=True, text=True, check=False)
        self.version = (told.stdout.splitlines() or [compiler])[0]
        self.function = ctypes.CDLL(str(library)).train
        pointer = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
        self.function.restype = None
        self.function.argtypes = [
            ctypes.c_long, pointer, pointer, ctypes.c_double, pointer, pointer, pointer,
        ]  # fmt: skip

    def prepare(self, task):
        return task, task.to_hidden.copy(), task.to_output.copy(), np.empty(len(task.inputs))

    def train(self, prepared):
        task, to_hidden, to_output, errors = prepared
        self.function(
            len(task.inputs), task.inputs, task.targets, 1.0, to_hidden, to_output, errors
        )

    def weights(self, prepared):
        return prepared[1:3]


def contenders(folder):
    """Yield every contender, or one line that says why it is left out."""
    makers = (
        lambda: SeriesStyle(STYLE, np.exp),
        lambda: SeriesStyle("b", math.exp),
        PyTorch,
        ScikitLearn,
        NumPyVectors,
        lambda: Kernel("f", "plain", "Python alone, the network written out"),
        lambda: Kernel("g", "compiled", "the same, compiled by numba"),
        lambda: CLoop(folder),
    )
    for make in makers:
        try:
            yield make()
        except InputError as error:
            yield f"left out: {error.line()}"
        except ImportError as error:
            package = (error.name or "").partition(".")[0].replace("sklearn", "scikit-learn")
            yield f"left out: {package} is not installed: pip install {package}"


# measuring


@dataclass
class Record:
    """What was measured of one contender.

    Attributes:
        contender: whom.
        task: what it is given.
        runs: how often it trains in a turn.
        turns: seconds per update, the median of each turn.
        difference: of its weights from the plain kernel's after as many updates, the
            largest; None for another network.
        same: whether they are the same bits.
    """

    contender: Contender
    task: Task
    runs: int = 1
    turns: list[float] = field(default_factory=list)
    difference: float | None = None
    same: bool = False

    @property
    def median(self):
        """Seconds per update."""
        return statistics.median(self.turns)

    @property
    def broken(self):
        """Whether the bits differ where they must not."""
        return self.contender.exact and not self.same


def timed(record):
    """Train once from the start; return the seconds per update and what was trained."""
    prepared = record.contender.prepare(record.task)
    start = time.perf_counter()
    record.contender.train(prepared)
    seconds = time.perf_counter() - start
    return seconds / len(record.task.inputs), prepared


def warm_up(record):
    """Train once, compare the weights, and find out how many runs make a turn."""
    _, prepared = timed(record)
    found = record.contender.weights(prepared)
    if found is not None:
        reference = Training(record.task.case(), "plain")
        reference.run_epoch()
        to_hidden, to_output = reference.weights
        ours = np.concatenate([np.ravel(found[0]), np.ravel(found[1])])
        theirs = np.concatenate([np.ravel(to_hidden), np.ravel(to_output)])
        record.difference = float(np.abs(ours - theirs).max())
        record.same = ours.tobytes() == theirs.tobytes()
    seconds = timed(record)[0] * len(record.task.inputs)
    record.runs = max(1, math.ceil(LEAST_A_TURN / seconds))


def measure(records, turns, advance):
    """Time everybody in turns."""
    for turn in range(turns):
        shift = turn % len(records)
        for record in (*records[shift:], *records[:shift]):
            gc.collect()
            found = [timed(record)[0] for _ in range(record.runs)]
            record.turns.append(statistics.median(found))
            advance()


# telling


def ratio(record, records, key):
    """Return a contender's time by that of the one with the key, or None."""
    base = next((other for other in records if other.contender.key == key), None)
    return None if base is None else record.median / base.median


def shown(number):
    """Return a ratio as a person reads it."""
    if number is None:
        return "–"
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"


def microseconds(*times):
    """Return times to three digits."""
    return "–".join(f"{1e6 * seconds:.3g}" for seconds in times)


def nearness(record):
    """Return how near the weights are."""
    if record.difference is None:
        return "–"
    return "same bits" if record.same else f"± {record.difference:.0e}"


def table_of(records):
    """Return the table of medians."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("contender")
    table.add_column("µs (min–max)", justify="right")
    table.add_column(f"speed, {STYLE} = 1", justify="right")
    table.add_column(f"time, {C} = 1", justify="right")
    table.add_column("weights")
    for record in records:
        style = ratio(record, records, STYLE)
        table.add_row(
            record.contender.key,
            record.contender.label,
            f"{microseconds(record.median)} ({microseconds(min(record.turns), max(record.turns))})",
            shown(1 / style if style else None),
            shown(ratio(record, records, C)),
            nearness(record),
        )
    return table


def machine():
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def tell(console, records, left_out):
    """Print everything that was measured."""
    samples = max(len(record.task.inputs) for record in records)
    console.print(
        f"The series' network 3-4-1 on {samples:,} samples, one update each; medians of "
        f"{len(records[0].turns)} turns. Weights: the last ones, beside those of cellgrad's "
        "plain kernel.\n"
    )
    console.print(table_of(records))
    console.print()
    for record in records:
        contender, count = record.contender, len(record.task.inputs)
        fewer = f"; {count:,} samples only" if count < samples else ""
        line = f"{contender.key}: {contender.does}{fewer} ({contender.version})"
        console.print(escape(line))
    for line in left_out:
        console.print(escape(line), style="yellow")
    facts = machine()
    console.print(f"\n{facts['cores']} cores, {facts['python']}, {facts['system']}")
    for record in records:
        if record.broken:
            console.print(
                f"{escape(record.contender.label)} ends with other bits: the largest "
                f"difference is {record.difference:.3g}", style="bold red",
            )  # fmt: skip


def as_json(records, left_out):
    """Return everything that was measured as one object."""
    return {
        "machine": machine(),
        "left_out": left_out,
        "contenders": [
            {
                "key": record.contender.key,
                "contender": record.contender.label,
                "version": record.contender.version,
                "does": record.contender.does,
                "samples": len(record.task.inputs),
                "median_ns": 1e9 * record.median,
                "turns_ns": [1e9 * seconds for seconds in record.turns],
                "ratio_to_series_style": ratio(record, records, STYLE),
                "ratio_to_c": ratio(record, records, C),
                "same_bits": record.same,
                "difference": record.difference,
            }
            for record in records
        ],
    }


# the program


def arguments(given):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=positive, default=5_000, metavar="N",
                        help="how many samples (default %(default)s)")  # fmt: skip
    parser.add_argument("--turns", type=positive, default=15, metavar="K",
                        help="how many turns each takes (default %(default)s)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(given)


def positive(text):
    """Return a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def compete(folder, options, bar):
    """Time everybody; return the records and who was left out."""
    task, records, left_out = make_task(options.samples), [], []
    for contender in contenders(folder):
        if isinstance(contender, str):
            left_out.append(contender)
        else:
            records.append(Record(contender, task.first(contender.most)))
    step = bar.add_task("warming up", total=len(records))
    for record in tuple(records):
        try:
            warm_up(record)
        except Exception as error:
            if record.contender.exact:
                raise
            # whatever a library throws is its result
            records.remove(record)
            left_out.append(f"left out: {record.contender.label} failed: {error}")
        bar.advance(step)
    step = bar.add_task("measuring", total=len(records) * options.turns)
    gc.freeze()  # what is loaded by now need not be looked through again and again
    gc.disable()  # but for the moments between the turns
    measure(records, options.turns, lambda: bar.advance(step))
    gc.enable()
    return records, left_out


def main(given=None):
    """Run the benchmark; return the exit code."""
    options = arguments(given)
    status = Console(stderr=True)
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="cellgrad-bench-", ignore_cleanup_errors=True)
        )
        bar = stack.enter_context(
            Progress(console=status, transient=True, disable=not status.is_terminal)
        )
        records, left_out = compete(Path(folder), options, bar)
    tell(Console(highlight=False), records, left_out)
    if options.json:
        found = as_json(records, left_out)
        write_atomically(options.json, json.dumps(found, indent=1).encode())
    return int(any(record.broken for record in records))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        Console(stderr=True, highlight=False).print(error.line(), markup=False)
        sys.exit(2)
