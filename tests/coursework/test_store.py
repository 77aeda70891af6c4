"""Results on disk: nothing is lost by a kill, and nothing damaged is believed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from cellgrad.errors import InputError
from cellgrad_coursework.running.judge import Codec, head_of
from cellgrad_coursework.running.store import Store
from handed_in import a_grade


def test_a_grade_survives_its_journey_to_the_disk(manifest):
    student = next(iter(manifest.handouts.values())).student
    codec = Codec(manifest)
    grade = a_grade(manifest, student=student, review=["é\t\n"], evidence={"typed": {"A1": 0.1}})
    data = codec.encode(grade)
    assert b"\n" not in data
    assert codec.decode(data) == grade
    assert head_of(data)["student"] == student.id


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_result_that_was_cut_off_is_dropped_and_the_others_stay(tmp_path, manifest, cut):
    with closing(Store(tmp_path, manifest)) as store:
        for key in "abc":
            store.add(key, b'{"n":1}\t' + key.encode(), feedback=False)
    data = store.path.read_bytes()
    store.path.write_bytes(data[:-cut])
    with closing(Store(tmp_path, manifest)) as store:
        assert list(store) == ["a", "b"]
        store.add("d", b"{}\td", feedback=True)
    with closing(Store(tmp_path, manifest)) as store:
        assert [store.read(key)[-1:] for key in store] == [b"a", b"b", b"d"]
        assert store.has("d", feedback=True)
        assert not store.has("a", feedback=True)


def test_a_result_with_another_byte_is_dropped(tmp_path, manifest):
    with closing(Store(tmp_path, manifest)) as store:
        store.add("a", b"{}\t1", feedback=False)
    store.path.write_bytes(store.path.read_bytes().replace(b"1\n", b"2\n"))
    with closing(Store(tmp_path, manifest)) as store:
        assert list(store) == []


def test_two_runs_cannot_write_to_one_place(tmp_path, manifest):
    with closing(Store(tmp_path, manifest)), pytest.raises(InputError, match="another run"):
        Store(tmp_path, manifest)


def test_other_numbers_or_another_policy_are_other_results(tmp_path, manifest):
    token, handout = next(iter(manifest.handouts.items()))
    other = replace(handout.case, learning_rate=handout.case.learning_rate * 2)
    changed = {**manifest.handouts, token: replace(handout, case=other)}
    paths = set()
    for one in (manifest, replace(manifest, handouts=changed), replace(manifest, version="x")):
        with closing(Store(tmp_path, one)) as store:
            paths.add(store.path)
    assert len(paths) == 3
