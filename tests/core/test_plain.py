"""The quick reader of large sheets: it reads what the general reader reads, or nothing."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad.errors import WorkbookError
from cellgrad.xlsx import book, package
from cellgrad.xlsx.addresses import Range, a1
from cellgrad.xlsx.package import Package
from cellgrad.xlsx.plain import read_plain
from cellgrad.xlsx.sheet import SheetReader
from hostile import zipped

SHIPPED = sorted((Path(__file__).parents[2] / "spreadsheets").rglob("*.xlsx"))
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEAD = f'<worksheet xmlns="{MAIN}"><dimension ref="A1"/><sheetData>'
TAIL = '</sheetData><pageMargins left="0.4" right="0.4"/></worksheet>'
SHARED = ["one", "", "drei & vier"]


# both readers


def exactly(cells):
    """Return cells for a comparison in which 1 is not True, and 0 not −0."""
    values = {cell: (type(value), repr(value)) for cell, value in cells.values.items()}
    return values, dict(cells.formulas.items())


def opened(data):
    """Return a file with this sheet."""
    return Package(zipped({"xl/workbook.xml": b"<a/>", "sheet.xml": data}), "made.xlsx")


def general(data):
    """Return what the general reader reads, or None if it refuses."""
    try:
        return SheetReader(opened(data), "S", SHARED).read("sheet.xml")
    except WorkbookError:
        return None


def plain(data):
    """Return what the quick reader reads, or None."""
    try:
        return read_plain(opened(data), "S", "sheet.xml", SHARED)
    except WorkbookError:  # the file is refused before anybody reads the sheet
        return None


def agreed(data):
    """Hold one reader against the other; return which of them read anything."""
    quick, slow = plain(data), general(data)
    if quick is not None:
        assert slow is not None, data
        assert exactly(quick) == exactly(slow), data
    return quick is not None, slow is not None


# sheets of the plain form


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff["),
    max_size=12,
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(
    FINITE.map(repr),
    FINITE.map(lambda x: f"{x:.17g}"),
    st.integers(-(10**18), 10**18).map(str),
    st.sampled_from(
        ["-0", "+1", "1.", ".5", "00.50", "5e-324", "2.4703282292062328e-324", "1E5", "1e+05",
         "9007199254740993", "1.7976931348623157e308", "2.2250738585072011e-308", "1e-400", ""]
    ),
)  # fmt: skip
CONTENTS = st.one_of(
    NUMBERS.map(lambda x: ('t="n"', f"<v>{x}</v>")),
    NUMBERS.map(lambda x: ("", f"<v>{x}</v>")),
    TEXTS.map(lambda x: ('t="inlineStr"', f"<is><t>{escape(x)}</t></is>")),
    TEXTS.map(lambda x: ('t="inlineStr"', f'<is><t xml:space="preserve">{escape(x)}</t></is>')),
    st.sampled_from("012").map(lambda x: ('t="s"', f"<v>{x}</v>")),
    st.tuples(TEXTS, NUMBERS).map(
        lambda pair: ('t="n"', f"<f>{escape(pair[0])}</f><v>{pair[1]}</v>")
    ),
    st.tuples(TEXTS, TEXTS).map(
        lambda pair: ('t="str"', f"<f>IF(A1&lt;1,{escape(pair[0])})</f><v>{escape(pair[1])}</v>")
    ),
    TEXTS.map(lambda x: ("", f"<f>{escape(x)}MAX(0,B1)</f>")),
    st.sampled_from([("", ""), ("", "<v/>"), ("", "<v />"), ("", None), ('t="n"', "<f></f><v/>")]),
)
COLUMNS = st.one_of(st.integers(1, 30), st.integers(695, 710), st.just(16_384))
ROWS = st.dictionaries(
    st.one_of(st.integers(1, 40), st.sampled_from([99_999, 1_048_576])),
    st.tuples(
        st.sampled_from(["", ' spans="1:9"', ' ht="26" customHeight="1"', ' s="3"']),
        st.dictionaries(COLUMNS, CONTENTS, max_size=6),
    ),
    max_size=5,
)


def cell_of(row, column, kind, content):
    """Return a cell as this project's files have it."""
    style = ' s="12"' if column % 3 else ""
    kind = f" {kind}" if kind else ""
    start = f'<c r="{a1(row, column)}"{style}{kind}'
    return f"{start} />" if content is None else f"{start}>{content}</c>"


def sheet_of(rows):
    """Return a sheet of the plain form."""
    text = [HEAD]
    for row, (attributes, cells) in sorted(rows.items()):
        text.append(f'<row r="{row}"{attributes}>')
        text += [cell_of(row, column, *cells[column]) for column in sorted(cells)]
        text.append("</row>")
    return "".join([*text, TAIL]).encode()


@settings(max_examples=200, deadline=None)
@given(ROWS)
@pytest.mark.slow
def test_a_plain_sheet_is_read_as_the_general_reader_reads_it(rows):
    data = sheet_of(rows)
    quick, slow = agreed(data)
    assert slow
    bottom = max((row for row, (_, cells) in rows.items() if cells), default=0)
    right = max((max(cells) for _, cells in rows.values() if cells), default=0)
    assert quick or not bottom or bottom * right > 900_000


def same_answers(quick, slow, area):
    """Ask both for a rectangle of cells, and for each of them."""
    assert repr(quick.block(area)) == repr(slow.block(area))
    assert (area[1:3] in quick.values) == (area[1:3] in slow.values)
    assert quick.formulas.get(area[1:3]) == slow.formulas.get(area[1:3])


@settings(max_examples=120, deadline=None)
@given(ROWS, st.integers(1, 45), st.integers(1, 20), st.integers(1, 4), st.integers(1, 4))
def test_questions_about_all_cells_have_the_same_answers(rows, top, left, height, width):
    data = sheet_of(rows)
    quick, slow = plain(data), general(data)
    if quick is None:
        return
    same_answers(quick, slow, Range("S", top, left, top + height - 1, left + width - 1))
    assert list(quick.formulas) == list(slow.formulas)
    assert quick.stores_results() == slow.stores_results()
    assert len(quick.values) == len(slow.values)
    assert len(quick.formulas) == len(slow.formulas)


def test_every_rectangle_of_a_sheet_holds_the_same():
    quick, slow = plain(WHOLE), general(WHOLE)
    for top, left in itertools.product(range(1, 7), range(1, 31)):
        for height, width in itertools.product((1, 2), (1, 2, 3)):
            area = Range("S", top, left, top + height - 1, left + width - 1)
            same_answers(quick, slow, area)
    for place in itertools.product((-1, 0, 1, 2, 5, 2_000_000), (-28, -1, 0, 1, 28, 29)):
        assert (place in quick.values) == (place in slow.values)
        assert quick.formulas.get(place) == slow.formulas.get(place)


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=40))
def test_every_number_is_the_double_that_python_reads(texts):
    data = sheet_of({1: ("", {n: ("", f"<v>{x}</v>") for n, x in enumerate(texts, 1)})})
    values = plain(data).values
    for column, text in enumerate(texts, 1):
        if text:
            assert values[1, column].hex() == float(text).hex()
        else:
            assert (1, column) not in values


# what departs from the plain form


WHOLE = sheet_of(
    {
        1: ("", {1: ('t="inlineStr"', "<is><t>a &amp; b</t></is>"), 2: ('t="s"', "<v>1</v>")}),
        2: (' ht="3"', {1: ("", "<v>-1.5e-3</v>"), 2: ('t="n"', "<f>A2*2</f><v>-0.003</v>")}),
        5: ("", {3: ('t="str"', '<f>IF(A2&lt;0,"é","n")</f><v>é</v>'), 28: ("", None)}),
    }
)
CHANGES = {
    "a row twice": ('<row r="2"', '<row r="1"'),
    "a row lower than the one before": ('<row r="5"', '<row r="2"'),
    "an empty row that is too low": ('<row r="5">', '<row r="2"></row><row r="5">'),
    "an empty row twice": ('<row r="5">', '<row r="4"></row><row r="4"/><row r="5">'),
    "row 0": ('<row r="1"', '<row r="0"'),
    "a row beyond the sheet": ('<row r="5">', '<row r="1048577">'),
    "a row without a number": ('<row r="5">', "<row>"),
    "a cell in another row": ('r="A2"', 'r="A3"'),
    "a cell twice": ('r="B2"', 'r="A2"'),
    "a cell before its neighbour": ('r="C5"', 'r="AC5"'),
    "a column beyond the sheet": ('r="AB5"', 'r="XFE5"'),
    "four letters": ('r="AB5"', 'r="AAAB5"'),
    "no letters": ('r="AB5"', 'r="5"'),
    "small letters": ('r="AB5"', 'r="ab5"'),
    "dollars": ('r="AB5"', 'r="$AB$5"'),
    "leading zeros": ('r="AB5"', 'r="AB05"'),
    "leading zeros in a row": ('5"', '05"'),
    "more digits": ('r="AB5"', 'r="AB55"'),
    "an address without an end": ('r="AB5" s="12" />', 'r="AB5/>'),
    "no address": ('<c r="B2"', "<c"),
    "attributes in another order": ('r="A2" s="12"', 's="12" r="A2"'),
    "an attribute twice": ('r="A2" s="12"', 'r="A2" s="12" s="12"'),
    "an unknown attribute": ('r="A2" s="12"', 'r="A2" cm="12"'),
    "an attribute of a row twice": ('ht="3"', 'ht="3" ht="3"'),
    "an unknown attribute of a row": ('ht="3"', 'xmlns="3"'),
    "single quotes": ('r="A2" s="12"', "r='A2' s='12'"),
    "a space more": ('r="A2" s="12"', 'r="A2"  s="12"'),
    "a truth value": ('t="n"', 't="b"'),
    "an error": ('t="n"', 't="e"'),
    "a date": ('t="n"', 't="d"'),
    "a text that is missing": ("<v>1</v>", "<v>3</v>"),
    "a text that is no number": ("<v>1</v>", "<v>one</v>"),
    "a text without a number": ("<v>1</v>", "<v/>"),
    "a text of a raised digit": ("<v>1</v>", "<v>²</v>"),
    "a text of another script's digits": ("<v>1</v>", "<v>١</v>"),
    "a text of ten digits": ("<v>1</v>", "<v>0000000001</v>"),
    "an empty result": ("<v>é</v>", "<v></v>"),
    "an empty result in short": ("<v>é</v>", "<v/>"),
    "a text of no number": ("<v>1</v>", "<v></v>"),
    "another text": ("<v>1</v>", "<v>02</v>"),
    "a text of a negative number": ("<v>1</v>", "<v>-1</v>"),
    "a number of two numbers": ("-1.5e-3", "-1.5 e-3"),
    "a number after a space": ("-1.5e-3", " -1.5e-3"),
    "a number before a space": ("-1.5e-3", "-1.5e-3 "),
    "a number before a line's end": ("-1.5e-3", "-1.5e-3\n"),
    "infinity": ("-1.5e-3", "inf"),
    "no number": ("-1.5e-3", "nan"),
    "too large": ("-1.5e-3", "1e309"),
    "grouped digits": ("-1.5e-3", "1_000"),
    "hexadecimal": ("-1.5e-3", "0x1p3"),
    "another script's digits": ("-1.5e-3", "١"),
    "a very long number": ("-1.5e-3", "0." + "0" * 330 + "1"),
    "a number that is too long": ("-1.5e-3", "0." + "0" * 400 + "1"),
    "a lone point": ("-1.5e-3", "."),
    "a lone sign": ("-1.5e-3", "-"),
    "a lone exponent": ("-1.5e-3", "e5"),
    "half an exponent": ("-1.5e-3", "1e"),
    "an entity in a number": ("-1.5e-3", "&#45;1.5e-3"),
    "an entity by number": ("a &amp;", "a &#38;"),
    "an unknown entity": ("a &amp;", "a &nbsp;"),
    "half an entity": ("a &amp;", "a &amp"),
    "a lone ampersand": ("a &amp;", "a &"),
    "all entities": ("a &amp;", "&amp;lt;&lt;&gt;&quot;&apos;&amp;amp;"),
    "a comment": ("<f>A2", "<!-- --><f>A2"),
    "a comment in a formula": ("<f>A2", "<f><!-- -->A2"),
    "marked text": ("a &amp; b", "<![CDATA[a & b]]>"),
    "the end of marked text": ("a &amp; b", "a ]]> b"),
    "an instruction": ("<f>A2", "<?x y?><f>A2"),
    "text between cells": ("</c><c", "</c>x<c"),
    "space between cells": ("</c><c", "</c> <c"),
    "text in a row": ("</c></row>", "</c>x</row>"),
    "text in a cell": ("</f><v>-0", "</f>x<v>-0"),
    "two values": ("<v>-1.5e-3</v>", "<v>1</v><v>2</v>"),
    "two formulas": ("<f>A2*2</f>", "<f>A2*2</f><f>A2</f>"),
    "a value before its formula": ("<f>A2*2</f><v>-0.003</v>", "<v>1</v><f>A2*2</f>"),
    "two texts": ("</t></is>", "</t><t>c</t></is>"),
    "runs of text": ("<t>a &amp; b</t>", "<r><t>a</t></r>"),
    "a text of another type": ('t="inlineStr"', 't="n"'),
    "a value of another type": ('t="n"', 't="inlineStr"'),
    "a text that keeps its spaces": ("<t>a", '<t xml:space="preserve">a'),
    "a text that need not keep them": ("<t>a", '<t xml:space="default">a'),
    "single quotes around preserve": ("<t>a", "<t xml:space='preserve'>a"),
    "preserve without an end": ("<t>a", '<t xml:space="preserved>a'),
    "a cell that is not closed": ('<c r="AB5" s="12" />', '<c r="AB5"><c r="AC5"></c>'),
    "a row that is not closed": ('<row r="5">', '<row r="4"><row r="5">'),
    "a row closed twice": ('</row><row r="5">', '</row></row><row r="5">'),
    "a cell behind its row": ("</row></sheetData>", '</row><c r="AD5"/></sheetData>'),
    "text before the first row": ("<sheetData>", "<sheetData>x"),
    "text behind the last row": ("</row></sheetData>", "</row>x</sheetData>"),
    "a shared formula": ("<f>A2*2", '<f t="shared" si="0">A2*2'),
    "an array formula": ("<f>A2*2", '<f t="array" ref="B2:C3">A2*2'),
    "a link to another workbook": ("A2*2", "[1]S!A2*2"),
    "brackets in quotes": ("A2*2", '"[1]"'),
    "a bracket in a text": ("a &amp; b", "[a]"),
    "a formula that is too long": ("A2*2", "1+" * 4096 + "1"),
    "the longest formula": ("A2*2", "1+" * 4095 + "1"),
    "a tag that is not closed": ("</f><v>-0", "<v>-0"),
    "a tag that was not opened": ("<f>A2", "A2"),
    "another tag": ("<f>A2*2</f>", "<g>A2*2</g>"),
    "a tag with a space": ("<f>A2", "<f >A2"),
    "an end with a space": ("</f><v>-0", "</f ><v>-0"),
    "a tag of another vocabulary": ("<f>A2*2</f>", '<f xmlns="x">A2*2</f>'),
    "a carriage return": ("a &amp; b", "a\r\nb"),
    "a line's end": ("a &amp; b", "a\nb"),
    "a tab": ("a &amp; b", "a\tb"),
    "a control sign": ("a &amp; b", "a\x01b"),
    "a NUL": ("a &amp; b", "a\x00b"),
    "no sign of XML": ("a &amp; b", "a\ufffeb"),
    "a large sign": ("a &amp; b", "𝛿"),
    "two tables": ("<sheetData>", "<sheetData></sheetData><sheetData>"),
    "an empty table besides": ("<sheetData>", "<sheetData /><sheetData>"),
    "an empty table behind": ("</sheetData>", "</sheetData><sheetData/>"),
    "a table in a table": ("<sheetData>", "<sheetData><sheetData>"),
    "a table deeper down": (r"<sheetData>(.*)</sheetData>", r"<x><sheetData>\1</sheetData></x>"),
    "a table in a comment": (r"<sheetData>(.*)</sheetData>", r"<!--<sheetData>\1</sheetData>-->"),
    "a table's start in a comment": ("<sheetData>", "<!--<sheetData>--><sheetData>"),
    "a table's end in a comment": ("</sheetData>", "</sheetData><!--</sheetData>-->"),
    "attributes of the table": ("<sheetData>", '<sheetData x="1">'),
    "another root": ("worksheet", "chartsheet"),
    "another vocabulary": (MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main"),
    "a prefix": ("<worksheet xmlns=", "<worksheet xmlns:x="),
    "a declaration": ("<worksheet", '<?xml version="1.0" encoding="UTF-8"?>\n<worksheet'),
    "another encoding": ("<worksheet", '<?xml version="1.0" encoding="latin-1"?><worksheet'),
    "another version": ("<worksheet", '<?xml version="1.1"?><worksheet'),
    "a mark of the byte order": ("<worksheet", "\ufeff<worksheet"),
    "a document type": ("<worksheet", "<!DOCTYPE a><worksheet"),
    "an end that is missing": ("</worksheet>", ""),
    "something behind": ("</worksheet>", "</worksheet><a/>"),
}
STILL_PLAIN = {
    "a text that keeps its spaces",
    "another text", "an empty result", "an empty result in short",
    "a very long number", "all entities", "a bracket in a text", "the longest formula",
    "a line's end", "a tab", "a large sign", "a declaration",
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_what_departs_from_the_plain_form_is_left_to_the_general_reader(what):
    old, new = CHANGES[what]
    text = WHOLE.decode()
    pattern = old if "(" in old else re.escape(old)
    template = new if "\\1" in new else lambda _: new
    changed = re.sub(pattern, template, text, count=1, flags=re.DOTALL)
    if what in ("another root", "leading zeros in a row"):  # everywhere
        changed = text.replace(old, new)
    assert changed != text
    assert agreed(changed.encode())[0] == (what in STILL_PLAIN)


def test_bytes_that_are_no_utf8_are_left_to_the_general_reader():
    assert agreed(WHOLE) == (True, True)
    for broken in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\xbc"):
        assert agreed(WHOLE.replace(b"a &amp;", broken)) == (False, False)
        assert agreed(WHOLE.replace(b"A2*2", broken)) == (False, False)


TOKENS = [
    *"<>&\"'=/[]_-+.eEn019AZa \n\r\t\x00",
    *("&#65;", "&lt;", "&amp;", "&x;", "<!-- -->", "<![CDATA[1]]>", "<?x?>", "]]>", "<v>", "</v>"),
    *("<v/>", "<v>1</v>", "<f>1</f>", "<f>", "</f>", "<c>", "</c>", "<is><t>x</t></is>", "<t>"),
    *('<c r="B2"/>', '<c r="B2">', '<row r="3"/>', '<row r="9">', "</row>", "<row>", "1e400"),
    *(' t="b"', ' t="e"', ' t="s"', ' t="str"', ' t="n"', ' t="inlineStr"', ' s="3"', ' r="B2"'),
    *(' xmlns="x"', ' spans="1:3"', "<sheetData>", "</sheetData>", "é", "\uffff", "nan", "<x/>"),
]
LETTERS = [sign.encode() for sign in "0123456789ABCZaenstr.-+_ é"]


def mutated(rng, data):
    """Return a sheet with one thing or two changed, mostly in its table."""
    for _ in range(rng.choice((1, 1, 2))):
        table = slice(data.find(b"<row"), data.rfind(b"</row>") + 6)
        start, end = (table.start, table.stop) if rng.random() < 0.9 else (0, len(data))
        if rng.random() < 0.6:  # a letter or a digit becomes another
            at = rng.choice([m.start() for m in re.finditer(rb"\w", data[start:end])]) + start
            data = data[:at] + rng.choice(LETTERS) + data[at + 1 :]
            continue
        edges = [m.start() + start for m in re.finditer(rb"[<>\"]", data[start:end])]
        first, last = sorted(rng.choice(edges) + rng.choice((0, 0, 1)) for _ in range(2))
        last = min(last, first + rng.choice((1, 2, 8, 40)))
        token = rng.choice(TOKENS).encode()
        data = rng.choice(
            (
                data[:first] + token + data[first:],
                data[:first] + token + data[first + len(token) :],
                data[:first] + data[last:],
                data[:first] + data[first:last] * 2 + data[last:],
                data[:first] + data[last : last + 30] + data[first:last] + data[last + 30 :],
                data[:first] + bytes([rng.randrange(256)]) + data[first + 1 :],
            )
        )
    return data


def tally(count, seed):
    """Hold both readers against each other on mutants; return how often either read any."""
    rng = random.Random(seed)
    return Counter(agreed(mutated(rng, WHOLE)) for _ in range(count))


@pytest.mark.slow
def test_mutants_of_a_sheet_are_read_alike_or_left_to_the_general_reader():
    found = tally(2500, "plain")
    assert found[True, True] > 120
    assert found[False, False] > 800


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(1, 4))]
)
def test_many_mutants_of_a_sheet(seed):
    assert tally(40_000, seed)[True, True] > 2_000  # the same share as above: not for nothing


# whole workbooks


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_workbooks_are_read_alike_both_ways(path):
    contents = book.Contents(package.open_package(path))
    plain = 0
    for name, part in contents.sheets.items():
        quick = read_plain(contents.package, name, part, contents.texts)
        slow = SheetReader(contents.package, name, contents.texts).read(part)
        if quick is None:  # a Walkthrough's answers are none
            continue
        plain += 1
        assert exactly(quick) == exactly(slow), name
        assert list(quick.formulas) == list(slow.formulas)
    assert plain >= 1


@pytest.mark.parametrize("read", [lambda *_: None, read_plain], ids=["slowly", "quickly"])
def test_cells_of_plain_sheets_count_too(read, monkeypatch):
    monkeypatch.setattr(book, "read_plain", read)
    monkeypatch.setitem(package.OWN.limits, "cells", 50)
    with pytest.raises(WorkbookError, match="too many cells"):
        book.read_book(SHIPPED[0])
