"""Audits of every kind, made by hand."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import openpyxl

from cases_asked import probe
from cellgrad.case.model import Case, Network, Sample
from cellgrad_audit.answer import Answer, Numbers, Slot
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.diagnose import reference_for
from cellgrad_audit.result import Audit, Diagnosis, Group, Probed, cells_of

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\x00"
AFTER = {"new_weights": "weights", "new_biases": "biases"}
ALLOWED = {"EXP", "LN", "TANH", "SQRT", "MAX", "IF", "AND", "SUM", "SUMPRODUCT", "ABS", "ROUND"}


def variant(entry, name=None):
    return next(v for v in by_id()[entry].variants if name in (None, v.name))


def joined(*chosen):
    return type("Both", tuple(v.program for v in chosen), {})


def numbers(values, half=0.0):
    values = np.array(values, dtype=np.float64)
    return Numbers(values, np.full(values.shape, half))


def answered(program, case, *, trace=False):
    """Return what a target that runs this program would say."""
    answer = Answer(case, seconds=0.01)
    with np.errstate(all="ignore"):
        record = program(case).run()
    if trace:
        for number, step in zip(record.numbers, record.steps, strict=True):
            for (name, layer), values in step.items():
                answer.numbers[Slot(number, AFTER.get(name, name), layer)] = numbers(values)
    for k, layer in enumerate(record.weights):
        answer.numbers[Slot(0, "weights", k)] = numbers(layer)
    for k, layer in enumerate(record.biases or []):
        answer.numbers[Slot(0, "biases", k)] = numbers(layer)
    return answer


def probed(answer):
    reference = reference_for([answer], [], 0.0)
    cells = cells_of(answer, reference, 0, "float64")
    agrees = all(cell.agrees for cell in cells)
    identical = all(cell.found == cell.right for cell in cells)
    return Probed(answer.case, answer, "agrees" if agrees else "differs", cells, identical)


def diagnosis(chosen, cells, **more):
    entries = tuple(by_id()[v.entry] for v in chosen)
    return Diagnosis(tuple(chosen), entries, joined(*chosen), cells, cells, "FE (Eq. 5)", **more)


def audit_of(*chosen, cases=("probe-plain",), trace=False, target="module:function", **more):
    """Return the audit of a target that makes these mistakes, or none."""
    program = joined(*chosen) if chosen else Program
    found = [probed(answered(program, probe(name), trace=trace)) for name in cases]
    count = sum(len(p.cells) for p in found)
    wrong = [cell for p in found for cell in p.cells if not cell.agrees]
    verdict = "known_bug" if chosen else "bit_identical"
    told = [diagnosis(chosen, count, **more)] if chosen else []
    return Audit(target, verdict, found, told, first_divergence=wrong[0] if wrong else None)


UPDATED = variant("updated-output-weights")
NO_INPUT, NO_RATE = variant("no-input-factor"), variant("learning-rate-missing", "")


def printed_audit():
    """Return an audit of printed numbers that mix three explanations."""
    case = probe("probe-plain")
    right, wrong = Program(case).run(), UPDATED.program(case).run()
    answer = Answer(case)
    answer.numbers[Slot(1, "error", None)] = numbers(
        round(float(right.steps[0]["error", None]), 9), 5e-10
    )
    answer.numbers[Slot(1, "weights", 0)] = numbers(
        np.round(wrong.steps[0]["new_weights", 0], 9), 5e-10
    )
    answer.numbers[Slot(3, "error", None)] = numbers(0.123456, 5e-7)
    one = probed(answer)
    error, *weights, last = one.cells
    told = replace(diagnosis([UPDATED], len(one.cells)), explained=len(weights))
    groups = [
        Group(None, right=True, cells=(error,)),
        Group(told, right=False, cells=tuple(weights)),
        Group(None, right=False, cells=(last,)),
    ]
    return Audit("printed.json", "unknown_difference", [one], [told], groups, weights[0])


def silent(name, **said):
    case = probe(name)
    status = "failed" if "failure" in said else "unsupported"
    return Probed(case, Answer(case, **said), status)


def refused_audit():
    found = [
        silent("probe-batch", failure=f"probe-batch: {HOSTILE}\nagain"),
        silent("probe-relu", unsupported="no ReLU"),
    ]
    return Audit(HOSTILE, "inconclusive", found, not_exercised=["momentum"])


def endless_audit():
    """Return an audit of a target that answers with infinite numbers."""
    case = probe("probe-plain")
    answer = answered(Program, case)
    answer.numbers[Slot(0, "weights", 0)].values[0, 0] = math.inf
    answer.numbers[Slot(0, "weights", 0)].values[0, 1] = 1e308
    one = probed(answer)
    return Audit(
        "m:f",
        "unknown_difference",
        [one],
        first_divergence=next(c for c in one.cells if not c.agrees),
    )


def own_case_audit():
    case = Case(
        "mine",
        HOSTILE,
        Network((1, 1), ("identity",), (((0.5,),),)),
        "half_squared_error",
        (Sample((2.0,), (0.25,)),),
    )
    return Audit(HOSTILE, "bit_identical", [probed(answered(Program, case))])


def short_audit(*chosen, case="probe-plain", **changes):
    """Return the audit of one case with some of its attributes changed."""
    return replace_(audit_of(*chosen, cases=(case,)), **changes)


def half_failed_audit():
    audit = audit_of(UPDATED)
    return replace_(
        audit, probes=[*audit.probes, silent("probe-batch", failure="probe-batch: no output")]
    )


AUDITS = {
    "right": audit_of,
    "right within a tolerance": lambda: short_audit(tolerance=0.001),
    "within bounds in single precision": lambda: short_audit(
        verdict="within_bound", precision="float32"
    ),
    "a mistake": lambda: audit_of(UPDATED, cases=("probe-plain", "probe-one-output")),
    "a mistake and a trace": lambda: audit_of(UPDATED, trace=True),
    "a mistake with a tie": lambda: audit_of(
        UPDATED, ties=("error-flipped", "a + b"), told_by="a trace of FE"
    ),
    "two mistakes": lambda: audit_of(NO_INPUT, NO_RATE),
    "an alternative formula": lambda: short_audit(
        variant("logistic-through-tanh"), case="probe-saturated", verdict="alternative_formula"
    ),
    "a convention": lambda: short_audit(
        variant("bias-frozen", ""), case="probe-one-output", verdict="convention"
    ),
    "nothing explains it": lambda: short_audit(
        UPDATED, verdict="unknown_difference", diagnoses=[], notes=["weights move twice as far"]
    ),
    "printed numbers": printed_audit,
    "no case could be run": refused_audit,
    "one case failed": half_failed_audit,
    "infinite numbers": endless_audit,
    "a case of one's own": own_case_audit,
    "half precision, which no formula has": lambda: audit_of(
        variant("low-precision", "every value to float16")
    ),
    "nothing asked": lambda: Audit("m:f", "inconclusive"),
}


def replace_(audit, **changes):
    for name, value in changes.items():
        setattr(audit, name, value)
    return audit


class Made(dict):
    """Makes what is asked for, once."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, name):
        self[name] = self.make(name)
        return self[name]


def opened(data, *, values=True):
    return openpyxl.load_workbook(io.BytesIO(data), data_only=values)
