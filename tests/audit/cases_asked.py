"""Cases, right answers and badly formed ones, for whatever reads or runs an implementation."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from cellgrad.case.model import Sample, case_document, read_case
from cellgrad.mlp import training_run
from cellgrad.report.trace import trace_document
from cellgrad_audit.probes import probes

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of POSIX")


@cache
def probe(name="probe-online"):
    return next(case for case in probes() if case.id == name)


@cache
def small():
    """Return a case of three samples in batches of two: the last update covers one."""
    case = read_case(ROOT / "reference" / "cases" / "by-hand-relu-2-2-1.json")
    more = (*case.samples, Sample((0.5, -0.25), (0.75,)), Sample((-1.0, 0.375), (0.125,)))
    return replace(case, samples=more, update="batch_mean", batch_size=2, epochs=2)


@cache
def _trace_text(case):
    return json.dumps(trace_document(case, list(training_run(case))))


def trace(case):
    """Return the trace of the right program, fresh."""
    return json.loads(_trace_text(case))


def unmoved(case):
    """Return a well-formed answer: the weights as they were given."""
    network = case_document(case)["network"]
    return {
        "schema": "cellgrad-trace/1",
        "weights": network["weights"],
        "biases": network["biases"],
    }


def is_one_line(text, case):
    assert text.startswith(f"{case.id}: "), text
    assert text.isprintable(), text
    assert len(text) < 600
    assert "Traceback" not in text
    return True


NETWORK = b'{"network": {"weights": 0, "biases": 0}}'
"""As little as the programs' first lines need."""


def still_running(mark):
    """Return the processes whose arguments hold a mark, those that are dead already aside."""
    if not Path("/proc").is_dir():
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, check=True)
        return [line for line in listed.stdout.decode().splitlines() if mark in line]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in words:
            found.append((folder.name, words))
    return found


def nothing_left(mark):
    """Tell whether everything with a mark is gone; the killed need a moment to go."""
    for _ in range(100):
        if not still_running(mark):
            return True
        time.sleep(0.01)
    return False


def filled(case, spell=float.hex):
    """Return the rows of a filled table: the weights as they were given."""
    rows = [("quantity", "index", "value")]
    for k, layer in enumerate(case.network.weights):
        for i, row in enumerate(layer):
            rows += [("weights", f"[{k}][{i}][{j}]", spell(w)) for j, w in enumerate(row)]
    for k, layer in enumerate(case.network.biases or ()):
        rows += [("biases", f"[{k}][{j}]", spell(b)) for j, b in enumerate(layer)]
    return rows


def saved(rows, separator=",", end="\n", **options):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end, **options).writerows(rows)
    return text.getvalue()
