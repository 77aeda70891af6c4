"""Certified values: two routes, 50 digits, and files from which nothing has drifted."""

import hashlib
import json
import math
import re
import zipfile
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flint")
pytest.importorskip("mpmath")

from flint import arb, fmpq

import plain_step
from cellgrad.build import build, workbook_bytes
from cellgrad.case.model import read_case
from cellgrad.xlsx.book import Book, read_book
from cellgrad.xlsx.sheet import SheetCells
from cellgrad_proof.exact import enclosures
from cellgrad_proof.exact.certified import UNDECIDED, certify
from cellgrad_proof.exact.definition import update
from cellgrad_proof.exact.vectors import CertificationError, agreement, document
from drawn_cases import big_case

TOP = Path(__file__).parent.parent.parent
FOLDER = TOP / "reference" / "certified"
FILES = sorted(FOLDER.glob("*.json"))
CASES = TOP / "reference" / "cases"
WORKBOOKS = sorted((TOP / "spreadsheets").rglob("*.xlsx"))
SAMPLE = [
    "series-3-4-1", "softmax-3-4-3", "bce-3-3-2", "weight-decay-2-3-2", "leaky-3-4-2",
    "han-kamber-3-2-1", "perceptron-3-1", "series-05-parabola",
]  # fmt: skip
FIRST = TOP / "spreadsheets" / "training-step-3-4-1.xlsx"


def loaded(path):
    return json.loads(path.read_text("utf-8"))


def leaves(value):
    """Yield every certified number of a document."""
    if isinstance(value, dict) and "decimal" in value:
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)


def changed(book, sheet, **formulas):
    """Return a workbook with other formulas in some cells."""
    from cellgrad.xlsx.addresses import parse_a1  # noqa: PLC0415 - few tests need it

    cells = book.sheets[sheet]
    other = dict(cells.formulas) | {parse_a1(a): text for a, text in formulas.items()}
    return Book(book.path, {**book.sheets, sheet: SheetCells(cells.values, other)}, book.names)


def made(formulas, values=None):
    return Book(Path("made"), {"S": SheetCells(values or {}, formulas)}, {})


# the two routes


def check_routes(path):
    certified = certify(path)
    # only what has no value is not certified, and both routes agree that it has none
    assert set(certified.failed.values()) <= {"a division by 0"}
    result = agreement(certified)
    assert result.missing == []
    assert result.digits >= 45, (result.digits, result.worst)
    assert result.cells == sum(
        cell.claim is not None
        and (cell.claim.kind in ("step", "check") or cell.claim.quantity == "result")
        for cell in certified.cells.values()
    )
    return result


QUICK = {"training-step-3-4-1", "softmax-3-4-3", "bce-3-3-2", "relu-2-3-3-2", "08-logistic",
         "12-training-program", "14-data", "hidden-nodes"}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem)
        for path in WORKBOOKS
    ],
)
def test_two_routes_agree_to_45_digits_in_every_cell(path):
    assert check_routes(path).cells > 25


@pytest.mark.slow
def test_a_network_of_8_16_4_is_certified_in_seconds(tmp_path):
    path = tmp_path / "large.xlsx"
    build(big_case([8, 16, 4], "logistic", 1), path)
    assert check_routes(path).cells > 1_500


ADAM = {"name": "adam", "momentum": 0.0, "beta1": 0.75, "beta2": 0.875, "epsilon": 0.0078125}
MOMENTUM = {"name": "sgd", "momentum": 0.875}
PLAIN = {"name": "sgd", "momentum": 0.0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "conventions"),
    [
        (MOMENTUM, {}),
        (MOMENTUM, {"rate_in_velocity": True}),
        (MOMENTUM, {"update_biases": False}),
        (ADAM, {}),
        (ADAM, {"error_sign": "target_minus_output", "decay_biases": True}),
        (PLAIN, {"error_sign": "target_minus_output", "update_biases": False}),
        (PLAIN, {"decay_biases": True}),
    ],
)
def test_runs_of_any_optimiser_and_convention_are_certified_from_the_case(
    optimizer, conventions, tmp_path
):
    case = loaded(CASES / "batch-mean-2-3-2.json")
    case |= {"epochs": 3, "batch_size": 2, "conventions": conventions}
    case["optimizer"] = optimizer | {"weight_decay": 0.0625}
    case.pop("published", None)
    source, path = tmp_path / "run.json", tmp_path / "run.xlsx"
    source.write_text(json.dumps(case), "utf-8")
    path.write_bytes(workbook_bytes(read_case(source)))
    found = document(read_case(source), "0" * 64, path)
    assert found["provenance"]["digits_agreed"] == found["chain"]["digits_agreed"] == 50
    assert len(found["steps"]) == 6
    names = set(found["steps"][3]) & set(found["steps"][3]["starts_from"])
    if optimizer is ADAM:
        assert {"first_moment", "second_moment", "beta1_power", "bias_second_moment"} <= names
    elif optimizer is MOMENTUM:
        assert "velocity" in names
        assert ("bias_velocity" in names) == ("update_biases" not in conventions)


# the numbers themselves


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_decimal_double_and_hex_are_one_number(path):
    getcontext().prec = 120
    found = list(leaves(loaded(path)["steps"]))
    assert found
    for leaf in found:
        exact = Decimal(leaf["decimal"])
        assert leaf["double"] == float.fromhex(leaf["hex"])
        assert len(exact.as_tuple().digits) <= 50
        assert leaf["bound"] >= 0
        # a correctly rounded value is half a unit away at most; exactly half of one is more
        # than 50 digits can say
        half = Decimal(math.ulp(leaf["double"])) / 2
        assert abs(Decimal(leaf["double"]) - exact) <= half * (1 + Decimal("1e-30"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_program_without_cellgrad_passes_its_vectors(path):
    # as the README of the vectors says: plain doubles, the case file and the vectors
    case, vectors = loaded(CASES / path.name), loaded(path)
    if "starts_from" in vectors["steps"][0]:
        case = at_first_update(case, vectors)
    expected, step = plain_step.step(case), vectors["steps"][0]
    compared = 0
    for name, own in (
        ("pre_activation", "pre_activation"), ("post_activation", "post_activation"),
        ("error_signal", "error_signal"), ("weight_gradient", "weight_gradient"),
        ("weights", "new_weights"), ("biases", "new_biases"), ("bias_gradient", "bias_gradient"),
    ):  # fmt: skip
        for layer, values in zip(step.get(name, []), expected[own], strict=False):
            flat = np.array(values).ravel().tolist()
            for leaf, value in zip(leaves(layer), flat, strict=True):
                room = leaf["bound"] + math.ulp(leaf["double"]) / 2
                assert abs(value - leaf["double"]) <= room, (name, value, leaf)
                compared += 1
    (leaf,) = leaves(step["error"])
    assert abs(expected["error"] - leaf["double"]) <= leaf["bound"] + math.ulp(leaf["double"]) / 2
    assert compared >= 4


def at_first_update(case, vectors):
    """Return the step that a run's first update is."""
    start, network_ = vectors["steps"][0]["starts_from"], case["network"]
    assert start["weights"] == network_["weights"]
    size = 1 if case["update"] == "online" else case.get("batch_size", len(case["samples"]))
    return {**case, "samples": case["samples"][:size]}


def test_an_engine_is_as_many_ulps_away_as_is_said():
    getcontext().prec = 120
    certified = certify(FIRST)
    nearest, most = 0, 0
    for place, cell in certified.cells.items():
        value = certified.held(place)
        if cell.claim.kind != "step":
            continue
        gap = abs(Decimal(value) - Decimal(cell.decimal))
        assert gap <= Decimal(cell.bound)
        ulps = float(gap / Decimal(math.ulp(cell.nearest)))
        assert cell.ulps(value) == pytest.approx(ulps, abs=1e-9)
        if gap:
            wanted = -math.log10(gap / abs(Decimal(cell.decimal)))
            assert cell.correct_digits(value) == pytest.approx(wanted, abs=1e-9)
        assert (value == cell.nearest) == (ulps <= 0.5)
        assert cell.share(value) == pytest.approx(float(gap / Decimal(cell.bound)))
        nearest, most = nearest + (value == cell.nearest), max(most, ulps)
    page = (TOP / "reference/engines.md").read_text("utf-8")
    row = re.search(r"\| training-step-3-4-1 \| 783 \| 0 · ([\d.]+) · [\d.]+ \|", page)
    assert float(row[1]) == round(most, 1)
    assert nearest < 63  # or the comparison would show nothing


def test_a_run_from_end_to_end_stays_near_the_doubles_but_is_not_them():
    certified = certify(TOP / "spreadsheets/series/12-training-program.xlsx", chained=True)
    assert certified.failed == {}
    gaps = [
        abs(certified.held(place) - cell.nearest)
        for place, cell in certified.cells.items()
        if cell.claim.quantity == "new_weights"
    ]
    assert 0 < max(gaps) < 1e-14


@settings(max_examples=200, deadline=None)
@given(st.integers(-(10**60), 10**60), st.integers(1, 10**60), st.integers(1, 60))
def test_digits_and_doubles_are_correctly_rounded(over, under, count):
    getcontext().prec = count
    exact = fmpq(over, under)
    assert enclosures.nearest(exact) == over / under == float(Fraction(over, under))
    getcontext().prec = count
    assert Decimal(enclosures.decimal(exact, count)) == Decimal(over) / Decimal(under)


@settings(max_examples=100, deadline=None)
@given(st.floats(-30, 30))
def test_functions_enclose_what_decimal_arithmetic_finds(x):
    getcontext().prec = 70
    value = Decimal(x)
    with enclosures.precision(200):
        exact = enclosures.exactly(x)
        pairs = [(enclosures.FUNCTIONS["EXP"](exact), value.exp())]
        up, down = value.exp(), (-value).exp()
        if abs(x) > 1e-5:
            tanh = (up - down) / (up + down)
            pairs.append((enclosures.FUNCTIONS["TANH"](exact), tanh))
        if x > 0:
            pairs += [(enclosures.logarithm(exact), value.ln()),
                      (enclosures.square_root(exact), value.sqrt())]  # fmt: skip
        for enclosure, wanted in pairs:
            low, high = (Fraction(int(e.p), int(e.q)) for e in enclosures.ends(enclosure))
            room = abs(Fraction(wanted)) / 10**50
            assert low - room <= Fraction(wanted) <= high + room


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        ("IF(0.5-0.25-0.25>0,1,2)", "2"),
        ("IF(EXP(0)-1>=0,7,8)", "7"),
        ("ROUND(2.5,0)+ROUND(-2.5,0)*10", "-27"),
        ("ROUND(EXP(1),3)", "2.718"),
        ("MAX(EXP(1),2,-3)-EXP(1)", "0"),
        ("SQRT(0.25)+LN(1)+TANH(0)", "0.5"),
        ("EXP(1)-EXP(1)", "0"),
        ('IF(A1="",4,5)', "4"),
        ("IF(AND(1>0,2>=2),1/3,0)", "0." + "3" * 50),
        ("-2*ABS(-0.5)", "-1"),
        ("SUM(B1:B2)-SUMPRODUCT(B1:B2,B1:B2)", "0.4375"),
    ],
)
def test_formulas_come_to_exactly_what_they_should(formula, wanted):
    book = made({(1, 9): formula}, {(1, 2): 0.75, (2, 2): 0.5})
    assert certify(book).at("S", "I1").decimal == wanted


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("IF(EXP(LN(2))>2,1,0)", UNDECIDED),
        ("EXP(LN(2))-2", UNDECIDED),
        ("1/(1-1)", "a division by 0"),
        ("LN(-1)", "LN of"),
        ("SQRT(0-1)", "SQRT of"),
        ("EXP(1000)", "larger than any double"),
        ("1+I1", "a circular reference"),
        ("MMULT(A1:B2,A1:B2)", "outside the function set"),
        ('1+"a"', "a text"),
    ],
)
def test_what_cannot_be_certified_is_said_and_not_guessed(formula, reason):
    certified = certify(made({(1, 9): formula}))
    assert not certified.cells
    (problem,) = certified.problems()
    assert problem.startswith("S!I1: ")
    assert reason in problem


def test_a_ball_is_never_taken_for_a_number_it_only_holds():
    with enclosures.precision(64):
        ball = arb(1, 1e-10)
        for question in (lambda: enclosures.sign(ball - 1), lambda: enclosures.rounded(ball, 12)):
            with pytest.raises(enclosures.UndecidedError):
                question()
        with pytest.raises(enclosures.UndecidedError):
            enclosures.nearest(ball)
        assert not enclosures.is_narrow(ball)


# the files


def test_every_single_step_has_its_vectors():
    wanted = {path.name for path in CASES.glob("*.json") if read_case(path).is_step()}
    have = {path.name for path in FILES}
    assert wanted <= have
    assert len(have - wanted) >= 3  # and a few runs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_are_valid_and_say_where_they_come_from(path):
    schema = loaded(TOP / "reference/schema/certified.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    found = loaded(path)
    jsonschema.Draft202012Validator(schema).validate(found)
    case = CASES / path.name
    said = found["provenance"]
    assert said["case_file"] == f"reference/cases/{path.name}"
    assert said["case_sha256"] == hashlib.sha256(case.read_bytes()).hexdigest()
    assert said["values_compared"] == len(list(leaves(found["steps"])))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(found | {"more": 1})


def test_the_checksums_are_those_of_the_files():
    lines = (FOLDER / "SHA256SUMS").read_text("utf-8").splitlines()
    said = dict(reversed(line.split("  ")) for line in lines)
    assert said == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in FILES}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_regenerating_changes_nothing(name):
    import regenerate  # noqa: PLC0415 - a script, of the developers

    path = FOLDER / f"{name}.json"
    assert regenerate._certified(CASES / path.name, path) == path.read_bytes()


@pytest.mark.slow
def test_regenerating_all_changes_nothing():
    import regenerate  # noqa: PLC0415 - a script, of the developers

    for path, data in regenerate.certified().items():
        assert path.read_bytes() == data, path.name


def test_another_version_of_a_library_is_no_change(tmp_path):
    import regenerate  # noqa: PLC0415 - a script, of the developers

    path = FOLDER / "series-3-4-1.json"
    target = tmp_path / path.name
    older = re.sub(r'"mpmath": "[^"]+"', '"mpmath": "0.1"', path.read_text("utf-8"))
    target.write_text(older, "utf-8")
    assert regenerate._certified(CASES / path.name, target).decode() == older
    target.write_text(older.replace('"decimal": "1', '"decimal": "2', 1), "utf-8")
    assert regenerate._certified(CASES / path.name, target) == path.read_bytes()


# planted faults


@pytest.mark.parametrize(
    ("cell", "formula"),
    [
        ("I12", "I23*O18"),  # gradientItoH from the new weightHtoO
        ("I14", "1/(1+EXP(-C12))*(1-1/(1+EXP(-C12)))"),  # fA′ of the post-activation
        ("I6", "0.01"),  # a value in place of a formula
        ("C35", "C33*C33"),  # the missing ½
        ("O6", "C6+$O$2*I6"),  # + for −
        ("I18", "I23*B19"),  # the wrong node
        ("C10", "B6*C6+B7*C7+B8*C8+1E-40"),  # far below what any double shows
    ],
)
@pytest.mark.slow
def test_a_wrong_formula_cannot_be_certified(cell, formula, tmp_path):
    book = changed(read_book(FIRST), "Step", **{cell: formula})
    result = agreement(certify(book))
    assert not result.agrees
    assert result.digits < 45


def test_a_wrong_workbook_gives_no_vectors(tmp_path):
    path = tmp_path / "wrong.xlsx"
    path.write_bytes(workbook_bytes(read_case(CASES / "mazur-2-2-2.json")))
    with pytest.raises(CertificationError, match=r"agree in \d+ digits"):
        document(read_case(CASES / "brownlee-2-2-2.json"), "0" * 64, path)


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (update.Network, "error", lambda self, y, t: sum((a - b) ** 2 for a, b in zip(y, t))),  # noqa: B905
        (update, "derivative", lambda function, at: at * 0),
        (update.Network, "activated", lambda self, k, pre: list(pre)),
    ],
)
def test_a_fault_in_the_second_route_is_seen_by_the_first(owner, name, fault, monkeypatch):
    monkeypatch.setattr(owner, name, fault)
    assert not agreement(certify(FIRST)).agrees


def test_a_fault_in_the_first_route_is_seen_by_the_second(monkeypatch):
    monkeypatch.setitem(enclosures.FUNCTIONS, "EXP", lambda x: arb(x).exp() * arb("1.0000001"))
    assert not agreement(certify(FIRST)).agrees


# the command


def test_the_table_measures_engines_on_certified_values(command):
    answer = command("verify", FIRST, "--engine", "formualizer", "--engine", "saved", "--table",
                     "--json")  # fmt: skip
    assert answer.code == 0
    rows = json.loads(answer.out)["table"]
    assert [row["engine"] for row in rows] == ["formualizer", "saved"]
    for row in rows:
        step = row["certified"]["step"]
        assert step["cells"] == step["within_bound"] == 63
        assert 15 < step["correct_digits"] < 16
        assert 0.5 < step["worst_ulp"] < 10
        assert 0 < step["worst_share_of_bound"] < 1
        assert row["uncertified"] == 0


def test_the_table_fits_a_terminal(command):
    answer = command("verify", FIRST, "--table")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "36/63" in answer.out


def test_a_wrong_workbook_gets_its_mismatches_and_no_table(command, tmp_path):
    path = tmp_path / "wrong.xlsx"
    with zipfile.ZipFile(FIRST) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<f>I23*C18</f>", b"<f>I23*O18</f>"))
    answer = command("verify", path, "--table")
    assert answer.code == 1
    assert "Step!I12" in answer.out
    assert "nearest" not in answer.out


def test_without_its_library_the_table_says_what_to_install(command, monkeypatch):
    from cellgrad.cli import verify  # noqa: PLC0415 - only here

    monkeypatch.setattr(verify, "find_spec", lambda _: None)
    answer = command("verify", FIRST, "--table")
    assert answer.code == 2
    assert "pip install 'cellgrad[proof]'" in answer.err
    assert answer.out == ""
