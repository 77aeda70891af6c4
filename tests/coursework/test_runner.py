"""Many files: nobody's costs anybody else, whoever grades, however often it is killed."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from cellgrad.errors import InputError
from cellgrad_coursework.rehearsal.students import Classroom
from cellgrad_coursework.running import pool
from cellgrad_coursework.running.command import grade_command
from cellgrad_coursework.running.judge import Limits
from cellgrad_coursework.running.pool import BROKE, TOO_LONG, TOO_MUCH
from handed_in import FAKE, QUICK, contents, filled, graded, variant
from hostile import ROOT, environment
from hostile_submissions import SHAPES

PATIENT = Limits(memory=256 << 20, cpu=1, seconds=600)


@pytest.mark.slow
def test_endless_work_is_ended_by_the_time_that_it_takes_not_by_the_clock(
    tmp_path, manifest, handouts
):
    folder = filled(tmp_path / "in", {"s1001-endless.xlsx": handouts["s1001"]})
    grades = graded(
        manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE, limits=PATIENT
    )
    assert grades["s1001-endless.xlsx"].problem == TOO_LONG
    assert grades["s1001-endless.xlsx"].student.id == "s1001"


@pytest.mark.slow
def test_a_file_beyond_its_limits_costs_nobody_else_anything(tmp_path, manifest, handouts):
    files = {}
    for n in range(12):
        files[f"a{n}.xlsx"] = variant(handouts["s1001"], n)
    for n, name in enumerate(("endless", "asleep", "hoard", "crash")):
        files[f"a{n}-{name}.xlsx"] = variant(handouts["s1001"], 100 + n)
    grades = graded(
        manifest, filled(tmp_path / "in", files), tmp_path / "out", feedback=False, jobs=2,
        grader=FAKE, limits=QUICK,
    )  # fmt: skip
    problems = {name: grade.problem for name, grade in grades.items() if grade.problem}
    assert problems == {
        "a0-endless.xlsx": TOO_LONG,
        "a1-asleep.xlsx": TOO_LONG,
        "a2-hoard.xlsx": TOO_MUCH,
        "a3-crash.xlsx": BROKE,
    }


def test_the_last_readable_file_of_a_student_counts(tmp_path, manifest, handouts):
    data = handouts["s1001"]
    files = {
        "okaforamara_1_10_a.xlsx": variant(data, 1),
        "okaforamara_1_9_a.xlsx": variant(data, 2),
        "okaforamara_LATE_1_11_a.xlsx": b"damaged",
    }
    folder = filled(tmp_path / "in", files)
    grades = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    superseded = {name: grade.superseded for name, grade in grades.items()}
    assert superseded == {
        "okaforamara_1_10_a.xlsx": "",
        "okaforamara_1_9_a.xlsx": "okaforamara_1_10_a.xlsx",
        "okaforamara_LATE_1_11_a.xlsx": "okaforamara_1_10_a.xlsx",
    }


@pytest.mark.slow
def test_what_is_judged_once_is_not_judged_again(tmp_path, manifest, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    first = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader=FAKE)
    # a grader that cannot be loaded is never asked
    again = graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")
    assert first == again
    filled(folder, {"s1002.xlsx": handouts["s1002"]})
    with pytest.raises(Exception, match="could not be started"):
        graded(manifest, folder, tmp_path / "out", feedback=False, jobs=1, grader="none:None")


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.slow
def test_any_executor_gives_the_same_grades(tmp_path, manifest, handouts, kind):
    files = {f"s1001-{n}.xlsx": variant(handouts["s1001"], n) for n in range(40)}
    folder = filled(tmp_path / "in", files)
    here = graded(manifest, folder, tmp_path / "here", feedback=False, jobs=2, grader=FAKE)
    with kind(2) as executor:
        there = graded(
            manifest, folder, tmp_path / "there", feedback=False, executor=executor, grader=FAKE
        )
    pool.forget()
    assert here == there
    assert len(here) == 40


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_gradebook(tmp_path, course, handouts):
    distributed = pytest.importorskip("distributed")
    same = variant(handouts["s1001"], 0)
    files = {f"s1001-{n}.xlsx": variant(handouts["s1001"], n) for n in range(30)}
    files |= {f"a{n}/s1002.xlsx": same for n in range(5)}  # alike, and each has its own row
    folder = filled(tmp_path / "in", files)
    grade_command(folder, course, tmp_path / "here", feedback=False)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        grade_command(
            folder, course, tmp_path / "there", scheduler=cluster.scheduler_address, feedback=False
        )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, course, handouts):
    folder = filled(tmp_path / "in", {"s1001.xlsx": handouts["s1001"]})
    with pytest.raises(InputError, match=r"--scheduler: (needs Dask|no scheduler)"):
        grade_command(folder, course, tmp_path / "out", scheduler="nonsense")


@pytest.fixture(scope="module")
def thousand(tmp_path_factory, course, manifest):
    """Return a folder of 1,000 submissions, 60 of them made to do harm."""
    folder = tmp_path_factory.mktemp("thousand")
    room = Classroom(manifest, course)
    for student in room.students(940):
        filled(folder, {student.file: student.workbook()})
    with zipfile.ZipFile(io.BytesIO(room.handed_out(next(iter(manifest.handouts.values()))))) as z:
        parts = {name: z.read(name) for name in z.namelist()}
    for name in list(SHAPES)[:: len(SHAPES) // 60][:60]:
        filled(folder, {f"hostile-{name}.xlsx": SHAPES[name][0](dict(parts))})
    return folder


@pytest.mark.slow
def test_sixty_hostile_files_among_a_thousand_cost_the_others_nothing(tmp_path, thousand, manifest):
    grades = graded(manifest, thousand, tmp_path / "out", feedback=False)
    assert len(grades) == 1000
    failed = {name for name, grade in grades.items() if grade.problem}
    assert failed == {name for name in grades if name.startswith("hostile-")}
    assert len(failed) == 60
    assert all(len(grade.verdicts) == 59 for name, grade in grades.items() if name not in failed)


RUN = """
import sys
from pathlib import Path
from cellgrad_coursework.running.command import grade_command
grade_command(*map(Path, sys.argv[1:4]), feedback=sys.argv[4] == "feedback", jobs=int(sys.argv[5]))
"""


def started(*arguments):
    """Start grading in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], cwd=ROOT, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(*arguments):
    process = started(*arguments)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()


@pytest.mark.slow
def test_runs_killed_at_random_moments_end_with_the_same_gradebook(tmp_path, thousand, course):
    began = time.monotonic()
    finished(thousand, course, tmp_path / "whole", "none", 2)
    seconds = time.monotonic() - began
    whole = contents(tmp_path / "whole")
    rng, halfway = random.Random(), 0
    for n in range(10):
        out = tmp_path / f"killed{n}"
        process = started(thousand, course, out, "none", 2)
        time.sleep(rng.uniform(0.05, 1.0) * seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        stores = list(out.glob(".cellgrad/*.txt"))
        done = stores[0].read_bytes().count(b"\n") if stores else 0
        halfway += 0 < done < 999
        finished(thousand, course, out, "none", 2)
        assert contents(out) == whole
        shutil.rmtree(out)
    assert halfway >= 3  # or the moments were not in the middle of anything


@pytest.mark.slow
def test_a_run_killed_with_feedback_loses_none(tmp_path, thousand, course):
    finished(thousand, course, tmp_path / "whole", "feedback", 2)
    whole = contents(tmp_path / "whole")
    assert sum(name.startswith("feedback/") for name in whole) == 2 * 940
    for seconds in (2.0, 4.0):
        process = started(thousand, course, tmp_path / "out", "feedback", 2)
        time.sleep(seconds)
        process.kill()
        process.communicate()
    finished(thousand, course, tmp_path / "out", "feedback", 1)
    assert contents(tmp_path / "out") == whole


@pytest.mark.slow
def test_neither_the_number_of_processes_nor_the_order_matters(tmp_path, thousand, course):
    finished(thousand, course, tmp_path / "one", "none", 1)
    # results that are there already, in another order, as another run left them
    finished(thousand, course, tmp_path / "three", "none", 3)
    (store,) = (tmp_path / "three").glob(".cellgrad/*.txt")
    lines = store.read_bytes().splitlines(keepends=True)
    random.Random(5).shuffle(lines)
    store.write_bytes(b"".join(lines[:500]))
    finished(thousand, course, tmp_path / "three", "none", 2)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
