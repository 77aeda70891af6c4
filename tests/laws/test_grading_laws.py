"""Laws of fair grading over any network: what holds whichever cells are wrong, and how."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from cellgrad.case.model import Case, Network, Optimizer, Sample
from cellgrad.mlp import training_run
from cellgrad_coursework.model import OK, OK_ECF, REVIEW
from cellgrad_coursework.rehearsal.mistakes import mistakes_of
from grading_oracle import differs
from plain_submission import (
    HIDDEN,
    OUTPUTS,
    REFERENCE,
    assignment,
    case_of,
    grader_of,
    right_cells,
    verdicts,
    workbook,
)
from template_cells import Terms
from typed_chain import another, typed_chain, unclear

GOOD = (OK, OK_ECF)
hundredths = st.integers(11, 99).map(lambda n: n / 100)
signed = st.builds(lambda size, sign: sign * size, hundredths, st.sampled_from((1, -1)))


def laws(examples):
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),  # making an example smaller takes minutes
    )


@st.composite
def networks(draw, rates=(0.5, 0.25, 1.5)):
    """Draw a case of a small network, of any kind that an assignment may have."""
    loss = draw(st.sampled_from(sorted(OUTPUTS)))
    nodes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    if loss == "categorical_cross_entropy":
        nodes[-1] = max(2, nodes[-1])
    layers = range(len(nodes) - 1)
    hidden = [draw(st.sampled_from(HIDDEN)) for _ in layers[1:]]
    biases = draw(st.booleans())
    samples = draw(st.integers(1, 2))

    def row(count, numbers=signed):
        return tuple(draw(numbers) for _ in range(count))

    def target():
        if loss == "categorical_cross_entropy":
            return (1.0, *[0.0] * (nodes[-1] - 1))
        return row(nodes[-1], hundredths)

    return Case(
        id="drawn", title="Drawn",
        network=Network(
            tuple(nodes),
            (*hidden, draw(st.sampled_from(OUTPUTS[loss]))),
            tuple(tuple(row(nodes[k + 1]) for _ in range(nodes[k])) for k in layers),
            tuple(row(count) for count in nodes[1:]) if biases else None,
        ),
        loss=loss,
        samples=tuple(Sample(row(nodes[0]), target()) for _ in range(samples)),
        update="online" if samples == 1 else draw(st.sampled_from(("batch_sum", "batch_mean"))),
        learning_rate=draw(st.sampled_from(rates)),
        optimizer=Optimizer(weight_decay=draw(st.sampled_from((0.0, 0.25)))),
    )  # fmt: skip


def catalogued(manifest):
    """Return the catalogue's wrong formulas, by cell."""
    case = next(iter(manifest.handouts.values())).case
    found = {}
    for each in mistakes_of(manifest, case):
        found.setdefault(manifest.cells[each.cell].address, {})[each.formula] = None
    return {address: sorted(formulas) for address, formulas in found.items()}


@st.composite
def slips(draw, manifest, cell):
    """Draw a formula that a slip of the pen makes of the right one: it need not be wrong."""
    formula = cell.formula
    before = [c.address for c in manifest.cells[: manifest.cells.index(cell)]]
    known = [*(g.address for g in manifest.givens), *before]
    places = [m.span() for m in REFERENCE.finditer(formula)]
    signs = [m.start() for m in re.finditer(r"(?<=[\dA-Z)])[-+*/](?=[\dA-Z($])", formula)]
    kind = draw(st.sampled_from(["operand", "sign", "factor", "shift"]))
    if kind == "operand" and places:
        start, end = draw(st.sampled_from(places))
        return formula[:start] + draw(st.sampled_from(known)) + formula[end:]
    if kind == "sign" and signs:
        at = draw(st.sampled_from(signs))
        return formula[:at] + draw(st.sampled_from("-+*/")) + formula[at + 1 :]
    if kind == "factor":
        return f"({formula})*{draw(st.sampled_from([2, -1, 0.5, 1]))}"
    return f"({formula})+{draw(st.sampled_from(known))}"


def wrong_for(data, manifest, cell):
    """Draw a formula for a cell: one of the catalogue's, or a slip."""
    known = catalogued(manifest).get(cell.address, [])
    if known and data.draw(st.booleans(), "catalogued"):
        return data.draw(st.sampled_from(known), cell.label)
    return data.draw(slips(manifest, cell), cell.label)


def one_wrong_cell(case, data):
    manifest = assignment(case)
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    formula = wrong_for(data, manifest, cell)
    found = grader_of(manifest).grade(workbook(manifest, {cell.address: f"={formula}"}), "x")
    said = verdicts(found)
    wrong = differs(manifest, cell, formula)
    assert (said[cell.address].verdict in GOOD) is not wrong
    assert all(v.verdict in GOOD for address, v in said.items() if address != cell.address)
    assert found.score == manifest.points - wrong


@laws(4)
@given(networks(), st.data())
def test_one_wrong_cell_costs_exactly_itself(case, data):
    one_wrong_cell(case, data)


@pytest.mark.slow
@laws(200)
@given(networks(), st.data())
def test_one_wrong_cell_costs_exactly_itself_in_many_networks(case, data):
    one_wrong_cell(case, data)


@pytest.mark.slow
@laws(150)
@given(networks(), st.data())
def test_however_many_cells_are_wrong_the_others_keep_their_credit(case, data):
    manifest = assignment(case)
    chosen = data.draw(st.lists(st.sampled_from(manifest.cells), unique=True, max_size=8), "cells")
    changes = {}
    for cell in chosen:
        content = data.draw(st.sampled_from(["formula", "number", "text", "nothing"]), "content")
        changes[cell.address] = {
            "formula": "=" + wrong_for(data, manifest, cell),
            "number": data.draw(signed), "text": "?", "nothing": None,
        }[content]  # fmt: skip
    found = grader_of(manifest).grade(workbook(manifest, changes), "x")
    for address, said in verdicts(found).items():
        if address not in changes:
            assert said.verdict in GOOD
            assert said.points == said.cell.points
        elif not isinstance(changes[address], str) or changes[address] == "?":
            assert not said.points
    assert found.score >= manifest.points - len(changes)


CONVENTIONS = (
    "error-sign-convention",
    "loss-doubled",
    "sum-for-mean",
    "mean-for-sum",
    "bias-frozen",
)


def other_forms(cell):
    """Return what a convention may have in a cell."""
    right, kind = cell.formula, cell.quantity
    forms = []
    if kind == "final_error":
        forms.append("-".join(reversed(right.split("-"))))
    if kind in ("new_weights", "new_biases"):
        forms.append(right.replace("-$", "+$"))
    if kind == "new_biases":
        forms.append(right.partition("-")[0])
    if kind in ("weight_gradient", "bias_gradient", "error"):
        forms.append(right.rpartition("/")[0])
    return [form for form in forms if form and form != right]


@pytest.mark.slow
@laws(80)
@given(networks(), st.data())
def test_accepting_conventions_costs_nobody_anything(case, data):
    penalty = data.draw(st.sampled_from((0.0, 0.5)), "penalty")
    plain = assignment(case, ecf_penalty=penalty)
    chosen = data.draw(st.lists(st.sampled_from(plain.cells), unique=True, max_size=2), "cells")
    changes = {c.address: "=" + wrong_for(data, plain, c) for c in chosen}
    by_convention = [(c.address, f"={f}") for c in plain.cells for f in other_forms(c)]
    if by_convention:
        changes |= dict(data.draw(st.lists(st.sampled_from(by_convention), max_size=8), "others"))
    data_of = workbook(plain, changes)
    accepting = assignment(case, ecf_penalty=penalty, conventions=CONVENTIONS)
    key = grader_of(plain).grade(data_of, "x")
    found = grader_of(accepting).grade(data_of, "x")
    if not found.notes:
        assert found.verdicts == key.verdicts
        return
    ranks = [(round(each.score, 9), -len(each.roots)) for each in (found, key)]
    assert ranks[0] > ranks[1]
    if len(changes) == 1:  # it was the convention's own formula: nothing else is held against it
        assert {v.verdict for v in found.verdicts} <= set(GOOD)


@pytest.mark.slow
@laws(80)
@given(networks(), st.data())
def test_what_follows_from_an_open_question_counts_and_says_so(case, data):
    manifest = assignment(case, ecf_penalty=0.5)
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    wrong = data.draw(st.none() | st.sampled_from(manifest.cells), "wrong")
    changes = (
        {} if wrong in (None, cell) else {wrong.address: "=" + wrong_for(data, manifest, wrong)}
    )
    known = verdicts(grader_of(manifest).grade(workbook(manifest, changes), "x"))
    changes[cell.address] = f"={cell.formula}+0*RAND()"
    found = grader_of(manifest).grade(workbook(manifest, changes), "x")
    said = verdicts(found)
    assert said[cell.address].verdict == REVIEW
    reached, grown = {cell.address}, True
    reads = {c.address: set(REFERENCE.findall(c.formula.replace("$", "")))
             for c in (*manifest.cells, *manifest.fixed)}  # fmt: skip
    while grown:
        more = {a for a, r in reads.items() if any("".join(x) in reached for x in r)} - reached
        grown, reached = bool(more), reached | more
    for address, one in said.items():
        if address in {*changes}:
            continue
        assert one.verdict == (OK_ECF if address in reached else known[address].verdict)
        assert one.points == known[address].points  # neither better nor worse than without it
        if address in reached and known[address].verdict == OK:
            assert one.cause == cell.address


@pytest.mark.slow
@laws(60)
@given(networks(rates=(0.5, 1e-3, 1e-6)), st.data())
def test_an_unchanged_weight_never_passes(case, data):
    decimals = data.draw(st.integers(0, 12), "decimals")
    updates = ("new_weights", "new_biases")
    ask = _ask_for(decimals)
    manifest = assignment(case, ask)
    old = {
        (f"new_{given.quantity}", given.layer, given.index): given.address
        for given in manifest.givens
    }
    right, numbers_of = right_cells(manifest), next(training_run(case)).step.results()
    cells = [
        cell for cell in manifest.cells
        if cell.quantity in updates
        # where hardly anything changes nobody can tell: no handout has such numbers
        and abs(
            float(numbers_of[cell.quantity, cell.layer][cell.index])
            - right[old[cell.quantity, cell.layer, cell.index]]
        ) > 1e-11
    ]  # fmt: skip
    formulas, numbers = {}, {}
    for cell in cells:
        address = old[cell.quantity, cell.layer, cell.index]
        formulas[cell.address], numbers[cell.address] = f"={address}", right[address]
    for changes in (formulas, numbers, {a: round(x, max(decimals, 1)) for a, x in numbers.items()}):
        said = verdicts(grader_of(manifest).grade(workbook(manifest, changes), "x"))
        for cell in cells:
            assert said[cell.address].verdict not in GOOD, cell.label
            assert not said[cell.address].points


_TERMS = {n: Terms("value", n) for n in range(13)}


def _ask_for(decimals):
    return _ASKS.setdefault(decimals, lambda _key, _index: _TERMS[decimals])


_ASKS = {}


def typed_by(case, data, **policy):
    """Draw how a student types a chain of numbers: the assignment, and how they round."""
    decimals = data.draw(st.integers(4, 6), "decimals")
    at_each_step = data.draw(st.booleans(), "rounds at each step")
    manifest = assignment(case, _ask_for(decimals), **policy)
    return manifest, decimals, {"decimals": decimals, "at_each_step": at_each_step}


def costs_only(manifest, typed, wrong, doubtful):
    """Check that of some typed numbers only the wrong ones cost anything; return the grade."""
    found = grader_of(manifest).grade(workbook(manifest, typed), "x")
    said = verdicts(found)
    for address, one in said.items():
        if address in wrong:
            assert not one.points
        elif address not in doubtful:
            assert one.verdict in GOOD, (address, one.value, one.right)
            assert one.points == one.cell.points
    lost = {a for a, one in said.items() if not one.points}
    assert found.score == manifest.points - len(lost)
    assert lost <= {*wrong, *doubtful}
    return found


@pytest.mark.slow
@laws(150)
@given(networks(rates=(0.5, 1.5)), st.data())
def test_typed_numbers_follow_however_they_were_rounded(case, data):
    manifest, decimals, how = typed_by(case, data)
    typed = typed_chain(manifest, **how)
    costs_only(manifest, typed, (), unclear(manifest, typed, decimals, zeros=False))
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    typed = typed_chain(manifest, wrong={cell.address: another}, **how)
    doubtful = unclear(manifest, typed, decimals, zeros=True)
    costs_only(manifest, typed, {cell.address}, doubtful)


@pytest.mark.slow
@laws(60)
@given(networks(rates=(0.5, 1.5)), st.data())
def test_what_follows_from_rounding_alone_loses_no_penalty(case, data):
    manifest, decimals, how = typed_by(case, data, ecf_penalty=0.5)
    typed = typed_chain(manifest, **how)
    found = costs_only(manifest, typed, (), unclear(manifest, typed, decimals, zeros=False))
    assert not {v.cause for v in found.verdicts} - {""}


@pytest.mark.slow
@laws(100)
@given(networks(rates=(0.5, 1.5)), st.data())
def test_typed_numbers_follow_by_an_accepted_convention(case, data):
    case = replace(case, optimizer=Optimizer())
    manifest, decimals, how = typed_by(case, data, conventions=("error-sign-convention",))
    kinds = ("final_error", "new_weights", "new_biases")
    forms = {c.address: other_forms(c)[0] for c in manifest.cells if c.quantity in kinds}
    assume(any(c.quantity == "final_error" for c in manifest.cells))
    typed = typed_chain(manifest, forms=forms, **how)
    doubtful = unclear(manifest, typed, decimals, zeros=False)
    assume(not doubtful)
    found = costs_only(manifest, typed, (), ())
    assert found.notes
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    typed = typed_chain(manifest, wrong={cell.address: another}, forms=forms, **how)
    doubtful = unclear(manifest, typed, decimals, zeros=True)
    assume(not doubtful)
    costs_only(manifest, typed, {cell.address}, ())


@pytest.mark.slow
@laws(60)
@given(networks(), st.data())
def test_stored_values_change_no_verdict(case, data):
    manifest = assignment(case)
    cell = data.draw(st.sampled_from(manifest.cells), "cell")
    changes = {cell.address: "=" + wrong_for(data, manifest, cell)}
    addresses = [c.address for c in (*manifest.cells, *manifest.fixed)]
    stored = data.draw(st.dictionaries(st.sampled_from(addresses), st.floats(-1e9, 1e9)), "stored")
    grader = grader_of(manifest)
    plain = verdicts(grader.grade(workbook(manifest, changes), "x"))
    forged = verdicts(grader.grade(workbook(manifest, changes, stored=stored), "x"))
    assert {a: (v.verdict, v.points) for a, v in plain.items()} == {
        a: (v.verdict, v.points) for a, v in forged.items()
    }


@pytest.mark.parametrize("name", ["series-3-4-1", "bce-3-3-2"])
@pytest.mark.parametrize("tolerances", [1.2, 3.0, 8.0])
def test_numbers_that_are_next_to_nothing_follow_from_nothing(name, tolerances):
    manifest = assignment(case_of(name), _ask_for(4))
    numbers = {
        cell.address: tolerances * 5e-5 + (n % 40) * 1e-7 for n, cell in enumerate(manifest.cells)
    }
    found = grader_of(manifest).grade(workbook(manifest, numbers), "x")
    assert not [v for v in found.verdicts if v.verdict == OK_ECF]


@pytest.mark.parametrize("formula", ["SUMPRODUCT(B6:B7,C6:C7)", "B6*C6+B7*C7", "C6-I6"])
def test_one_array_formula_over_the_sheet_is_no_mistake_made_once(formula):
    manifest = assignment(case_of("series-3-4-1"))
    cells = dict.fromkeys(cell.address for cell in manifest.cells)
    cells["C10"] = f'<f t="array" ref="C10:R40">{formula}</f>'
    found = grader_of(manifest).grade(workbook(manifest, cells), "x")
    assert found.score <= 2
