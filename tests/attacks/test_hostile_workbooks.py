"""Workbooks made to do harm, or damaged: refused in little time and memory, or read rightly."""

from __future__ import annotations

import functools
import json
import random
import re
import sys
import zipfile
import zlib
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellgrad.described import describe
from cellgrad.engines.formualizer import FormualizerEngine
from cellgrad.errors import InputError
from cellgrad.verify import many
from cellgrad.verify.verifier import Verifier
from cellgrad.xlsx import book, package
from hostile import (
    ROOT,
    SMALL,
    Member,
    archive,
    cellgrad,
    deflated,
    is_refusal,
    part_of_sheet,
    parts_of,
    where,
    with_cell,
    with_formula,
    with_given,
    with_text,
    without,
    zipped,
)

FLAGSHIP = ROOT / "spreadsheets" / "training-step-3-4-1.xlsx"
MEMORY = 2 << 30
SECONDS = 2.0
STEP = part_of_sheet(parts_of(), "Step")
CELL = where("S_preA_H", parts_of())[1]
MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"


def honest(parts):
    return [Member.honest(name, data) for name, data in parts.items()]


def replaced(member):
    """Return the small workbook with one member that is not what it should be."""
    return archive([*honest(without(parts_of(), member.name)), member])


def prefix(data):
    """Return a part that inflates to 2 GB of blanks, but says that it is only these bytes."""
    return Member(STEP, deflated(data, repeat=2048), len(data), zlib.crc32(data))


def many_small(count, size):
    blanks = deflated(b"", repeat=size)
    return [Member(f"xl/media/{n}.xml", blanks, size << 20, 0) for n in range(count)]


@cache
def bomb(kind):
    data = parts_of()[STEP]
    if kind == "2 GB of blanks":
        return replaced(Member(STEP, deflated(data, repeat=2048), len(data) + (2 << 30), 0))
    if kind == "2 GB that claim to be few bytes":
        return replaced(prefix(data))
    if kind == "2 GB that claim to be few bytes, in a part that nobody reads":
        blanks = deflated(b"<a/>", repeat=2048)
        return archive([*honest(parts_of()), Member("xl/a.xml", blanks, 4, zlib.crc32(b"<a/>"))])
    if kind == "200 parts of 3 MB":
        return archive([*honest(parts_of()), *many_small(200, 3)])
    if kind == "100 MB of one part":
        return replaced(Member(STEP, deflated(data, repeat=100), len(data) + (100 << 20), 0))
    assert kind == "5,000 parts"
    return archive([*honest(parts_of()), *(Member.honest(f"a/{n}", b"") for n in range(5000))])


BOMBS = {
    "2 GB of blanks": "inflates to more than",
    "2 GB that claim to be few bytes": f"{STEP} is damaged",
    "2 GB that claim to be few bytes, in a part that nobody reads": "xl/a.xml is damaged",
    "200 parts of 3 MB": "inflates to more than",
    "100 MB of one part": "-fold",
    "5,000 parts": "parts",
}


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.slow
def test_a_zip_bomb_is_refused_in_little_time_and_memory(kind, tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "bomb.xlsx").write_bytes(bomb(kind))
    assert (tmp_path / "bomb.xlsx").stat().st_size < 4 << 20

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = cellgrad(tmp_path, "verify", "bomb.xlsx", preexec_fn=limited)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert is_refusal(answer, "bomb.xlsx", BOMBS[kind])
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS


# archives


def flipped(name):
    """Return an archive in which the checksum of one member no longer holds."""
    members = honest(parts_of())
    for member in members:
        if member.name == name:
            member.crc ^= 1
    return archive(members)


def encrypted():
    members = honest(parts_of())
    for member in members:
        member.flags |= 1
    return archive(members)


def twice(name):
    return archive([*honest(parts_of()), Member.honest(name, b"<a/>")])


ARCHIVES = {
    "a part twice": (lambda: twice(STEP), "same name"),
    "a part twice, in capitals": (lambda: twice(STEP.upper()), "same name"),
    "a part twice, with backslashes": (lambda: twice(STEP.replace("/", "\\")), "same name"),
    "encrypted": (encrypted, "encrypted"),
    "another packing": (lambda: zipped(parts_of(), zipfile.ZIP_LZMA), "packed"),
    "an unknown packing": (lambda: replaced(Member(STEP, b"x", 1, 0, method=97)), "packed"),
    "cut in the middle": (lambda: SMALL.read_bytes()[: SMALL.stat().st_size // 2], "no zip"),
    "without its end": (lambda: SMALL.read_bytes()[:-22], "no zip"),
    "a damaged sheet": (lambda: flipped(STEP), "damaged"),
    "a damaged part that nobody reads": (
        lambda: flipped("docProps/core.xml"), "docProps/core.xml is damaged"),
    "deflate data that are none": (lambda: replaced(Member(STEP, b"\xff" * 99, 99, 0)), "damaged"),
    "a part shorter than it says": (
        lambda: replaced(Member(STEP, deflated(b"<a/>"), 99, zlib.crc32(b"<a/>"))), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_is_not_in_order_is_refused(kind, tmp_path, command):
    make, words = ARCHIVES[kind]
    (tmp_path / "archive.xlsx").write_bytes(make())
    assert is_refusal(command("verify", "archive.xlsx"), "archive.xlsx", words)


def test_the_archives_of_these_tests_are_in_order_unless_something_was_done_to_them(
    tmp_path, command
):
    (tmp_path / "fine.xlsx").write_bytes(archive(honest(parts_of())))
    assert command("verify", "fine.xlsx").code == 0


# parts


def doctype(part, text='<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'):
    return parts_of() | {part: text.encode() + parts_of()[part]}


def appended(rows):
    return with_text(parts_of(), STEP, "</sheetData>", f"{rows}</sheetData>")


def dimension(ref):
    element = re.search(rb"<dimension[^>]*>", parts_of()[STEP])[0]
    return with_text(parts_of(), STEP, element, f'<dimension ref="{ref}"/>')


def doubled(inside):
    return with_text(parts_of(), STEP, f'<c r="{CELL}"', f'<c r="{CELL}">{inside}</c><c r="{CELL}"')


def shared(count, length):
    """Return many cells that share one long formula."""
    master = "+".join(["A1"] * (length // 3))
    rows = "".join(f'<row r="{n}"><c><f t="shared" si="0"/></c></row>' for n in range(901, count))
    return appended(f'<row r="900"><c><f t="shared" si="0" ref="A1">{master}</f></c></row>{rows}')


def arrays(count, ref):
    cells = "".join(
        f'<row r="{n}"><c><f t="array" ref="{ref}">1</f></c></row>' for n in range(900, 900 + count)
    )
    return appended(cells)


SHEETS = {
    "a document type in a sheet": (lambda: doctype(STEP), f"{STEP} declares a document type"),
    "a document type in the workbook": (lambda: doctype("xl/workbook.xml"), "document type"),
    "a document type in the styles": (lambda: doctype("xl/styles.xml"), "document type"),
    "a document type from elsewhere": (
        lambda: doctype(STEP, '<!DOCTYPE x SYSTEM "file:///etc/hostname">'), "document type"),
    "a row beyond a sheet": (
        lambda: appended('<row r="4294967295"><c><v>1</v></c></row>'), "4294967295"),
    "a row with a million digits": (
        lambda: appended(f'<row r="{"9" * 1_000_000}"><c/></row>'), "outside a sheet"),
    "row nought": (lambda: appended('<row r="0"><c/></row>'), "outside a sheet"),
    "a row below nought": (lambda: appended('<row r="-5"><c/></row>'), "outside a sheet"),
    "a cell beyond a sheet": (
        lambda: appended('<row r="1048576"><c r="XFD1048577"/></row>'), "XFD1048577"),
    "a column beyond a sheet": (lambda: appended('<row r="999"><c r="XFE999"/></row>'), "XFE999"),
    "an address that is none": (lambda: appended('<row r="999"><c r="1A"/></row>'), "'1A'"),
    "a row that is too long": (
        lambda: appended(f'<row r="999"><c r="XFD999"/>{"<c/>" * 3}</row>'), "too long"),
    "a cell of another row": (lambda: appended('<row r="999"><c r="A998"/></row>'), "its place"),
    "a cell twice, first": (lambda: doubled("<f>1+1</f>"), "twice"),
    "a row twice": (lambda: appended('<row r="5"><c r="A5"/></row>'), "twice"),
    "cells out of order": (
        lambda: appended('<row r="999"><c r="B999"/><c r="A999"/></row>'), "not in its place"),
    "two formulas in a cell": (
        lambda: with_cell(parts_of(), "Step", CELL, "<f>1</f><f>2</f>"), "twice"),
    "two tables in a sheet": (
        lambda: with_text(parts_of(), STEP, "</sheetData>", "</sheetData><sheetData/>"), "twice"),
    "two sheets of one name": (
        lambda: with_text(parts_of(), "xl/workbook.xml", '"Check"', '"STEP"'), "same name"),
    "a sheet without a part": (
        lambda: with_text(parts_of(), "xl/workbook.xml", 'r:id="rId2"', 'r:id="rId99"'), "no part"),
    "a huge array formula": (lambda: arrays(1, "A1:XFD1048576"), "too many cells in array"),
    "many large array formulas": (lambda: arrays(9, "A1:Z1000"), "too many cells in array"),
    "an array formula without a place": (lambda: arrays(1, "everywhere"), "everywhere"),
    "an endless formula": (lambda: with_formula("(" * 400_000, "S_preA_H"), "8,192 characters"),
    "endless brackets": (lambda: with_formula("[" * 1_000_000, "S_preA_H"), "8,192 characters"),
    "a shared formula that is missing": (
        lambda: with_cell(parts_of(), "Step", CELL, '<f t="shared" si="7"/>'),
        "shared formula is missing"),
    "the strict format": (
        lambda: {n: d.replace(MAIN, STRICT) for n, d in parts_of().items()}, "strict"),
    "a sheet in the strict format": (
        lambda: parts_of() | {STEP: parts_of()[STEP].replace(MAIN, STRICT)}, "strict"),
    "a part that is no sheet": (lambda: parts_of() | {STEP: b"<html/>"}, "no worksheet"),
    "a part that is no XML": (lambda: parts_of() | {STEP: b"\0\1\2"}, "not well-formed"),
    "an empty part": (lambda: parts_of() | {STEP: b""}, "not well-formed"),
    "an encoding that nobody knows": (
        lambda: parts_of() | {STEP: b'<?xml version="1.0" encoding="x-a"?><a/>'},
        "not well-formed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHEETS)
def test_a_sheet_that_programs_could_read_differently_is_refused(kind, tmp_path, command):
    make, words = SHEETS[kind]
    (tmp_path / "sheet.xlsx").write_bytes(zipped(make()))
    assert is_refusal(command("verify", "sheet.xlsx"), "sheet.xlsx", words)


def test_a_long_formula_shared_by_many_cells_is_refused(tmp_path, command, monkeypatch):
    monkeypatch.setitem(package.OWN.limits, "characters in shared formulas", 100_000)
    (tmp_path / "shared.xlsx").write_bytes(zipped(shared(count=990, length=8000)))
    assert is_refusal(command("verify", "shared.xlsx"), "shared.xlsx", "shared formulas", "Step!A9")


@pytest.mark.parametrize("master", ['"open', "A1+(", "{1", "[", ")", "A1:", "'", "A1#"])
def test_a_shared_formula_that_is_none_is_refused_or_reported(master, tmp_path, command):
    rows = (
        f'<row r="900"><c r="C900"><f t="shared" si="0" ref="C900">{master}</f></c></row>'
        '<row r="901"><c r="B901"><f t="shared" si="0"/></c></row>'
    )
    (tmp_path / "shared.xlsx").write_bytes(zipped(appended(rows)))
    answer = command("verify", "shared.xlsx")
    assert answer.code == 1 or is_refusal(answer, "shared.xlsx")
    assert "Traceback" not in answer.err


def test_a_shared_formula_that_would_leave_the_sheet_is_no_traceback(tmp_path, command):
    rows = (
        '<row r="900"><c r="C900"><f t="shared" si="0" ref="C900">A1+A899</f></c></row>'
        '<row r="901"><c r="A901"><f t="shared" si="0"/></c></row>'
    )
    (tmp_path / "shared.xlsx").write_bytes(zipped(appended(rows)))
    answer = command("verify", "shared.xlsx")
    assert answer.code == 1 or is_refusal(answer, "shared.xlsx")
    assert "Traceback" not in answer.err


def test_a_shared_formula_is_spelled_out(tmp_path, command):
    cell = where("weight_ItoH", parts_of())[1]
    right = chr(ord(cell[0]) + 1) + cell[1:]
    parts = with_cell(parts_of(), "Step", cell, '<f t="shared" si="0">1.5-0.5</f>')
    parts = with_cell(parts, "Step", right, '<f t="shared" si="0"/>')
    (tmp_path / "shared.xlsx").write_bytes(zipped(parts))
    read = book.read_book(tmp_path / "shared.xlsx").sheets["Step"].formulas
    assert [text for text in read.values() if text == "1.5-0.5"] == ["1.5-0.5"] * 2


@pytest.mark.parametrize("number", ["1E307", "-1E308"])
@pytest.mark.parametrize("name", ["weight_ItoH", "learning_rate"])
def test_a_given_near_the_largest_double_gets_an_answer(number, name, tmp_path, command):
    parts = with_given(f"<v>{number}</v>", name=name, parts=parts_of(FLAGSHIP))
    (tmp_path / "huge.xlsx").write_bytes(zipped(parts))
    answer = command("verify", "--json", "huge.xlsx")
    assert (answer.code, answer.err) in [(0, ""), (1, "")]
    assert len(json.loads(answer.out)["workbooks"]) == 1


def test_a_sheet_of_too_many_cells_is_refused(tmp_path, command, monkeypatch):
    monkeypatch.setitem(package.OWN.limits, "cells", 100)
    (tmp_path / "cells.xlsx").write_bytes(zipped(parts_of()))
    assert is_refusal(command("verify", "cells.xlsx"), "cells.xlsx", "too many cells")


def test_a_part_of_too_many_tags_is_refused(tmp_path, command, monkeypatch):
    monkeypatch.setitem(vars(package.OWN), "markup", 1000)
    (tmp_path / "tags.xlsx").write_bytes(zipped(parts_of()))
    assert is_refusal(command("verify", "tags.xlsx"), "tags.xlsx", "tags and attributes")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
def test_a_part_of_very_many_tags_is_refused_before_it_fills_the_memory(tmp_path):
    resource = pytest.importorskip("resource")
    rng = random.Random(1)
    tags = "".join(f'<c s="{rng.randint(0, 9**9)}"/>' for _ in range(40_000))
    row = f"<row>{tags}</row>".encode()
    head, tail = parts_of()[STEP].split(b"</sheetData>")
    data = head + row * 280 + b"</sheetData>" + tail
    assert data.count(b"<") > 11_000_000
    (tmp_path / "tags.xlsx").write_bytes(zipped({**parts_of(), STEP: data}))

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    answer = cellgrad(tmp_path, "verify", "tags.xlsx", preexec_fn=limited)
    assert is_refusal(answer, "tags.xlsx", "tags and attributes")


HARMLESS = {
    "a dimension of a whole sheet": lambda: dimension("A1:XFD1048576"),
    "a dimension of one cell": lambda: dimension("A1"),
    "a dimension the wrong way round": lambda: dimension("Z99:A1"),
    "cells at the far corner": lambda: appended(
        '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "merged cells over everything": lambda: with_text(
        parts_of(), STEP, "</sheetData>",
        '</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'),
    "cells without addresses": lambda: appended("<row><c><v>1</v></c><c/></row>"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize("kind", HARMLESS)
def test_what_a_sheet_says_of_its_size_costs_nothing(kind, tmp_path):
    resource = pytest.importorskip("resource")
    (tmp_path / "large.xlsx").write_bytes(zipped(HARMLESS[kind]()))

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    answer = cellgrad(tmp_path, "verify", "large.xlsx", preexec_fn=limited)
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize("ref", ["A1:XFD9999999", "ZZZZ1:A99999999999", "nowhere"])
def test_a_dimension_that_no_sheet_has_is_refused_or_passed_over(ref, tmp_path, command):
    (tmp_path / "wide.xlsx").write_bytes(zipped(dimension(ref)))
    answer = command("verify", "wide.xlsx")
    assert answer.code == 0 or is_refusal(answer, "wide.xlsx")


DEEP = {
    "brackets": "(" * 4000 + "1" + ")" * 4000,
    "signs": "-" * 8000 + "1",
    "sums": "1" + "+1" * 4000,
    "calls": "IF(1," * 1000 + "1" + ")" * 1000,
    "a text of gigabytes": 'LEN(REPT("abcdefgh",1000000000))',
    "a list of gigabytes": "SUM(SEQUENCE(1000000,10000))",
}


@pytest.mark.parametrize("kind", DEEP)
def test_a_given_typed_as_a_monstrous_formula_does_no_harm(kind, tmp_path, command):
    (tmp_path / "deep.xlsx").write_bytes(zipped(with_given(f"<f>{DEEP[kind]}</f>")))
    answer = command("verify", "deep.xlsx")
    assert answer.code == 1 or is_refusal(answer, "deep.xlsx")
    assert "Traceback" not in answer.err


# whatever else may be wrong

FUZZED = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "delete", "insert", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=6,
)


def changed(data, changes):
    found = bytearray(data)
    for how, share, extra in changes:
        at = int(share * len(found))
        if how == "flip":
            found[at : at + 1] = bytes([found[at] ^ (extra[0] or 1)]) if found else b""
        elif how == "delete":
            del found[at : at + len(extra)]
        elif how == "insert":
            found[at:at] = extra
        else:
            found[at:at] = found[at : at + 40 * len(extra)]
    return bytes(found)


@pytest.fixture(scope="module")
def engine():
    with FormualizerEngine() as started:
        yield started


def verified(path, engine):
    """Verify a workbook; only an InputError may be raised, and no engine's panic behind it."""
    cause = None
    try:
        Verifier(describe(path), engine, max_draws=5).run()
    except InputError as error:
        cause = error.__cause__
    assert type(cause).__name__ != "PanicException", cause


@FUZZED
@given(changes=CHANGES)
def test_a_damaged_archive_is_refused_or_verified_and_never_crashes(tmp_path, engine, changes):
    path = tmp_path / "fuzz.xlsx"
    path.write_bytes(changed(SMALL.read_bytes(), changes))
    verified(path, engine)


@FUZZED
@given(name=st.sampled_from(sorted(parts_of())), changes=CHANGES)
@pytest.mark.slow
def test_a_damaged_part_is_refused_or_verified_and_never_crashes(tmp_path, engine, name, changes):
    path = tmp_path / "fuzz.xlsx"
    parts = parts_of()
    path.write_bytes(zipped({**parts, name: changed(parts[name], changes)}))
    verified(path, engine)


# a workbook in good order that says of itself, or computes, what makes no sense


def in_map(old, new):
    return with_text(parts_of(), part_of_sheet(parts_of(), "Map"), f"<t>{old}</t>", f"<t>{new}</t>")


NONSENSE = {
    "a claimed sheet that is gone": lambda: with_text(
        parts_of(), "xl/workbook.xml", 'name="Check"', 'name="Chick"'),
    "the Map of a sheet that is gone": lambda: {
        part: data.replace(b"<t>Walkthrough</t>", b"<t>Elsewhere</t>")
        if part == part_of_sheet(parts_of(), "Map") else data for part, data in parts_of().items()},
    "givens claimed as results": lambda: in_map("given", "step"),
    "an index rule of too few parts": lambda: in_map("r, 0, c", "r, c"),
    "an index rule of too many parts": lambda: in_map("r, c", "r, c, r, c"),
    "an index rule without parts": lambda: in_map("r, c", ""),
    "an index far away": lambda: in_map("r, c", "r+9999999, c"),
    "a quantity that is none": lambda: in_map("tolerance", "patience"),
    "an ε that is none": lambda: in_map("epsilon", "weights"),
    "no decimals": lambda: in_map("decimals", "nothing"),
    "a loss that is none": lambda: in_map("half_squared_error", "hinge"),
    "another loss": lambda: in_map("half_squared_error", "binary_cross_entropy"),
    "other activations": lambda: in_map("relu, identity", "identity, relu"),
    "a softmax": lambda: in_map("relu, identity", "softmax, softmax"),
    "too few activations": lambda: in_map("relu, identity", "relu"),
    "no nodes": lambda: in_map("2-2-1", ""),
    "other nodes": lambda: in_map("2-2-1", "2-3-1"),
    "nodes in another script": lambda: in_map("2-2-1", "²-2-1"),
    "more nodes than a sheet has cells": lambda: in_map("2-2-1", "40000-40000-1"),
    "more nodes than atoms": lambda: in_map("2-2-1", f"2-{'9' * 5000}-1"),
    "more layers than there are words": lambda: in_map("2-2-1", "-".join(["1"] * 5000)),
    "another format": lambda: in_map("cellgrad-map/1", "cellgrad-map/9"),
}  # fmt: skip


@pytest.fixture
def few_draws(monkeypatch):
    """Stop after a few redraws: an error that stays leaves something unseen for ever."""
    monkeypatch.setattr(many, "Verifier", functools.partial(Verifier, max_draws=6))


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_map_that_makes_no_sense_is_reported_or_refused(kind, tmp_path, command, few_draws):
    (tmp_path / "map.xlsx").write_bytes(zipped(NONSENSE[kind]()))
    answer = command("verify", "map.xlsx")
    assert answer.code == 1 or is_refusal(answer, "map.xlsx")
    assert answer.err == "" or answer.code == 2


FORMULAS = [
    "1/0", "", "NA()", "IF(1)", "IF(1,2)", "MAX()", "SUM()", "EXP()", "EXP(1000)", "LN(0)",
    "LN(-1)", "SQRT(-1)", "1E308*10", "SUMPRODUCT(B6:B7,C6:D7)", "SUMPRODUCT(1)",
    "NOSUCH(1)", "nosuch",
    "ABS()", "ROUND(1)", "AND()", '"a"', '"a"+1', "TRUE", "{1,2}", "A1:B2", "A:A", "1:1", "#REF!",
    "Step!#REF!", "Nope!A1", "MAX(0,Nope!A1)", "IF(Nope!A1>0,1,0)", "MAX(0,ZZZ9999999)",
    "MAX(0,A99999999)", "IF(XFE1>0,1,0)", "MAX(0,A1)", "IF(A1>0,1,0)", "(", ")", "IF(", "-", "@A1",
    "Table1[a]", "LAMBDA(x,x)(1)", 'INDIRECT("A1")', "RAND()", "NOW()", "1^1^1^400", "1%%%%",
    "'Step'!C6", "'a''b'!A1", "A1#", "(A1:A2,A3)", "A1:A2 A2:A3", ",", "=1", "1E400", "0x10",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("name", ["S_postA_H", "S_ERROR_H"])
def test_a_formula_that_is_no_equation_is_a_disagreement(
    name, formula, tmp_path, command, few_draws
):
    parts = with_formula(formula, name, stored="<v>2</v>")
    (tmp_path / "formula.xlsx").write_bytes(zipped(parts))
    answer = command("verify", "formula.xlsx")
    assert answer.code == 1 or is_refusal(answer, "formula.xlsx")
    assert answer.code == 2 or where(name, parts_of())[1] in answer.out
