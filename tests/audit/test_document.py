"""The audit as JSON, and its certificate."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import jsonschema
import pytest

from cellgrad import __version__, shipped
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.probes import folder
from cellgrad_audit.report.document import certificate, document
from cellgrad_audit.result import Audit
from made_audits import (
    AUDITS,
    NO_INPUT,
    NO_RATE,
    UPDATED,
    answered,
    probe,
    probed,
)

# JSON


@pytest.fixture(scope="module")
def schemas():
    return {
        name: json.loads(shipped.schema(name).read_text("utf-8"))
        for name in ("audit", "certificate")
    }


@pytest.mark.parametrize("name", AUDITS)
@pytest.mark.slow
def test_the_document_and_the_certificate_follow_their_schemas(name, audits, schemas):
    for kind, made in (("audit", document), ("certificate", certificate)):
        found = json.loads(json.dumps(made(audits[name]), allow_nan=False))
        jsonschema.validate(found, schemas[kind])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**found, "more": 1}, schemas[kind])


@pytest.mark.parametrize("kind", ["audit", "certificate"])
def test_the_schemas_are_sound_and_close_every_object(kind, schemas):
    jsonschema.Draft202012Validator.check_schema(schemas[kind])

    def objects(part):
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for inner in part.values():
                yield from objects(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from objects(inner)

    found = list(objects(schemas[kind]))
    assert len(found) > 3
    for part in found:
        assert part["additionalProperties"] is False
        assert set(part["required"]) == set(part["properties"])


def test_a_reader_of_the_first_bug_alone_gets_one_id_and_of_bugs_all(audits):
    found = document(audits["two mistakes"])["diagnoses"][0]
    assert found["bug"] == NO_INPUT.entry
    assert found["bugs"] == [NO_INPUT.entry, NO_RATE.entry]
    assert found["bug"] in by_id()
    assert [m["bug"] for m in found["mistakes"]] == found["bugs"]


def test_the_document_counts_and_places_what_is_wrong(audits):
    audit = audits["a mistake"]
    found = document(audit)
    assert found["exit_code"] == 1
    assert found["first_divergence"]["probe"] == "probe-plain"
    first = found["first_divergence"]
    assert first["found"] != first["right"]
    for told, one in zip(found["probes"], audit.probes, strict=True):
        assert told["cells"] == sum(x.values.size for x in one.answer.numbers.values())
        assert told["agree"] == sum(abs(c.found - c.right) <= c.bound for c in one.cells)
        assert len(told["differing"]) == told["cells"] - told["agree"]
        assert told["worst"]["share_of_bound"] > 1
    assert document(audits["right"])["probes"][0]["worst"]["share_of_bound"] < 1


def test_no_number_of_the_document_is_infinite(audits):
    found = document(audits["infinite numbers"])
    assert found["probes"][0]["differing"][0]["found"] == "Infinity"
    json.dumps(found, allow_nan=False)


# certificate


def test_the_certificate_names_the_bytes_of_the_probes(audits):
    found = certificate(audits["a mistake"])
    assert found["tool"]["version"] == __version__
    for told in found["probes"]:
        data = (folder() / f"{told['id']}.json").read_bytes()
        assert told["sha256"] == hashlib.sha256(data).hexdigest()
        assert told["file"] == f"{told['id']}.json"
    assert found["counts"]["numbers"] == sum(p["numbers"] for p in found["probes"])
    assert found["bugs"] == [[UPDATED.entry]]


def test_a_case_that_only_shares_a_probes_name_is_not_certified_as_that_probe():
    case = replace(probe("probe-plain"), learning_rate=0.25)
    found = certificate(Audit("m:f", "bit_identical", [probed(answered(Program, case))]))
    assert found["probes"][0]["file"] is None
    shipped_sum = hashlib.sha256((folder() / "probe-plain.json").read_bytes()).hexdigest()
    assert found["probes"][0]["sha256"] != shipped_sum


def test_a_declared_convention_leaves_a_probe_the_shipped_one():
    declare = by_id()["bias-frozen"].declare
    case = declare(probe("probe-one-output"))
    audit = Audit(
        "m:f", "bit_identical", [probed(answered(Program, case))], declared=("bias-frozen",)
    )
    assert certificate(audit)["probes"][0]["file"] == "probe-one-output.json"
