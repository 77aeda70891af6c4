"""The manifest: what it holds, and what is refused."""

import json

import pytest

from assignments import (
    SECRET,
)
from cellgrad.errors import InputError
from cellgrad_coursework.manifest_file import manifest_bytes, parse_manifest, read_manifest
from graded import ROOT


def test_the_manifest_reads_back_as_it_was(handed_out):
    folder, done = handed_out
    data = (folder / "lecturer" / "manifest.json").read_bytes()
    assert read_manifest(folder) == done.manifest == parse_manifest(data)
    assert manifest_bytes(done.manifest) == data
    schema = json.loads((ROOT / "reference/schema/manifest.schema.json").read_text())
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - slow to start

    Draft202012Validator(schema).validate(json.loads(data))
    assert SECRET.hex().encode() not in data


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("cells"),
        lambda d: d["cells"][0].update(formula="1"),
        lambda d: d["policy"].update(ecf_penalty=0.5),
        lambda d: d["cells"][0].update(points=10**400),
        lambda d: d["handouts"][1]["weights"][0][0].__setitem__(0, 10**400),
        lambda d: d["handouts"][1].pop("weights"),
        lambda d: d["handouts"][1]["weights"][0].pop(),
        lambda d: d["handouts"][1]["student"].update(late="x"),
        lambda d: d["handouts"].append(d["handouts"][0]),
        lambda d: d.update(handouts=[]),
        lambda d: d.update(handouts=3),
    ],
)
def test_a_damaged_manifest_is_refused_in_one_line(handed_out, change):
    document = json.loads((handed_out[0] / "lecturer" / "manifest.json").read_bytes())
    change(document)
    with pytest.raises(InputError) as refused:
        parse_manifest(json.dumps(document).encode())
    assert "\n" not in refused.value.line()


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no assignment"):
        read_manifest(tmp_path)
