"""A certificate: what was audited, with what, and how far the verdict reaches.

Source: reference/schema/certificate.schema.json.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cellgrad import __version__
from cellgrad.errors import printable
from cellgrad_audit.report.sentences import counts, one_line, origin, verdict_sentence, why
from cellgrad_audit.result import AGREES, DIFFERS, FAILED, UNSUPPORTED, Audit

SCHEMA = "cellgrad-certificate/1"


def certificate(audit: Audit) -> dict[str, Any]:
    """Return the certificate of an audit as Python's form of JSON, dated now."""
    found = [counts(probed) for probed in audit.probes]
    return {
        "schema": SCHEMA,
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
            "numbers": sum(one.cells for one in found),
            "agreeing": sum(one.agree for one in found),
            "same_bits": sum(one.same for one in found),
        },
        "probes": [
            {
                "id": p.case.id,
                "status": p.status,
                "why": why(p),
                "numbers": len(p.cells),
                "file": origin(p.case, audit.declared).file or None,
                "sha256": origin(p.case, audit.declared).sha256,
            }
            for p in audit.probes
        ],
    }
