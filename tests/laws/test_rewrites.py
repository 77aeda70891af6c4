"""Right formulas in other words get full credit, whichever program wrote the file."""

import io
import random
import re
import subprocess
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.formula import ArrayFormula

from cellgrad.build import workbook_bytes
from cellgrad.formula.parse import parse
from cellgrad.formula.references import range_of
from cellgrad.formula.tree import FormulaError, Spill, text_of
from cellgrad.xlsx.addresses import Range, a1, parse_a1
from cellgrad_coursework.formulas.evaluate import Formulas, World, evaluate
from cellgrad_coursework.formulas.functions import FUNCTIONS, Logical
from cellgrad_coursework.grading.book import unwrapped
from cellgrad_coursework.grading.following import typed_number
from cellgrad_coursework.model import OK, OK_ECF
from plain_submission import (
    REFERENCE,
    TOKEN,
    assignment,
    case_of,
    grader_of,
    key_numbers,
    random_case,
    right_cells,
    verdicts,
    workbook,
)

STEP = case_of("series-3-4-1")


@pytest.fixture(scope="module")
def manifest():
    return assignment(STEP)


# rewrites: each makes of a right formula another text with the same meaning


def operands(formula):
    return [m[0] for m in REFERENCE.finditer(formula)]


def absolute(formula):
    return REFERENCE.sub(lambda m: f"${m[1]}${m[2]}", formula)


def half_absolute(formula):
    return REFERENCE.sub(lambda m: f"{m[1]}${m[2]}", formula)


def relative(formula):
    return formula.replace("$", "")


def on_its_sheet(formula):
    return REFERENCE.sub(lambda m: f"Step!{m[0]}", formula)


def in_quotes(formula):
    return REFERENCE.sub(lambda m: f"'Step'!{m[0]}", formula)


def lower_case(formula):
    return formula.lower()


def bracketed(formula):
    return REFERENCE.sub(lambda m: f"(({m[0]}))", formula)


def spaced(formula):
    return re.sub(r"([-+*/,])", r" \1 ", formula)


def doubled_and_halved(formula):
    return f"2*({formula})/2"


def negated_twice(formula):
    return f"-(-({formula}))"


def there_and_back(formula):
    return f"({formula})+$O$2-$O$2"


def percent(formula):
    return f"({formula})*100%"


def as_sum(formula):
    return f"SUM({formula})"


def as_average(formula):
    return f"AVERAGE({formula},{formula})"


def as_product(formula):
    return f"PRODUCT({formula},1)"


def in_a_condition(formula):
    return f"IF(1>0,{formula},0)"


def with_iferror(formula):
    return f"IFERROR({formula},0)"


def with_prefix(formula):
    return f"_xlfn.IFS(TRUE,{formula})"


def through_logarithms(formula):
    return f"IF(({formula})>0,EXP(LN(({formula}))),{formula})"


def root_of_square(formula):
    return f"SIGN({formula})*SQRT(({formula})^2)"


def reversed_sum(formula):
    return "+".join(reversed(formula.split("+"))) if _plain_sum(formula) else None


def swapped_factors(formula):
    if not _plain_sum(formula) or "*" not in formula:
        return None
    return "+".join("*".join(reversed(term.split("*"))) for term in formula.split("+"))


def _plain_sum(formula):
    return "(" not in formula and "-" not in formula and "/" not in formula


def sum_of_products(formula):
    if not _plain_sum(formula) or "*" not in formula:
        return None
    terms = formula.split("+")
    return "SUM(" + ",".join(f"PRODUCT({','.join(t.split('*'))})" for t in terms) + ")"


def _plain_difference(formula):
    return re.fullmatch(r"[^-+(,]+-[^-+(,]+", formula) is not None


def subtraction_turned(formula):
    left, _, right = formula.partition("-")
    return f"-{right}+{left}" if _plain_difference(formula) else None


def subtraction_negated(formula):
    left, _, right = formula.partition("-")
    return f"-({right}-{left})" if _plain_difference(formula) else None


def subtraction_as_sum(formula):
    left, _, right = formula.partition("-")
    return f"SUM({left},-{right})" if _plain_difference(formula) else None


def _logistic(write):
    def rewritten(formula):
        match = re.fullmatch(r"1/\(1\+EXP\(-(\$?[A-Z]+\$?\d+)\)\)", formula)
        return write.format(z=match[1]) if match else None

    rewritten.__name__ = f"logistic {write}"
    return rewritten


def _slope(write):
    def rewritten(formula):
        match = re.fullmatch(r"(\$?[A-Z]+\d+)\*\(1-\1\)", formula)
        return write.format(a=match[1]) if match else None

    rewritten.__name__ = f"slope {write}"
    return rewritten


def _halved_square(write):
    def rewritten(formula):
        match = re.fullmatch(r"0\.5\*\((\$?[A-Z]+\d+)\*\1\)", formula)
        return write.format(e=match[1]) if match else None

    rewritten.__name__ = f"square {write}"
    return rewritten


SIMPLE = [
    absolute, half_absolute, relative, on_its_sheet, in_quotes, lower_case, bracketed, spaced,
    doubled_and_halved, negated_twice, there_and_back, percent, as_sum, as_average, as_product,
    in_a_condition, with_iferror, with_prefix, through_logarithms, root_of_square, reversed_sum,
    swapped_factors, sum_of_products, subtraction_turned, subtraction_negated, subtraction_as_sum,
    _logistic("EXP({z})/(1+EXP({z}))"), _logistic("1-1/(1+EXP({z}))"),
    _logistic("0.5*(1+TANH({z}/2))"), _logistic("(1+EXP(-{z}))^-1"),
    _logistic("POWER(1+EXP(-{z}),-1)"), _logistic("1/(1+1/EXP({z}))"),
    _logistic("0.5+0.5*TANH(0.5*{z})"), _logistic("EXP(-LN(1+EXP(-{z})))"),
    _logistic("1/SUM(1,EXP(-{z}))"), _logistic("IF({z}>0,1/(1+EXP(-{z})),EXP({z})/(1+EXP({z})))"),
    _logistic("1/(1+EXP(-1*{z}))"), _logistic("1/(1+1/EXP(1)^{z})"),
    _slope("{a}-{a}^2"), _slope("{a}-{a}*{a}"), _slope("(1-{a})*{a}"), _slope("{a}-POWER({a},2)"),
    _slope("PRODUCT({a},1-{a})"), _slope("0.25-({a}-0.5)^2"), _slope("-{a}*({a}-1)"),
    _slope("{a}-SUMSQ({a})"), _slope("1/(1/{a}+1/(1-{a}))"),
    _halved_square("{e}^2/2"), _halved_square("SUMSQ({e})/2"), _halved_square("POWER({e},2)/2"),
    _halved_square("0.5*{e}^2"), _halved_square("{e}*{e}/2"),
    _halved_square("SUMPRODUCT({e},{e})/2"), _halved_square("ABS({e})^2*1/2"),
]  # fmt: skip

AT_LAST = [on_its_sheet, in_quotes, lower_case]


def inlined(manifest, formula, levels):
    """Write what a formula reads in place of its references, some levels deep."""
    known = {c.address: c.formula for c in (*manifest.cells, *manifest.fixed)}
    for _ in range(levels):
        formula = REFERENCE.sub(
            lambda m: f"({known[m[1] + m[2]]})" if m[1] + m[2] in known else m[0], formula
        )
        if len(formula) > 1500:
            return None
    return formula


def rewrites(manifest):
    """Yield (cell, rewrite's name, changes, other sheets) for every rewrite that fits a cell."""
    for cell in manifest.cells:
        for rewrite in SIMPLE:
            found = rewrite(cell.formula)
            if found and found != cell.formula:
                yield cell, rewrite.__name__, {cell.address: f"={found}"}, {}
        for levels in (1, 2, 3):
            found = inlined(manifest, cell.formula, levels)
            if found and found != cell.formula:
                yield cell, f"inlined {levels}", {cell.address: f"={found}"}, {}
        row = 100 + parse_a1(cell.address)[0] * 20 + parse_a1(cell.address)[1]
        yield cell, "helper cell", {cell.address: f"=$Z${row}+0", f"Z{row}": f"={cell.formula}"}, {}
        far = "=" + REFERENCE.sub(lambda m: f"Step!{m[0]}", cell.formula)
        yield (
            cell,
            "helper on another sheet",
            {cell.address: f"='My notes'!B{row}"},
            {"My notes": {f"B{row}": f"=C{row}", f"C{row}": far}},
        )
        helpers, text = {}, cell.formula
        for n, reference in enumerate(dict.fromkeys(operands(cell.formula)), 30):
            name = f"{get_column_letter(n)}{row}"
            helpers[name] = f"={reference}"
            text = re.sub(rf"(?<![A-Z$]){re.escape(reference)}(?!\d)", name, text)
        yield cell, "copied operands", {cell.address: f"={text}", **helpers}, {}


@pytest.fixture(scope="module")
def all_rewrites(manifest):
    return list(rewrites(manifest))


def test_each_rewrite_of_a_right_formula_is_right(manifest, all_rewrites):
    grader = grader_of(manifest)
    kinds = {}
    for each in all_rewrites:
        kinds.setdefault((each[1], each[0].quantity, each[0].layer), each)
    assert len(kinds) >= 300
    waiting = list(kinds.values())
    while waiting:  # as many at once as there are cells for: they do not help each other
        taken, left, notes = {}, [], {}
        for each in waiting:
            if each[0].address in taken:
                left.append(each)
                continue
            taken |= each[2]
            notes |= each[3].get("My notes", {})
        data = workbook(manifest, taken, sheets={"My notes": notes} if notes else None)
        found = grader.grade(data, "x")
        bad = [(v.formula, v.message) for v in found.verdicts if v.verdict != OK]
        assert not bad
        waiting = left


@pytest.mark.slow
def test_every_rewrite_is_right_alone_and_after_a_mistake(manifest, all_rewrites):
    grader = grader_of(manifest)
    mistake = {"C10": "=B6*C6", "D10": "=B6*D6+1", "E10": 0.3, "F10": None}
    rejected = 0
    for cell, name, changes, sheets in all_rewrites:
        alone = verdicts(grader.grade(workbook(manifest, changes, sheets=sheets), "x"))
        rejected += alone[cell.address].verdict != OK
        if cell.address not in mistake and not name.startswith("inlined"):
            both = grader.grade(workbook(manifest, mistake | changes, sheets=sheets), "x")
            rejected += verdicts(both)[cell.address].verdict not in (OK, OK_ECF)
    print(f"{len(all_rewrites)} rewrites, {rejected} rejected")  # noqa: T201
    assert len(all_rewrites) > 1500
    assert rejected == 0


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(s, marks=pytest.mark.slow)
                                               for s in range(3, 60))])  # fmt: skip
def test_whole_workbooks_in_other_words_get_every_point(seed):
    rng = random.Random(seed)
    manifest = assignment(random_case(rng))
    changes, sheets = {}, {"Notes": {}}
    for cell in manifest.cells:
        formula = cell.formula
        for rewrite in rng.sample([r for r in SIMPLE if r not in AT_LAST], 3):
            formula = rewrite(formula) or formula
        if len(formula) < 300 and rng.random() < 0.3:
            formula = inlined(manifest, formula, 1) or formula
        if rng.random() < 0.3:
            row = len(sheets["Notes"]) + 1
            sheets["Notes"][f"A{row}"] = "=" + on_its_sheet(formula)
            formula = f"Notes!A{row}"
        else:
            formula = rng.choice([*AT_LAST, str])(formula)
        changes[cell.address] = f"={formula}"
    found = grader_of(manifest).grade(workbook(manifest, changes, sheets=sheets), "x")
    bad = [(v.cell.label, v.formula, v.message) for v in found.verdicts if v.verdict != OK]
    assert not bad
    assert found.score == found.of


# summation functions over ranges


AREAS = [
    ("C10", "SUMPRODUCT($B$6:$B$8,C6:C8)"),
    ("C10", "SUMPRODUCT($B$6:$B$8*C6:C8)"),
    ("C10", "SUM(B6:B8*C6:C8)"),
    ("C10", "MMULT(TRANSPOSE($B$6:$B$8),C6:C8)"),
    ("C10", "SUM(MMULT(TRANSPOSE(B6:B8),C6:C8))"),
    ("C10", "INDEX(MMULT(TRANSPOSE(B6:B8),C6:F8),1,1)"),
    ("D10", "INDEX(MMULT(TRANSPOSE(B6:B8),C6:F8),2)"),
    ("D10", "INDEX(MMULT(TRANSPOSE(B6:B8),C6:F8),1,COLUMN()-2)"),
    ("C10", "SUMPRODUCT(input,INDEX(weight_ItoH,0,1))"),
    ("C10", "SUMPRODUCT(INPUT,INDEX(Weight_ItoH,0,1))"),
    ("C10", "(SUMSQ(B6:B8)+SUMSQ(C6:C8)-SUMXMY2(B6:B8,C6:C8))/2"),
    ("C10", "(SUMX2PY2(B6:B8,C6:C8)-SUMXMY2(B6:B8,C6:C8))/2"),
    ("C10", "COUNT(B6:B8)*AVERAGE(B6:B8*C6:C8)"),
    ("C10", "SUM(B6*C6,B7*C7,B8*C8)"),
    ("C10", "SUM(PRODUCT(B6,C6),PRODUCT(B7,C7),PRODUCT(B8,C8))"),
    ("C10", "SUMPRODUCT(B6:B8,C6:C8,{1;1;1})"),
    ("C10", "SUM($B$6:$B$8*C$6:C$8)+SUM(Z:Z)"),
    ("C10", "SUMPRODUCT(--(B6:B8<>0),B6:B8,C6:C8)+SUMPRODUCT((B6:B8=0)*B6:B8)"),
    ("C23", "SUMPRODUCT(B18:B21,C18:C21)"),
    ("C23", "MMULT(C12:F12,C18:C21)"),
    ("C23", "MMULT(S_postA_H,weight_HtoO)"),
    ("C23", "SUMPRODUCT(TRANSPOSE(C12:F12),C18:C21)"),
    ("C23", "SUMPRODUCT(C12:F12,TRANSPOSE(C18:C21))"),
    ("C35", "SUMXMY2(C25,C31)/2"),
    ("C35", "SUMSQ(FE)/2"),
    ("C35", "SUMXMY2(S_postA_O,target)/2"),
    ("C12", "1/(1+EXP(-S_preA_H))"),
    ("O6", "INDEX(weight_ItoH,1,1)-learning_rate*INDEX(gradient_ItoH,1,1)"),
    ("C10", "SUMPRODUCT(input,INDEX(weight_ItoH,0,COLUMNS($C10:C10)))"),
    ("I6", "INDEX(input,ROWS(I$6:I6))*I$10"),
    ("I7", "INDEX(input,ROWS($I$6:$I7))*INDEX(S_ERROR_H,COLUMN(I7)-8)"),
    ("I7", "INDEX(input,ROW(I7)-5)*I$10"),
    ("C10", "LET(x,B6:B8,w,C6:C8,SUMPRODUCT(x,w))"),
    ("C12", "LET(z,C10,e,EXP(-z),1/(1+e))"),
    ("C12", "_xlfn.LET(_xlpm.z,C10,_xlpm.z2,-_xlpm.z,1/(1+EXP(_xlpm.z2)))"),
    ("C12", "CHOOSE(1,1/(1+EXP(-C10)),0)"),
    ("C12", "IF(ISNUMBER(C10),1/(1+EXP(-C10)),0)"),
    ("C12", 'IF(ISBLANK(C10),"",1/(1+EXP(-C10)))'),
    ("C10", 'SUMIF(B6:B8,">0",B6:B8)*0+SUMPRODUCT(B6:B8,C6:C8)'),
    ("C10", "SUMPRODUCT(B6:B8,C6:C8)+SUM(Z1:Z)"),
    ("C10", "MEDIAN(B6*C6+B7*C7+B8*C8)"),
    ("C10", "SUMPRODUCT(Step!input,Step!C6:C8)"),
]


@pytest.mark.parametrize(("address", "formula"), AREAS)
def test_sums_over_ranges_are_right(manifest, address, formula):
    found = grader_of(manifest).grade(workbook(manifest, {address: f"={formula}"}), "x")
    assert verdicts(found)[address].verdict == OK, verdicts(found)[address].message
    assert found.score == found.of


def test_array_formulas_fill_their_cells(manifest):
    formula = "MMULT(TRANSPOSE(B6:B8),C6:F8)"
    cells = {"C10": f'<f t="array" ref="C10:F10">{formula}</f><v>0</v>', "D10": 1.0, "E10": 2.0,
             "F10": "<v>3</v>"}  # fmt: skip
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    cells = dict.fromkeys(f"{column}{row}" for column in "IJKL" for row in (6, 7, 8))
    cells["I6"] = '<f t="array" ref="I6:L8">MMULT(B6:B8,I10:L10)</f>'
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    cells["I6"] = '<f t="array" ref="I6:L8">B6:B8*I10:L10</f>'
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    spilled = {
        "C10": '<f t="array" ref="C10:F10">MMULT(TRANSPOSE(B6:B8),C6:F8)</f>',
        "C12": '<f t="array" ref="C12:F12">1/(1+EXP(-_xlfn.ANCHORARRAY(C10)))</f>',
        "C23": "=SUMPRODUCT(TRANSPOSE(C12#),C18:C21)",
    }
    spilled |= dict.fromkeys(f"{column}{row}" for column in "DEF" for row in (10, 12))
    assert grader_of(manifest).grade(workbook(manifest, spilled), "x").score == 59
    wrong = cells | {"I6": '<f t="array" ref="I6:L8">B6:B8+I10:L10</f>'}
    assert grader_of(manifest).grade(workbook(manifest, wrong), "x").score <= 58


def test_shared_formulas_are_spelled_out(manifest):
    cells = {"O6": '<f t="shared" ref="O6:R8" si="0">C6-$O$2*I6</f><v>1</v>'}
    for row in (6, 7, 8):
        for column in "OPQR":
            cells.setdefault(f"{column}{row}", '<f t="shared" si="0"/><v>1</v>')
    found = grader_of(manifest).grade(workbook(manifest, cells), "x")
    assert found.score == 59
    assert any("stored values" in note for note in found.notes)


# dialects


def wrapped(formula, value="0.5"):
    inner = formula.replace('"', '""')
    return f'=IFERROR(__xludf.DUMMYFUNCTION("{inner}"),{value})'


def test_google_s_wrappers_are_taken_off(manifest):
    cells = {c.address: wrapped(c.formula) for c in manifest.cells}
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    cells = {"C10": wrapped("ARRAYFORMULA(MMULT(TRANSPOSE(B6:B8),C6:F8))")}
    cells |= {a: wrapped('"COMPUTED_VALUE"') for a in ("D10", "E10", "F10")}
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    cells = {"I6": wrapped("ARRAYFORMULA(B6:B8*I10:L10)")}
    cells |= {f"{c}{r}": wrapped('"COMPUTED_VALUE"') for c in "IJKL" for r in (6, 7, 8)
              if (c, r) != ("I", 6)}  # fmt: skip
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59
    cells = {"C10": wrapped("MULTIPLY(B6,C6)+ADD(B7*C7,B8*C8)")}
    assert grader_of(manifest).grade(workbook(manifest, cells), "x").score == 59


def test_a_wrapper_around_a_wrong_formula_is_wrong(manifest):
    right = key_numbers(manifest)["C10"]
    cells = {"C10": wrapped("B6*C6+B7*C7", repr(right))}
    found = grader_of(manifest).grade(workbook(manifest, cells, stored={"C10": right}), "x")
    assert found.score == 58
    lone = {"C10": wrapped('"COMPUTED_VALUE"', repr(right))}
    assert grader_of(manifest).grade(workbook(manifest, lone), "x").score == 58


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ('IFERROR(__xludf.DUMMYFUNCTION("SUM(A1:A3)"),0.3)', ("SUM(A1:A3)", True)),
        ('IFERROR(__xludf.DUMMYFUNCTION("""a"""),"x")', ('"a"', True)),
        ("IFERROR(A1,0)", ("IFERROR(A1,0)", False)),
        ("=A1", ("A1", False)),
    ],
)
def test_wrappers(text, formula):
    assert unwrapped(text) == formula


def filled_by_openpyxl(manifest, *, array=False):
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(STEP)))
    book["Guide"]["A90"] = TOKEN
    sheet = book["Step"]
    for cell in manifest.cells:
        sheet[cell.address] = f"={cell.formula}"
    if array:
        for row in (6, 7, 8):
            for column in "IJKL":
                sheet[f"{column}{row}"] = None
        sheet["I6"] = ArrayFormula("I6:L8", "=MMULT(B6:B8,I10:L10)")
    sheet["T3"] = "=SUMPRODUCT(B18:B21,C18:C21)"
    sheet["C23"] = "=T3"
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


@pytest.mark.parametrize("array", [False, True])
def test_files_written_by_openpyxl_are_read(manifest, array):
    found = grader_of(manifest).grade(filled_by_openpyxl(manifest, array=array), "x.xlsx")
    assert (found.score, found.notes, found.review) == (59, [], [])


@pytest.mark.slow
@pytest.mark.libreoffice
def test_files_saved_by_libreoffice_are_read(manifest, tmp_path, engine_or_skip):
    engine_or_skip("libreoffice")
    path = tmp_path / "in" / "s1.xlsx"
    path.parent.mkdir()
    path.write_bytes(filled_by_openpyxl(manifest, array=True))
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless",
         "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(tmp_path / "out"),
         str(path)],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    found = grader_of(manifest).grade((tmp_path / "out" / "s1.xlsx").read_bytes(), "s1.xlsx")
    assert (found.score, found.notes, found.review) == (59, [], [])


# the evaluator against spreadsheet engines


GIVENS = {"A1": 0.5, "A2": -1.25, "A3": 2.0, "B1": 3.5, "B2": 0.0, "B3": -0.75}


class Plain(World):
    """A world of a few constants."""

    def __init__(self, cells):
        self.cells = {("s", *parse_a1(a)): v for a, v in cells.items()}
        super().__init__()

    def cell(self, place):
        value = self.cells.get(("s", *place[1:]))
        return np.full(2, value) if isinstance(value, float) else value

    def bounds(self, node, at):
        if isinstance(node, Spill):
            raise FormulaError("nothing spills here")
        return range_of(node, ("s", *at[1:]))


def ours(formula):
    with np.errstate(all="ignore"):
        value = evaluate(parse(formula, 9, 9), ("s", 9, 9), Plain(GIVENS))
    if isinstance(value, Logical):
        value = value.data
    return float(np.asarray(value).ravel()[0])


def random_formula(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*GIVENS, f"{rng.randint(0, 40) / 8}", "-A2", "A1%", "$B$3"])
    one, two = (random_formula(rng, depth - 1) for _ in range(2))
    kind = rng.randrange(12)
    if kind < 5:
        return f"({one}{rng.choice('+-*/')}{two})"
    if kind == 5:
        return f"{rng.choice(['ABS', 'SIGN', 'TANH', 'INT', 'EXP', 'SQRT', 'LN', 'SUM'])}({one})"
    if kind == 6:
        name = rng.choice(["SUM", "MAX", "MIN", "AVERAGE", "PRODUCT", "SUMSQ", "COUNT"])
        return f"{name}(A1:B3,{one})"
    if kind == 7:
        return rng.choice(["SUMPRODUCT(A1:A3,B1:B3)", "SUMXMY2(A1:A3,B1:B3)", "SUM(A1:B2)",
                           "SUMX2MY2(A1:A3,B1:B3)", "SUMX2PY2(A1:A3,B1:B3)"])  # fmt: skip
    if kind == 8:
        return f"IF({one}{rng.choice(['>', '<', '>=', '<=', '=', '<>'])}{two},{one},{two})"
    if kind == 9:
        return f"ROUND({one},{rng.randint(0, 4)})"
    if kind == 10:
        return f"({one}^{rng.randint(0, 3)})"
    return f"IFERROR({one},{two})"


@pytest.mark.parametrize("name", ["formualizer", pytest.param("ironcalc", marks=pytest.mark.slow)])
def test_formulas_come_to_what_engines_compute(name, engine_or_skip, tmp_path):
    engine = engine_or_skip(name)
    rng = random.Random(7)
    formulas = [random_formula(rng, 3) for _ in range(400)]
    book = openpyxl.Workbook()
    for address, value in GIVENS.items():
        book.active[address] = value
    for n, formula in enumerate(formulas, 1):
        book.active[f"D{n}"] = f"={formula}"
    path = tmp_path / "f.xlsx"
    book.save(path)
    with engine.open(path) as opened:
        block = opened.read([Range(book.active.title, 1, 4, len(formulas), 4)])[0]
    compared = 0
    for formula, (theirs,) in zip(formulas, block, strict=True):
        mine = ours(formula)
        if isinstance(theirs, (bool, float)):
            assert mine == pytest.approx(float(theirs), rel=1e-9, abs=1e-11), formula
            compared += 1
        else:
            assert np.isnan(mine), (formula, theirs, mine)
    assert compared > 250


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("-2^2", 4), ("2^3^2", 64), ("2^-1", 0.5), ("10%", 0.1), ("50%*4", 2), ("1-2-3", -4),
        ("8/2/2", 2), ("2+3*4", 14), ("-A1*2", -1), ("1=1", 1), ("1<>1", 0), ('"a"="A"', 1),
        ("ROUND(2.5,0)", 3), ("ROUND(-2.5,0)", -3), ("MOD(-3,2)", 1), ("INT(-1.5)", -2),
        ("TRUNC(-1.5)", -1), ("LOG(100)", 2), ("LOG(8,2)", 3), ("SUM(A1,TRUE)", 1.5),
        ("N(TRUE)+1", 2), ("AND(A1>0,B1>0)", 1), ("OR(A1<0,B1<0)", 0), ("NOT(A1<0)", 1),
        ("IF(A1>0,1)", 1), ("IF(A1<0,1)", 0), ("SUM({1,2;3,4})", 10), ("XOR(TRUE,TRUE)", 0),
        ("SUMPRODUCT({1,2},{3,4})", 11), ("INDEX(A1:B3,2,2)", 0), ("ROWS(A1:B3)", 3),
        ("COLUMNS(A1:B3)", 2), ("MAX(A1:B3)", 3.5), ("MIN(A1:C9)", -1.25), ("COUNT(A1:C9)", 6),
        ("SUM(s!A1:s!A3)", 1.25), ("SUM('s'!A1:A3)", 1.25),
        ("SUM(A1:A3;B1)", 4.75), ("PI()-3", 0.14159265358979312), ("+A1", 0.5), ("A1--A2", -0.75),
        ("SUM(MMULT(A1:B1,A1:A2))", -4.125), ("IFS(A1<0,1,A1>0,2)", 2), ("1E3/1e2", 10),
        ("MAX(-3,)", 0), ("PRODUCT(5,)", 0), ("AVERAGE(4,)", 2), ("COUNT(4,)", 2),
        ("MEDIAN(1,3,9)", 3), ("MEDIAN(1,3)", 2), ("CHOOSE(2,5,6)", 6), ('VALUE("1.5")', 1.5),
        ("SWITCH(3,1,10,3,30,40)", 30), ("SWITCH(4,1,10,3,30,40)", 40), ("ISNUMBER(A1)", 1),
        ('ISNUMBER("a")', 0), ('ISTEXT("a")', 1), ("ISBLANK(Z9)", 1), ("ISBLANK(A1)", 0),
        ("ISERROR(1/0)", 1), ("ISERROR(1)", 0), ("LET(a,2,b,a*3,a+b)", 8), ("ROWS(A1:A3)", 3),
        ("LET(a,1,LET(a,2,a)+a)", 3), ('SUMIF({1,2,3},">1")', 5), ('SUMIF({1,2,3},"<>2")', 4),
        ("SUMIF({1,2,3},2,{10,20,30})", 20), ("COLUMNS(MMULT({1;2},{1,2,3}))", 3),
        ("ROW(A7)+COLUMN(C1)", 10),
        (".5*2", 1), ("IFERROR(1/0,7)", 7), ("POWER(4,0.5)", 2), ('"2"*3', 6), ("D7+1", 1),
    ],
)  # fmt: skip
def test_formulas_come_to_what_they_say(formula, value):
    assert ours(formula) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "formula", ["1/0", "LN(0)", "LN(-1)", "SQRT(-1)", "0^0", "EXP(800)", '"a"+1', "#REF!+1",
                "1/(1/0)", "IF(1/0>0,1,2)", "MAX(1,1/0)", "SUM(1/0)", "MMULT(A1:A2,A1:A2)",
                "INDEX(A1:B3,9,9)", "CHOOSE(3,1,2)", "SWITCH(4,1,2,3,4)", 'VALUE("a")'],
)  # fmt: skip
def test_errors_stay_errors(formula):
    assert np.isnan(ours(formula))


@pytest.mark.parametrize(
    "formula", ["", "1+", "(1", "1)", "SUM(1", "A1 B1", "1 2", '"a', "A1:B2:C3", "=", "*1", "#",
                "{1,2;3}", "{A1}", "A1#", "Sheet!", "'a'!", "__import__('os')", "A1.b", "()",
                "A0", "XFE1", "A1048577", "1e999e1"],
)  # fmt: skip
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(FormulaError):
        ours(formula)


def test_nothing_in_the_grader_executes_text():
    room = Path(__file__).parents[2] / "python_impl" / "cellgrad_coursework"
    for path in [*room.glob("*.py"), *(room / "formulas").glob("*.py")]:
        for word in ("eval", "exec", "compile", "__import__"):
            pattern = rf"(?<![\w.]){word}\("
            assert not re.search(pattern, path.read_text("utf-8")), f"{path.name}: {word}"


def test_equal_formulas_in_other_cells_have_equal_trees():
    formulas = Formulas()
    one, two = formulas.read("C6-$O$2*I6", 6, 15), formulas.read("D7-$O$2*J7", 7, 16)
    assert one is two
    assert text_of(one.tree) == "(RC[-12]-(R2C15*RC[-6]))"
    assert formulas.read("C6-O2*I6", 6, 15) is not one


def test_functions_stay_on_the_list():
    assert not {"WEBSERVICE", "INDIRECT", "OFFSET", "RAND", "NOW", "CALL", "HYPERLINK"} & set(
        FUNCTIONS
    )


def test_right_cells_are_what_the_engine_s_workbook_holds(manifest):
    # the key's numbers against those that the spreadsheet engine stored
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(STEP)), data_only=True)
    values = key_numbers(manifest)
    assert len(values) == len(manifest.cells)
    for place, value in values.items():
        stored = book["Step"][place].value
        assert value == pytest.approx(stored, rel=1e-13, abs=1e-16)
    assert right_cells(manifest)["O2"] == 1.0
    assert a1(2, 15) == "O2"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0.25", 0.25), (" 0,25 ", 0.25), ("−0.9067", -0.9067), ("–0.9067", -0.9067),
     ("1 234.5", 1234.5), ("28.77%", 0.2877), ("1e-3", 1e-3), ("1,234.5", None), ("a", None),
     ("", None), ("--1", None), ("nan", None), ("1e999", None), ("%", None)],
)  # fmt: skip
def test_numbers_that_became_texts_are_read_as_a_person_typed_them(text, number):
    assert typed_number(text) == number


@pytest.mark.parametrize("formula", ["SUM(A1:A9000*TRANSPOSE(A1:A9000))",
                                     "SUM(IF(A1:A9000>TRANSPOSE(A1:A9000),1,0))"])  # fmt: skip
def test_a_column_that_meets_a_row_is_counted_before_it_is_made(manifest, formula):
    cells = {"C10": f'<f t="array" ref="C10">{formula}</f>'}
    said = verdicts(grader_of(manifest).grade(workbook(manifest, cells), "x"))["C10"]
    assert said.verdict == "review"
    assert "elements" in said.message
