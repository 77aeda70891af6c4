"""The answer of ``cellgrad audit`` as one JSON object (reference/schema/audit.schema.json)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from cellgrad import __version__
from cellgrad.errors import printable
from cellgrad_audit.report import (
    counts,
    first_divergence_of,
    group_words,
    mistakes,
    one_line,
    origin_of,
    share,
    verdict_sentence,
    why,
)
from cellgrad_audit.result import (
    AGREES,
    DIFFERS,
    FAILED,
    UNSUPPORTED,
    Audit,
    Cell,
    Diagnosis,
    Group,
    Probed,
)

SCHEMA = "cellgrad-audit/1"

LISTED = 200
"""So many wrong numbers of a case, and so many numbers of a group, are listed."""


def document(audit: Audit) -> dict[str, Any]:
    """Return an audit as Python's form of JSON; no number in it is infinite or NaN."""
    first = first_divergence_of(audit)
    return {
        "schema": SCHEMA,
        "target": printable(audit.target),
        "verdict": audit.verdict,
        "exit_code": audit.code(),
        "summary": one_line(verdict_sentence(audit)),
        "diagnoses": [_diagnosis(d) for d in audit.diagnoses],
        "groups": [_group(g) for g in audit.groups],
        "first_divergence": None if first is None else _cell(first[1], first[0]),
        "probes": [_probe(p, audit) for p in audit.probes],
        "not_exercised": list(audit.not_exercised),
        "unseen": list(audit.unseen),
        "precision": audit.precision,
        "declared": list(audit.declared),
        "tolerance": audit.tolerance,
        "notes": [one_line(note) for note in audit.notes],
        "command": printable(audit.command),
    }


def _diagnosis(diagnosis: Diagnosis) -> dict[str, Any]:
    entries = diagnosis.entries
    return {
        "bug": entries[0].id,
        "bugs": [entry.id for entry in entries],
        "title": "; ".join(entry.title for entry in entries),
        "where": diagnosis.where,
        "wrong": "; ".join(entry.wrong for entry in entries),
        "right": "; ".join(entry.right for entry in entries),
        "explains": {"numbers": diagnosis.explained, "of": diagnosis.asked},
        "mistakes": [
            {
                "bug": entry.id,
                "variant": variant.name,
                "kind": entry.kind,
                "title": entry.title,
                "wrong": entry.wrong,
                "right": entry.right,
                "why": entry.why,
                "fix": entry.fix,
                "seen": [{"what": seen.what, "url": seen.url} for seen in entry.seen],
            }
            for entry, variant in mistakes(diagnosis)
        ],
        "ties": list(diagnosis.ties),
        "told_by": diagnosis.told_by,
    }


def _group(group: Group) -> dict[str, Any]:
    diagnosis = group.diagnosis
    return {
        "explanation": group_words(group),
        "right": group.right,
        "bugs": [] if diagnosis is None else [entry.id for entry in diagnosis.entries],
        "numbers": len(group.cells),
        "cells": [_cell(cell) for cell in group.cells[:LISTED]],
    }


def _probe(probed: Probed, audit: Audit) -> dict[str, Any]:
    counted, where = counts(probed), origin_of(probed.case, audit.declared)
    wrong = [cell for cell in probed.cells if not cell.agrees]
    return {
        "id": probed.case.id,
        "title": printable(probed.case.title),
        "status": probed.status,
        "why": why(probed),
        "cells": counted.cells,
        "agree": counted.agree,
        "same_bits": counted.same,
        "identical": probed.identical,
        "worst": None
        if counted.worst is None
        else {"share_of_bound": _number(counted.worst), "cell": counted.where},
        "differing": [_cell(cell) for cell in wrong[:LISTED]],
        "seconds": round(probed.answer.seconds, 6),
        "file": where.file or None,
        "sha256": where.sha256,
    }


def _cell(cell: Cell, probed: Probed | None = None) -> dict[str, Any]:
    entry = {
        "label": cell.label,
        "equation": cell.equation,
        "step": cell.slot.step,
        "quantity": cell.slot.name,
        "layer": cell.slot.layer,
        "index": list(cell.index),
        "found": _number(cell.found),
        "right": _number(cell.right),
        "bound": _number(cell.bound),
        "digits": round(cell.digits, 2),
        "share_of_bound": _number(share(cell)),
    }
    return entry if probed is None else {"probe": probed.case.id, **entry}


def _number(value: float) -> float | str:
    """Return a number that JSON has; a word for one that it does not."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


CERTIFICATE_SCHEMA = "cellgrad-certificate/1"


def certificate(audit: Audit) -> dict[str, Any]:
    """Return the certificate of an audit as Python's form of JSON, dated now."""
    counted = [counts(probed) for probed in audit.probes]
    return {
        "schema": CERTIFICATE_SCHEMA,
        "tool": {"name": "cellgrad", "version": __version__},
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "target": printable(audit.target),
        "verdict": audit.verdict,
        "summary": one_line(verdict_sentence(audit)),
        "exit_code": audit.code(),
        "bugs": [[entry.id for entry in diagnosis.entries] for diagnosis in audit.diagnoses],
        "scope": {
            "exercised": [
                {"probe": p.case.id, "title": printable(p.case.title)}
                for p in audit.probes
                if p.status in (AGREES, DIFFERS)
            ],
            "not_exercised": list(audit.not_exercised),
            "unseen": list(audit.unseen),
            "precision": audit.precision,
            "declared": list(audit.declared),
            "tolerance": audit.tolerance,
        },
        "counts": {
            "probes": len(audit.probes),
            **{
                status: sum(p.status == status for p in audit.probes)
                for status in (AGREES, DIFFERS, UNSUPPORTED, FAILED)
            },
            "numbers": sum(one.cells for one in counted),
            "agreeing": sum(one.agree for one in counted),
            "same_bits": sum(one.same for one in counted),
        },
        "probes": [
            {
                "id": p.case.id,
                "status": p.status,
                "why": why(p),
                "numbers": len(p.cells),
                "file": origin_of(p.case, audit.declared).file or None,
                "sha256": origin_of(p.case, audit.declared).sha256,
            }
            for p in audit.probes
        ],
    }
