"""The fixture: it fails with the diagnosis."""

from __future__ import annotations

import pytest

PLUGIN = """
import json
from cellgrad.case.model import parse_case
from cellgrad_audit.bugs.catalogue import variants
from cellgrad_audit.bugs.program import Program

def step(program):
    def run(case):
        record = program(parse_case(json.dumps(case).encode()), keep=False).run()
        return {"weights": record.weights, "biases": record.biases}
    return run

def test_right(cellgrad_audit):
    assert cellgrad_audit(step(Program)).verdict == "bit_identical"

def test_wrong(cellgrad_audit):
    cellgrad_audit(step(next(v.program for v in variants() if v.entry == "absolute-error")))
"""


@pytest.mark.slow
def test_the_pytest_fixture_fails_with_the_diagnosis(tmp_path):
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    (tmp_path / "test_mine.py").write_text(PLUGIN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    if not _plugin_is_installed():
        command += ["-p", "cellgrad_audit.pytest_plugin"]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert answer.returncode == 1, answer.stdout
    assert "1 failed, 1 passed" in answer.stdout
    assert "absolute-error" in answer.stdout


def _plugin_is_installed():
    from importlib.metadata import entry_points  # noqa: PLC0415

    return any(e.value == "cellgrad_audit.pytest_plugin" for e in entry_points(group="pytest11"))
