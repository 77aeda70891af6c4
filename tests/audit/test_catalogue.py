"""The catalogue of mistakes: its words, what its programs do, its pages, the probes' answers."""

import csv
import hashlib
import json
import re
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import cellgrad_audit.probes
from cellgrad.build import workbook_bytes
from cellgrad.case.model import read_case
from cellgrad.case.quantities import table
from cellgrad.errors import InputError
from cellgrad.mlp import training_run
from cellgrad_audit.bugs import catalogue, pairs
from cellgrad_audit.bugs.arithmetic import RunningBounds
from cellgrad_audit.bugs.catalogue import (
    ALTERNATIVE,
    CONVENTION,
    MISTAKE,
    PRECISION,
    by_id,
    chapters,
    entries,
    variants,
)
from cellgrad_audit.bugs.mistakes import PROGRAMS, mistake
from cellgrad_audit.bugs.pages import LABELS, catalogue_text, first_of, separation_text
from cellgrad_audit.bugs.pairs import SAME
from cellgrad_audit.bugs.program import Program
from cellgrad_audit.probes import certified_final, final_document, unfit
from hostile import ROOT

WORDS = ROOT / "reference" / "bugs.toml"
PROBES = ROOT / "reference" / "probes"
FIRST = ("probe-online", "probe-batch")
IDS = [entry.id for entry in entries()]

# E, E_sample and P are computed from the others and go nowhere
REPORTED = {"sample_error", "error", "penalty"}


@cache
def probe(name):
    return read_case(PROBES / f"{name}.json")


@cache
def probes():
    files = {path.stem for path in PROBES.glob("probe-*.json")}
    return tuple(probe(name) for name in (*FIRST, *sorted(files - set(FIRST))))


@cache
def measured():
    return pairs.measure(probes())


@cache
def right(case_id):
    return Program(probe(case_id)).run()


# the words


def test_every_mistake_of_the_list_of_research_is_an_entry():
    # the rows of the list that the catalogue began with
    rows = """sign-of-exponent no-hidden-activation no-output-activation bias-after-activation
    bias-per-term weights-read-transposed activation-for-derivative-output
    activation-for-derivative-everywhere activation-for-derivative-hidden no-output-derivative
    no-hidden-derivative derivative-of-post-activation derivative-from-pre derivative-sign
    derivative-precedence hidden-uses-output-derivative error-flipped loss-doubled
    loss-averaged-over-outputs loss-value-for-error absolute-error error-from-pre-activation
    updated-output-weights no-output-weight output-weight-index output-weights-transposed
    output-weights-summed hidden-skips-output-derivative activation-for-error-signal
    one-output-only chain-dropped one-gradient-for-both no-input-factor no-post-activation-factor
    layer-frozen last-node-skipped bias-frozen bias-gradient-summed bias-gradient-mean
    learning-rate-missing learning-rate-squared updated-twice update-in-inner-loop
    assigned-not-subtracted row-shifted last-sample-only sum-for-mean mean-twice online-for-batch
    batch-for-online accumulator-not-reset cache-aliased momentum-holds-learning-rate
    momentum-averaged momentum-fake weight-decay-doubled weight-decay-on-biases
    weight-decay-decoupled weight-decay-sign softmax-twice low-precision step-count-off-by-one"""
    assert set(rows.split()) <= set(IDS)


def test_ids_are_unique_and_names_of_variants_within_an_entry():
    assert len(set(IDS)) == len(IDS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in IDS)
    for entry in entries():
        assert len({v.name for v in entry.variants}) == len(entry.variants), entry.id
        assert {v.entry for v in entry.variants} == {entry.id}


@pytest.mark.parametrize("entry", entries(), ids=IDS)
def test_the_words_of_an_entry_are_complete(entry):
    assert entry.title
    assert entry.wrong
    assert entry.right
    assert entry.wrong != entry.right
    assert entry.kind in {MISTAKE, CONVENTION, ALTERNATIVE, PRECISION}
    for text in (entry.why, entry.fix, *(seen.what for seen in entry.seen)):
        assert text == text.strip()
        assert "  " not in text
    assert entry.why.endswith((".", ")"))
    assert entry.fix.endswith(".")
    assert not entry.title.endswith(".")
    assert set(first_of(entry)) <= set(LABELS)
    assert all(re.fullmatch(r"https://[^\s)]+", seen.url) for seen in entry.seen)
    assert entry.declare is None or entry.kind == CONVENTION


def test_labels_are_those_of_the_sheets():
    known = {}
    for case in probes():
        for (name, _), quantity in table(case.structure_of(case.batch())).items():
            known.setdefault(name, set()).add(quantity.label)
    for name, label in LABELS.items():
        bare = label.rstrip(")")
        assert any(sheet.startswith(bare) for sheet in known[name]), name


def test_the_words_are_what_their_schema_says(tmp_path, monkeypatch):
    catalogue.check_words()
    for old, new, place in (
        ("fix = ", "remedy = ", "forward.sign-of-exponent"),
        ('first = "post_activation"', 'first = "posts"', "forward.sign-of-exponent.first"),
        ("[forward]", "[forward_pass]", "the document"),
    ):
        put_words(tmp_path, monkeypatch, (old, new))
        with pytest.raises(InputError, match="bugs") as refused:
            catalogue.check_words()
        assert refused.value.place == place


def test_every_entry_has_words_and_a_program():
    assert set(PROGRAMS) == set(IDS)
    with pytest.raises(TypeError, match="its program already"):
        mistake("error-flipped", "error_of_outputs")


def put_words(tmp_path, monkeypatch, *changes):
    text = WORDS.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "bugs.toml"
    path.write_text(text, "utf-8")
    monkeypatch.setattr(catalogue, "words_file", lambda: path)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[forward.sign-of-exponent]", "[forward.no-such-mistake]", "no-such-mistake"),
        ("{ no_slope = true }", "{ nothing = true }", "no private attribute .*nothing"),
        ('{ at = "first layer" }', '{ at = "first layer", much = 1 }', "much"),
        ("why = ", "wy = ", "'why'"),
        ("[forward]", "[forward", "not TOML"),
    ],
)
def test_words_that_do_not_belong_to_the_programs_are_refused(
    tmp_path, monkeypatch, old, new, problem
):
    put_words(tmp_path, monkeypatch, (old, new))
    with pytest.raises(InputError, match=problem):
        catalogue.chapters.__wrapped__()


def test_line_ends_within_a_text_count_as_spaces(tmp_path, monkeypatch):
    change = ('fix = "Write EXP(−x), and', 'fix = """\nWrite EXP(−x),\nand')
    rest = ('is 0.88, not 0.12."', 'is 0.88, not 0.12."""')
    put_words(tmp_path, monkeypatch, change, rest)
    broken = catalogue.chapters.__wrapped__()["The forward pass"][0]
    assert broken.fix == by_id()["sign-of-exponent"].fix


# what the programs do

LIKE_OTHERS = {"probe-plain", "probe-one-output", "probe-saturated", "probe-binary"}
"""Probes on which no quantity is computed otherwise than on the other five."""


def differs(mine, theirs, exact):
    """Whether two arrays differ; where one covers more samples, in those that both have."""
    if mine.shape[:1] != theirs.shape[:1] and mine.shape[1:] == theirs.shape[1:]:
        shared = min(len(mine), len(theirs))
        mine, theirs = mine[:shared], theirs[:shared]
    if mine.shape != theirs.shape:
        return True
    with np.errstate(all="ignore"):
        near = np.abs(mine - theirs) <= (0 if exact else 1e-9 * (1 + np.abs(theirs)))
    return not bool(np.all(near | (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))))


def first_difference(program, case, *, exact):
    """Return the name of the first quantity in which a program leaves the right one."""
    with np.errstate(all="ignore"):
        mine, theirs = program(case).run(), right(case.id)
    order = [key for key in table(case.structure_of(case.batch())) if key[0] not in REPORTED]
    for ours, others in zip(mine.steps, theirs.steps, strict=False):
        for key in order:
            # what only one of them has is another way to write it down, not another number
            if key in ours and key in others and differs(ours[key], others[key], exact):
                return key[0]
    for name, ours, others in (
        ("new_weights", mine.weights, theirs.weights),
        ("new_biases", mine.biases or [], theirs.biases or []),
    ):
        if any(differs(a, b, exact) for a, b in zip(ours, others, strict=True)):
            return name
    return ""


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_first_wrong_quantity_of_every_variant_is_the_one_that_the_words_name(every):
    order = list(LABELS)
    cases = [case for case in probes() if every or case.id not in LIKE_OTHERS]
    for variant in variants():
        exact = by_id()[variant.entry].kind in {ALTERNATIVE, PRECISION}
        found = {c.id: first_difference(variant.program, c, exact=exact) for c in cases}
        shown = {name for name in found.values() if name}
        place = (variant.entry, variant.name, found)
        # it is the first one somewhere, and nothing before it ever differs
        assert variant.first in shown, place
        assert all(order.index(name) >= order.index(variant.first) for name in shown), place


def test_a_first_wrong_quantity_that_is_not_the_first_is_noticed():
    program = by_id()["no-hidden-derivative"].variants[0].program
    assert first_difference(program, probe("probe-online"), exact=False) != "error_signal"
    assert first_difference(Program, probe("probe-online"), exact=True) == ""


def test_no_variant_fails_on_any_case_of_the_project():
    paths = [ROOT / "reference" / "cases" / f"{name}.json" for name in CASES]
    for case in map(read_case, paths):
        with np.errstate(all="ignore"):
            for variant in variants():
                variant.program(case, keep=False).run()


CASES = ("series-3-4-1", "softmax-3-4-3", "xor-2-2-1", "leaky-3-4-2", "deep-tanh-2-3-3-3-1")


@pytest.mark.slow
def test_no_variant_fails_with_numbers_that_carry_bounds():
    for case in probes():
        with np.errstate(all="ignore"):
            for variant in variants():
                variant.program(case, RunningBounds()).run()


def test_a_declared_convention_is_what_the_right_program_then_does():
    # of the variants one is what the case can say
    for entry in entries():
        if entry.declare is None:
            continue
        shown = 0
        for case in probes():
            declared = entry.declare(case)
            said = np.concatenate([w.ravel() for w in Program(declared).run().weights])
            done = [v.program(case).run().weights for v in entry.variants]
            made = [np.concatenate([w.ravel() for w in weights]) for weights in done]
            if declared != case:
                shown += 1
                assert min(np.abs(one - said).max() for one in made) < SAME, (entry.id, case.id)
        assert shown, entry.id


# what the probes tell apart


@pytest.mark.slow
def test_the_probes_show_every_entry_but_those_that_nothing_can_show():
    gaps = measured().programs()[0]
    unseen = {
        name
        for name, block in zip(pairs.names()[1:], pairs.blocks_of_entries()[1:], strict=True)
        if gaps[block].min() <= SAME
    }
    same_mathematics = {entry.id for entry in entries() if entry.kind == ALTERNATIVE}
    assert unseen == same_mathematics | {"error-sign-convention"}


def test_the_probes_tell_every_two_entries_apart_where_the_mathematics_differs():
    between = measured().entries()
    same = {n for n, name in enumerate(pairs.names()) if between[0, n] <= SAME}
    ties = {tuple(sorted(pair)) for pair in zip(*np.nonzero(between <= SAME), strict=True)}
    assert all(a == b or {a, b} <= same for a, b in ties)


def test_the_matrix_that_is_shipped_is_what_the_programs_come_to():
    with (PROBES / "separation.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert tuple(head[1:]) == tuple(row[0] for row in rows) == pairs.names()
    shipped = np.array([[float(cell) for cell in row[1:]] for row in rows])
    found = measured().entries()
    assert np.array_equal(shipped, shipped.T)
    ran_away = shipped == np.inf
    assert np.all(found[ran_away] > 0.99e9)
    # three digits are shipped; another mathematical library may round the last one otherwise
    assert np.allclose(found[~ran_away], shipped[~ran_away], rtol=6e-3, atol=2 * SAME)


def test_groups_of_like_programs_are_counted_as_what_hangs_together():
    gaps = np.abs(np.subtract.outer(np.array([0, 1, 2, 9]), np.array([0, 1, 2, 9])))
    assert [pairs.classes(gaps.astype(float), d) for d in (0.5, 1, 6.9, 7)] == [4, 2, 2, 1]


def test_every_probe_but_the_saturated_one_is_fit():
    for case in probes():
        assert bool(unfit(case)) == (case.id == "probe-saturated"), (case.id, unfit(case))


# the pages


def between_markers(name, marker):
    text = (ROOT / "reference" / name).read_text("utf-8")
    found = re.search(rf"<!-- {marker}: begin -->\n(.*)\n<!-- {marker}: end -->", text, re.DOTALL)
    return found[1]


def test_the_page_of_mistakes_is_made_from_the_table():
    assert between_markers("bugs.md", "catalogue") == catalogue_text(probes())


def test_the_page_of_what_is_told_apart_is_computed():
    # numbers may round otherwise elsewhere; words, marks and ties do not
    def words(text):
        return re.sub(r"\d\.\de[-+]\d\d", "#", text)

    page = between_markers("separation.md", "separation")
    assert words(page) == words(separation_text(measured()))
    assert "not accounted for" not in page


def test_every_link_of_the_pages_leads_somewhere():
    for name in ("bugs.md", "separation.md", "probes/README.md"):
        page = ROOT / "reference" / name
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            if target.startswith("https://"):
                continue
            path, _, anchor = target.partition("#")
            linked = page if not path else (page.parent / path).resolve()
            assert linked.exists(), (name, target)
            if anchor:
                headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
                assert anchor in slugs, (name, target)


def test_entries_that_the_prose_names_exist():
    prose = (ROOT / "reference" / "bugs.md").read_text("utf-8").partition("<!-- catalogue")[0]
    named = set(re.findall(r"\| .* \|$", prose, re.MULTILINE))
    ids = {name for line in named for name in re.findall(r"`([a-z-]+)`", line)}
    assert ids
    assert ids <= set(IDS)


def test_every_chapter_has_a_heading_and_every_entry_its_place():
    text = between_markers("bugs.md", "catalogue")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[1:] == list(chapters())
    assert re.findall(r"^### (.+)$", text, re.MULTILINE) == IDS


# the certified answers


def documents():
    return {p.stem: json.loads(p.read_text("utf-8")) for p in (PROBES / "certified").glob("*")}


def leaves(value):
    if isinstance(value, dict):
        yield value
    else:
        for item in value or ():
            yield from leaves(item)


def test_every_probe_has_certified_answers_of_its_own_file():
    found = documents()
    assert set(found) == {case.id for case in probes()}
    for name, document in found.items():
        file = (PROBES / f"{name}.json").read_bytes()
        assert document["provenance"]["case_sha256"] == hashlib.sha256(file).hexdigest()
        assert document["provenance"]["digits_agreed"] == 50
        assert document["updates"] == probe(name).updates() <= 5


def test_the_three_ways_to_write_a_certified_number_say_the_same():
    for document in documents().values():
        for leaf in [*leaves(document["weights"]), *leaves(document["biases"])]:
            assert float(Fraction(leaf["decimal"])) == leaf["double"]
            assert float.fromhex(leaf["hex"]) == leaf["double"]
            assert 0 <= leaf["bound"] < 1e-13
            assert leaf["bound"] <= leaf["bound_float32"] < 1e-4


def beyond(case, layers, precision="float64"):
    """Return the largest share of their bounds by which weights and biases are away."""
    document, wanted = documents()[case.id], certified_final(case.id)
    name = "bound" if precision == "float64" else "bound_float32"
    shares = [0.0]
    for kind, own in zip(("weights", "biases"), layers, strict=True):
        for k, found in enumerate(own or ()):
            exact, certified = wanted[kind, k], document[kind][k]
            bounds = np.reshape([leaf[name] for leaf in leaves(certified)], exact.shape)
            # the nearest double is half a unit of its last place away
            gap = np.abs(np.asarray(found) - exact) - np.spacing(np.abs(exact)) / 2
            shares.append(float(np.max(gap / np.where(bounds > 0, bounds, 1e-300))))
    return max(shares)


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_mlp_and_the_catalogues_right_program_reach_the_certified_answers(name):
    case = probe(name)
    *_, last = training_run(case)
    assert beyond(case, (last.step.new_weights, last.step.biases_after)) <= 1
    record = right(name)
    assert beyond(case, (record.weights, record.biases)) <= 1


def test_an_answer_that_is_off_by_little_is_beyond_the_bounds():
    for case in probes():
        record = right(case.id)
        weights = [w.copy() for w in record.weights]
        weights[-1][-1, -1] += 1e-13
        assert beyond(case, (weights, record.biases)) > 1, case.id


def test_single_precision_stays_within_its_own_bounds_only():
    class Singles(Program):
        def moved(self, parameter, value, gradient):
            return super().moved(parameter, value, gradient).astype(np.float32).astype(float)

    for case in probes():
        record = Singles(case).run()
        assert beyond(case, (record.weights, record.biases), "float32") <= 1, case.id
        assert beyond(case, (record.weights, record.biases)) > 1, case.id


def test_no_other_case_has_certified_final_answers():
    assert certified_final("series-3-4-1") is None
    assert certified_final("../../cases/series-3-4-1") is None
    assert certified_final("") is None


def test_a_damaged_file_of_answers_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(cellgrad_audit.probes, "folder", lambda: tmp_path)
    (tmp_path / "certified").mkdir()
    for number, text in enumerate(("", "[]", "{}", '{"schema": "other/1"}', '{"schema": 1')):
        (tmp_path / "certified" / f"probe-damaged-{number}.json").write_text(text, "utf-8")
        with pytest.raises(InputError, match="install cellgrad again"):
            certified_final(f"probe-damaged-{number}")


@pytest.mark.slow
def test_certifying_anew_gives_the_shipped_answers(tmp_path):
    for name, shipped in documents().items():
        workbook = tmp_path / f"{name}.xlsx"
        workbook.write_bytes(workbook_bytes(probe(name)))
        sha256 = shipped["provenance"]["case_sha256"]
        found = final_document(probe(name), sha256, workbook)
        found["provenance"]["tools"] = shipped["provenance"]["tools"]
        for key in ("weights", "biases"):
            for new, old in zip(leaves(found[key]), leaves(shipped[key]), strict=True):
                assert new["decimal"] == old["decimal"]
                assert new["bound"] == pytest.approx(old["bound"], rel=2e-3)
        assert found["provenance"] == shipped["provenance"]
