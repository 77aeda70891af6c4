"""The probes for what cannot read JSON: a folder that is written whole, a C header."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cases_asked import (
    ROOT,
    probe,
)
from cellgrad.case.model import Optimizer
from cellgrad.errors import InputError
from cellgrad_audit.answer import Slot
from cellgrad_audit.handout import c_header, files_of, write_folder
from cellgrad_audit.hypothesis import right_numbers
from cellgrad_audit.probes import probes
from cellgrad_audit.targets.folder import FolderTarget


def test_a_handout_never_touches_what_is_there(tmp_path):
    files = files_of(probes()[:1])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(InputError, match="choose another place"):
            write_folder(tmp_path / name, files)
    with pytest.raises(InputError, match="cannot be written"):
        write_folder(tmp_path / "no" / "such" / "folder", files)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_handout_is_written_whole_or_not_at_all(tmp_path, exists, monkeypatch):
    place = tmp_path / "probes"
    if exists:
        place.mkdir()
        inode = place.stat().st_ino
    files = {**files_of(probes()[:1]), "no-such-folder/x": b"x"}
    with pytest.raises(InputError, match="cannot be written"):
        write_folder(place, files)
    if exists:
        rename, count = Path.rename, []

        def failing(self, target):
            count.append(target)
            if len(count) > 2:
                raise OSError(28, "No space left on device")
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", failing)
            with pytest.raises(InputError, match="No space left"):
                write_folder(place, files_of(probes()[:1]))
    assert [p.name for p in tmp_path.rglob("*")] == (["probes"] if exists else [])
    write_folder(place, files_of(probes()[:1]))
    assert sorted(p.name for p in place.iterdir()) == sorted(files_of(probes()[:1]))
    if exists:
        assert place.stat().st_ino == inode  # somebody may be working in it


# C


@pytest.fixture(scope="session")
def compiler():
    found = shutil.which("gcc")
    if found is None:
        missing = "gcc is not installed"
        if os.environ.get("CELLGRAD_REQUIRE_ENGINES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return [found, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def _quick(case):
    marks = [] if case.id in ("probe-batch", "probe-softmax") else [pytest.mark.slow]
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_quick(case) for case in probes()])
def test_a_c_program_with_nothing_but_the_header_fills_in_the_table(case, handout, compiler):
    words = [*compiler, f'-DPROBE_HEADER="{case.id}.h"', f"-I{handout}", "-o", handout / "run"]
    subprocess.run([*words, ROOT / "tests" / "firmware.c", "-lm"], check=True)
    table = subprocess.run([handout / "run"], capture_output=True, check=True).stdout
    (handout / f"{case.id}.answers.csv").write_bytes(table)
    answer = FolderTarget(handout).answer(case)
    assert answer.failure == answer.unsupported == ""
    right = right_numbers(case, answer.numbers)
    for slot, values in right.items():
        assert np.allclose(answer.numbers[slot].values, values, rtol=0, atol=1e-14), slot
    last = answer.numbers[Slot(0, "weights", len(case.network.weights) - 1)].values
    assert not np.array_equal(last, case.network.weights[-1])  # something was learnt


def test_a_header_is_sound_whatever_the_case_is_called(tmp_path, compiler):
    case = replace(
        probe("probe-plain"),
        title='*/ #error "x" /* ??/ \\ é %s',
        network=replace(probe("probe-plain").network, activations=("leaky_relu", "logistic")),
        optimizer=Optimizer("adam"),
    )
    (tmp_path / "case.h").write_text(c_header(case))
    (tmp_path / "main.c").write_text(
        '#include "case.h"\n#if PROBE_LOSS != PROBE_HALF_SQUARED_ERROR\n#error "loss"\n#endif\n'
        "int main(void) { return probe_weights[0][0] == probe_weights_0[0][0] && "
        "PROBE_BETA1 == 0.9 && PROBE_LEAKY_SLOPE == 0.01 ? 0 : 1; }\n"
    )
    subprocess.run([*compiler, tmp_path / "main.c", "-o", tmp_path / "main"], check=True)
    subprocess.run([tmp_path / "main"], check=True)
