"""Simulated students: what they do, what is expected of them, and what a rehearsal reports."""

from __future__ import annotations

import copy
import io
import itertools
import random
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from assignments import (
    NETWORKS,
    hand_out,
    of_network,
)
from cellgrad.errors import InputError
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.grading.catalogue import telling
from cellgrad_coursework.model import (
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
    Policy,
    Student,
)
from cellgrad_coursework.rehearsal.rehearse import (
    AS_ANOTHER,
    AS_MADE,
    NOT_NAMED,
    Rehearsal,
    compare,
    print_result,
    rehearse,
)
from cellgrad_coursework.rehearsal.students import KINDS, Classroom
from cellgrad_coursework.rehearsal.work import Work
from cellgrad_coursework.running.judge import Grader
from cellgrad_coursework.running.runner import Settings, grade_all
from cellgrad_coursework.taking_in.intake import Intake
from grading_oracle import differs
from plain_submission import TOKEN

ALL = len(KINDS)
PEOPLE = [Student("s1", "Ada"), Student("s2", "Björn")]
SMALL = ("[2, 2, 1]", "['logistic', 'logistic']", "half_squared_error", 1, "", "")
BATCH = (
    "[2, 3, 2]", "['logistic', 'identity']", "half_squared_error", 2, "batch_mean", "biases = true",
)  # fmt: skip
CONVENTIONS = (
    "error-sign-convention", "loss-doubled", "bias-frozen", "sum-for-mean",
    "loss-averaged-over-outputs",
)  # fmt: skip


def handed_out(folder, network, blanks=""):
    """Return the folder of an assignment, and its manifest."""
    assignment = of_network(*network, blanks=blanks)
    done = hand_out(folder, assignment, PEOPLE)
    return folder / "out", done.manifest


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return handed_out(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """Return an assignment that takes typed numbers alone."""
    return handed_out(tmp_path_factory.mktemp("typed"), SMALL, "takes = 'value'\ndecimals = 6")


def with_policy(made, **policy):
    return made[0], replace(made[1], policy=Policy(**policy))


def rehearsed(made, count=ALL, seed=1):
    """Grade simulated students one by one, in this process; copies need a whole class."""
    folder, manifest = made
    room, grader, result = Classroom(manifest, folder, seed), Grader(manifest), Rehearsal()
    for student in room.students(count):
        if not student.copied:
            compare(result, student, grader.grade(student.workbook(), student.file))
    result.left_out = room.left_out
    return result


def of_kind(made, kind, seed=1):
    """Return a student at work who did what a kind does."""
    room = Classroom(made[1], made[0], seed)
    work = Work(room, room.handouts[0])
    assert KINDS[kind](work)
    return work


# kinds


def test_kinds_without_a_cell_to_work_on_are_left_out(typed):
    result = rehearsed(typed)
    assert result.surprises == []
    assert {"right", "typed wrong", "blank", "unfinished", "tampered givens"} <= set(result.kinds)
    assert {"one mistake", "repeated mistake", "unsupported function"} <= set(result.left_out)
    assert not set(result.left_out) & set(result.kinds)
    assert result.students == ALL - ALL // 8  # all but those who copied


@pytest.mark.slow
def test_every_kind_has_its_turn(small):
    result = rehearsed(with_policy(small, conventions=("error-sign-convention",)), 3 * ALL)
    assert result.surprises == []
    assert set(result.kinds) | {"copied"} | set(result.left_out) == set(KINDS)
    assert result.left_out == ["typed wrong"]


def test_a_handout_is_read_from_its_own_folder_alone(small, tmp_path):
    folder, manifest = small
    room = Classroom(manifest, tmp_path)
    handout = room.handouts[0]
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / handout.file).write_bytes(b"feedback")
    (tmp_path / handout.file).write_bytes(b"somewhere")
    with pytest.raises(InputError, match="not beside the assignment"):
        room.handed_out(handout)
    (tmp_path / "students").mkdir()
    data = (folder / "students" / handout.file).read_bytes()
    (tmp_path / "students" / handout.file).write_bytes(data)
    assert room.handed_out(handout) == data


# what is expected


SETTINGS = [
    {"ecf_penalty": 0.25, "hardcoded_credit": 0.5, "embedded_credit": 0.3},
    pytest.param({"charge_repeats": True, "ecf_penalty": 1.0}, marks=pytest.mark.slow),
    pytest.param({"repeats_forgiven": 1, "conventions": ("error-sign-convention",),
                  "ecf_penalty": 0.1}, marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize("policy", SETTINGS)
def test_every_setting_is_graded_as_intended(small, policy):
    result = rehearsed(with_policy(small, **policy))
    assert result.surprises == []
    assert result.as_intended


GRID = list(
    itertools.product((0.0, 0.25, 1.0), (0.0, 0.5), (0.0, 0.3), (False, True), (1, 3), (0, 3))
)
BLANKS = (
    "takes = 'formula'",
    "takes = 'value'\ndecimals = 6",
    "quantities = ['error_signal', 'new_weights']",
    "quantities = ['E']",
    "[[quantity]]\nname = 'post_activation'\ntakes = 'value'\ndecimals = 6",
)


@pytest.mark.slow
@pytest.mark.parametrize("network", [SMALL, BATCH, *NETWORKS])
@pytest.mark.parametrize("blanks", BLANKS)
def test_a_grid_of_settings_is_graded_as_intended(tmp_path, network, blanks):
    made = handed_out(tmp_path, network, blanks)
    for number, values in enumerate(GRID):
        if number % 32 != sum(map(ord, f"{network}{blanks}")) % 32:
            continue  # every combination with some network, a few with each
        ecf, hardcoded, embedded, charge, forgiven, accepted = values
        policy = {
            "ecf_penalty": ecf, "hardcoded_credit": hardcoded, "embedded_credit": embedded,
            "charge_repeats": charge, "repeats_forgiven": forgiven,
            "conventions": tuple(random.Random(number).sample(CONVENTIONS, accepted)),
        }  # fmt: skip
        result = rehearsed(with_policy(made, **policy), 2 * ALL, seed=number)
        assert result.surprises == [], policy


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("values", GRID)
def test_all_combinations_of_settings_are_graded_as_intended(small, values):
    ecf, hardcoded, embedded, charge, forgiven, accepted = values
    policy = {
        "ecf_penalty": ecf, "hardcoded_credit": hardcoded, "embedded_credit": embedded,
        "charge_repeats": charge, "repeats_forgiven": forgiven,
        "conventions": CONVENTIONS[:accepted],
    }  # fmt: skip
    assert rehearsed(with_policy(small, **policy)).surprises == []


def test_two_mistakes_can_make_a_right_number(small):
    """An error that is flipped, and added in the update: the new weight is right."""
    work = of_kind(small, "right")
    cells = work.cells
    error = next(n for n, cell in enumerate(cells) if cell.quantity == "final_error")
    update = next(n for n, cell in enumerate(cells) if cell.quantity == "new_weights")
    first, _, second = cells[error].formula.partition("-")
    work.put(error, f"{second}-{first}", WRONG)
    work.put(update, cells[update].formula.replace("-", "+"), WRONG)
    verdicts, points = work.outcome
    place = cells[update].sheet, cells[update].address
    assert (verdicts[place], points[place]) == (OK, cells[update].points)
    assert verdicts[cells[error].sheet, cells[error].address] == WRONG
    grade = work.room  # what the grader says of it is the same
    found = Grader(grade.manifest).grade(work.workbook(), "x")
    assert {(v.cell.sheet, v.cell.address): v.verdict for v in found.verdicts} == verdicts


def test_what_waits_for_a_person_is_credited_in_full(small):
    made = with_policy(small, ecf_penalty=0.5)
    work = of_kind(made, "unsupported function")
    verdicts, points = work.outcome
    full = {(c.sheet, c.address): c.points for c in work.cells}
    waiting = [place for place, verdict in verdicts.items() if verdict == OK_ECF]
    assert list(verdicts.values()).count(REVIEW) == 1
    assert all(points[place] == full[place] for place in waiting)


def test_a_right_number_without_a_formula_earns_its_share_and_a_wrong_one_nothing(small):
    made = with_policy(small, hardcoded_credit=0.5)
    typed_right, zero = of_kind(made, "hard-coded"), of_kind(made, "early zero")
    for work, share in ((typed_right, 0.5), (zero, 0.0)):
        verdicts, points = work.outcome
        found = {n for n, verdict in verdicts.items() if verdict == HARDCODED}
        assert found
        full = {(c.sheet, c.address): c.points for c in work.cells}
        assert all(points[place] == share * full[place] for place in found)


@pytest.mark.slow
def test_an_accepted_convention_used_throughout_is_right(tmp_path):
    made = handed_out(tmp_path, BATCH)
    for name in CONVENTIONS[:4]:
        work = of_kind(with_policy(made, conventions=(name,)), "accepted convention")
        assert set(work.outcome[0].values()) == {OK}
        assert work.written  # not just the key
        found = Grader(work.room.manifest).grade(work.workbook(), "x")
        assert found.score == made[1].points
        other = Grader(made[1]).grade(work.workbook(), "x")  # where it is not accepted
        assert other.score < made[1].points


# the catalogue


def test_the_mistakes_that_are_made_are_the_catalogues_and_show(small):
    room = Classroom(small[1], small[0])
    there = replace(small[1], handouts={TOKEN: room.handouts[0]})  # as the oracle knows it
    made = set()
    for kind in ("one mistake", "several mistakes", "mistakes everywhere", "early mistake"):
        work = Work(room, room.handouts[0])
        assert KINDS[kind](work)
        for number, mistake in work.mistakes.items():
            made.add(mistake.entry)
            assert differs(there, there.cells[number], mistake.formula)
            assert work.roots[number] in (WRONG, HARDCODED)
    assert made <= set(by_id())
    assert len(made) >= 8


def test_the_entry_that_was_made_longest_ago_comes_first(small):
    room = Classroom(small[1], small[0])
    made = []
    for _ in range(12):
        work = Work(room, room.handouts[0])
        work.make_some_mistake()
        made += [one.entry for one in work.mistakes.values()]
    assert len(set(made)) == len(made) == 12


def test_an_accepted_convention_is_no_mistake(small):
    made = with_policy(small, conventions=("error-sign-convention",))
    room, plain = Classroom(made[1], made[0]), Classroom(small[1], small[0])
    for one, expected in ((room, False), (plain, True)):
        found = [
            mistake for mistake in one.repertoire.all_of("error-flipped")
            if one.manifest.cells[mistake.cell].quantity == "final_error"
        ]  # fmt: skip
        assert bool(found) is expected


def test_mistakes_that_compute_the_same_are_told_from_others(small):
    room = Classroom(small[1], small[0])
    (flipped,) = [
        one for one in room.repertoire.all_of("error-flipped")
        if room.manifest.cells[one.cell].quantity == "final_error"
    ]  # fmt: skip
    alike = room.repertoire.alike(flipped)
    assert "error-sign-convention" in alike
    assert "absolute-error" not in alike


def test_the_draws_that_name_mistakes_show_both_signs():
    values = np.array([[1.0, 1.0, 1.0, 1.0, -1.0], [1.0, 0.0, 2.0, 3.0, 4.0]])
    assert {1, 4} <= set(telling(values, 3))
    assert telling(values, 9) == telling(values, 5)
    assert sorted(telling(values, 5)) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_missing_sign_is_named_even_if_most_draws_have_it(small):
    """On a single draw it may look like a flipped error, or like nothing at all."""
    room = Classroom(small[1], small[0])
    for seed in range(2):
        manifest = replace(small[1], version=f"{seed:064}")
        work = Work(room, room.handouts[0])
        (absolute,) = [
            one for one in room.repertoire.all_of("absolute-error")
            if room.manifest.cells[one.cell].quantity == "final_error"
        ]  # fmt: skip
        work.make(absolute)
        found = Grader(manifest).grade(work.workbook(), "x")
        said = {v.cell.address: v.bug for v in found.verdicts}
        assert said[work.cells[absolute.cell].address] == "absolute-error"


@pytest.mark.slow
def test_a_rehearsal_covers_the_catalogue_and_names_it(tmp_path):
    made = handed_out(tmp_path, NETWORKS[0])
    result = rehearse(made[1], made[0], 120, settings=Settings(feedback=False, jobs=1))
    assert result.surprises == []
    room = Classroom(made[1], made[0])
    can = {
        entry for entry, places in room.repertoire._of_entry.items()
        if any(room.repertoire.shows(one) for one in places)
    }  # fmt: skip
    assert len(result.made) >= 0.9 * len(can)
    total = sum(result.named.values())
    assert result.named[AS_MADE] + result.named[AS_ANOTHER] >= 0.98 * total
    assert total >= 150


# what is reported


@pytest.fixture(scope="module")
def graded(small):
    """Return a student with one mistake, and the grade."""
    (student,) = [one for one in Classroom(*small[::-1]).students(4) if one.kind == "one mistake"]
    return student, Grader(small[1]).grade(student.workbook(), student.file)


def copied(graded):
    """Return the same to be changed."""
    return copy.deepcopy(graded)


def test_follows_and_right_are_the_same_only_where_they_earn_the_same(graded):
    student, grade = copied(graded)
    place, _ = next(item for item in student.intended.items() if item[1] == OK_ECF)
    at = next(n for n, v in enumerate(grade.verdicts) if v.cell.address == place[1])
    grade.verdicts[at] = replace(grade.verdicts[at], verdict=OK)
    same, less = Rehearsal(), Rehearsal()
    compare(same, student, grade)
    assert same.surprises == []
    student.points[place] -= 0.25
    compare(less, student, grade)
    assert len(less.surprises) == 1
    assert "ok instead of ok-ecf" in less.surprises[0]


def test_points_are_compared_cell_by_cell(graded):
    student, grade = copied(graded)
    for n, less in ((0, 0.5), (1, -0.5)):  # the sum stays
        grade.verdicts[n] = replace(grade.verdicts[n], points=grade.verdicts[n].points - less)
    result = Rehearsal()
    compare(result, student, grade)
    assert [line.partition(": ")[2].split(":")[1] for line in result.surprises] == [
        " 0.5 points instead of 1", " 1.5 points instead of 1",
    ]  # fmt: skip


def test_a_name_is_right_if_it_computes_the_same(graded):
    student, grade = copied(graded)
    ((place, made),) = student.made.items()
    at = next(n for n, v in enumerate(grade.verdicts) if v.cell.address == place[1])
    for bug, way in ((made.entry, AS_MADE), ("", NOT_NAMED), ("another", AS_ANOTHER)):
        student.made[place] = replace(made, alike=frozenset({made.entry, "another"}))
        grade.verdicts[at] = replace(grade.verdicts[at], bug=bug)
        result = Rehearsal()
        compare(result, student, grade)
        assert (result.named, result.surprises) == ({way: 1}, [])
    grade.verdicts[at] = replace(grade.verdicts[at], bug="third")
    result = Rehearsal()
    compare(result, student, grade)
    assert "named third, which computes something else" in result.surprises[0]


def printed(result, width=80):
    """Return what the command prints on a terminal."""
    file = io.StringIO()
    print_result(result, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def test_the_tables_fit_a_terminal_of_80_columns():
    result = Rehearsal(students=1_000, left_out=["typed wrong"])
    for n, one in enumerate(VERDICTS):
        for other in VERDICTS:
            result.verdicts[one, other] = 10_000 * (n + 1)
    result.kinds = {kind: [100, 100] for kind in KINDS if kind != "typed wrong"}
    result.named.update({AS_MADE: 300, AS_ANOTHER: 20, NOT_NAMED: 1})
    result.made = {"a", "b"}
    text = printed(result)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for name in VERDICTS:
        assert name in text
    assert any("typed wrong" in line and "left out" in line for line in text.splitlines())
    assert "2 mistakes of the catalogue, made in 321 cells:" in text


def test_one_is_said_in_the_singular():
    result = Rehearsal(students=1, kinds={"right": [1, 1]})
    result.verdicts[OK, OK] = 1
    assert "1 student, 1 cell: as intended" in printed(result)
    result.students, result.verdicts[OK, EMBEDDED_CONSTANT] = 2, 1
    assert "2 students, 2 cells: as intended" in printed(result)


@pytest.mark.slow
def test_a_whole_class_is_graded_as_one_by_one(small, tmp_path):
    folder, manifest = small
    room = Classroom(manifest, folder)
    meant = {}
    for student in room.students(ALL):
        path = tmp_path / "in" / student.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(student.workbook())
        meant[student.file] = student
    result = Rehearsal()
    with closing(Intake(tmp_path / "in")) as intake:
        for grade in grade_all(manifest, intake, tmp_path / "out", (), Settings(jobs=1)):
            compare(result, meant[grade.file], grade)
    assert result.surprises == []
    assert "copied" in result.kinds
