"""What goes back: the student's own workbook with everything they added, and pages."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import zipfile
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule, ColorScaleRule, FormulaRule
from openpyxl.styles import Font, PatternFill

from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad.xlsx.editor import Parts, Patch, tags, utf8, with_attributes
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import (
    BLANK,
    EMBEDDED_CONSTANT,
    HARDCODED,
    OK,
    OK_ECF,
    REVIEW,
    VERDICTS,
    WRONG,
)
from cellgrad_coursework.results.autograders import gradescope_results
from cellgrad_coursework.results.feedback import places, workbook_bytes
from cellgrad_coursework.results.marks import MORE
from cellgrad_coursework.results.pages import class_page, student_page
from cellgrad_coursework.results.summary import COLOURS, MARKS, MEANINGS, WORDS, summary
from cellgrad_coursework.results.write import write_all
from cellgrad_coursework.setting.step_sheet import BLANK_MEANING, GIVEN_MEANING
from graded import HOSTILE, grade, handout, manifest, mistaken, mixed, parts_of, roster, unreadable

PICTURE = '<script src="https://example.org/x.js"></script>'
S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def zipped(parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def opened(data):
    return openpyxl.load_workbook(io.BytesIO(data))


def saved(book):
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def png():
    """Return a picture of one red pixel."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00")) + chunk(b"IEND", b"")
    )  # fmt: skip


def with_chart_and_image():
    """Return the handout with a chart and an image that a student put on the step's sheet."""
    book = opened(handout())
    chart = BarChart()
    chart.add_data(Reference(book["Step"], min_col=3, max_col=6, min_row=12))
    book["Step"].add_chart(chart, "H30")
    parts = parts_of(saved(book))
    sheet = next(
        name
        for name, data in parts.items()
        if name.startswith("xl/worksheets/s") and b"S_preA_H" in data and b"<drawing" in data
    )
    drawing = re.search(
        rb'Target="/?(?:\.\./|xl/)?(drawings/drawing\d+\.xml)"',
        parts[f"xl/worksheets/_rels/{sheet.rpartition('/')[2]}.rels"],
    )[1].decode()
    rels = f"xl/drawings/_rels/{drawing.rpartition('/')[2]}.rels"
    parts["xl/media/image1.png"] = png()
    parts[rels] = parts[rels].replace(
        b"</Relationships>",
        b'<Relationship Id="rIdPicture" Type="http://schemas.openxmlformats.org/officeDocument/'
        b'2006/relationships/image" Target="/xl/media/image1.png"/></Relationships>',
    )
    space = re.search(rb"<(\w+:)?wsDr", parts[f"xl/{drawing}"])[1] or b""
    anchor = (
        b'<p:oneCellAnchor xmlns:p="http://schemas.openxmlformats.org/drawingml/2006/'
        b'spreadsheetDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        b'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><p:from>'
        b"<p:col>1</p:col><p:colOff>0</p:colOff><p:row>37</p:row><p:rowOff>0</p:rowOff></p:from>"
        b'<p:ext cx="400000" cy="400000"/><p:pic><p:nvPicPr><p:cNvPr id="99" name="Mine"/>'
        b'<p:cNvPicPr/></p:nvPicPr><p:blipFill><a:blip r:embed="rIdPicture"/><a:stretch>'
        b'<a:fillRect/></a:stretch></p:blipFill><p:spPr><a:prstGeom prst="rect"/></p:spPr></p:pic>'
        b"<p:clientData/></p:oneCellAnchor>"
    )
    end = b"</" + space + b"wsDr>"
    assert end in parts[f"xl/{drawing}"]
    parts[f"xl/{drawing}"] = parts[f"xl/{drawing}"].replace(end, anchor + end)
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(
        b"</Types>", b'<Default Extension="png" ContentType="image/png"/></Types>'
    )
    return zipped(parts)


@pytest.fixture(scope="module")
def marked():
    return workbook_bytes(manifest(), mixed(), handout())


# the workbook


def test_a_chart_and_an_image_come_back_byte_for_byte():
    data = with_chart_and_image()
    before, after = parts_of(data), parts_of(workbook_bytes(manifest(), mixed(), data))
    assert set(before) <= set(after)
    changed = {name for name in before if before[name] != after[name]}
    assert {re.sub(r"\d+", "", name) for name in changed} <= {
        "[Content_Types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml",
        "xl/worksheets/sheet.xml", "xl/worksheets/_rels/sheet.xml.rels",
    }  # fmt: skip
    assert {"xl/media/image1.png", "xl/charts/chart1.xml"} <= set(before) - changed
    book = opened(workbook_bytes(manifest(), mixed(), data))
    assert len(book["Step"]._charts) == 1
    rels = next(d for n, d in after.items() if n.startswith("xl/drawings/_rels") and b"image" in d)
    assert b"/xl/media/image1.png" in rels


def test_every_value_and_formula_of_the_student_stays(marked, tmp_path):
    for name, data in (("a.xlsx", handout()), ("b.xlsx", marked)):
        (tmp_path / name).write_bytes(data)
    before, after = read_book(tmp_path / "a.xlsx"), read_book(tmp_path / "b.xlsx")
    assert list(after.sheets) == ["Feedback", *before.sheets]
    assert after.names == before.names
    for name, sheet in before.sheets.items():
        assert dict(after.sheets[name].formulas) == dict(sheet.formulas)
        assert dict(after.sheets[name].values) == dict(sheet.values)


def test_each_graded_cell_has_the_colour_of_its_verdict_and_no_other_cell_changed(marked):
    before, after = opened(handout()), opened(marked)
    verdicts = {v.cell.address: v.verdict for v in mixed().verdicts}
    assert set(verdicts.values()) == set(VERDICTS)
    for row in before["Step"].iter_rows():
        for old in row:
            new = after["Step"][old.coordinate]
            assert new.number_format == old.number_format
            assert repr(new.font) == repr(old.font)
            assert repr(new.border) == repr(old.border)
            assert repr(new.protection) == repr(old.protection)
            if old.coordinate in verdicts:
                assert new.fill.fgColor.rgb == f"FF{COLOURS[verdicts[old.coordinate]]}"
            else:
                assert repr(new.fill) == repr(old.fill)


def test_each_graded_cell_has_a_note_with_a_word_and_its_points(marked):
    sheet = opened(marked)["Step"]
    for verdict in mixed().verdicts:
        text = sheet[verdict.cell.address].comment.text
        assert text.startswith(f"{WORDS[verdict.verdict]}: ")
        assert f"{verdict.points:g} of 1" in text
        assert verdict.message in text


def test_the_feedback_sheet_begins_with_the_score_and_the_root_cause():
    book = opened(workbook_bytes(manifest(), mistaken(), handout()))
    sheet = book.worksheets[0]
    assert sheet.title == "Feedback"
    assert book.active is sheet
    texts = [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]
    entry = by_id()["updated-output-weights"]
    for text in ("58 of 59 points", "1 root cause, 24 consequences", entry.why, entry.fix):
        assert text in texts
    first = next(n for n, text in enumerate(texts) if entry.title in text)
    assert first < texts.index(entry.why) < texts.index("your formula")
    assert "=I23*O18*I14" in texts
    links = [cell.hyperlink.location for row in sheet.iter_rows() for cell in row if cell.hyperlink]
    assert len(links) == 1 + len(manifest().cells)
    assert "Step!I10" in links


def test_only_one_sheet_is_selected_and_print_areas_stay_with_their_sheets(marked):
    before, after = opened(handout()), opened(marked)
    for sheet in before:
        assert after[sheet.title].print_area == sheet.print_area
        assert after[sheet.title].print_title_rows == sheet.print_title_rows
    selected = [s.title for s in after if s.sheet_view.tabSelected]
    assert selected == ["Feedback"]


def test_the_sheet_that_was_open_last_is_no_longer_selected():
    book = opened(handout())
    book.active = 1
    book["Step"].sheet_view.tabSelected = True
    book["Check"].sheet_view.tabSelected = True
    data = saved(book)
    assert [s.title for s in opened(data) if s.sheet_view.tabSelected] == ["Step", "Check"]
    after = opened(workbook_bytes(manifest(), mixed(), data))
    assert [s.title for s in after if s.sheet_view.tabSelected] == ["Feedback"]
    assert after.active.title == "Feedback"


def test_the_fill_is_switched_on_and_parts_keep_their_dates(marked):
    parts = parts_of(marked)
    styles = parts["xl/styles.xml"].decode()
    formats = re.findall(r"<xf [^>]*>", re.search(r"<cellXfs.*?</cellXfs>", styles, re.DOTALL)[0])
    sheet = parts["xl/worksheets/sheet2.xml"].decode()
    for verdict in mixed().verdicts:
        style = re.search(rf'<c r="{verdict.cell.address}"[^>]* s="(\d+)"', sheet)[1]
        assert 'applyFill="1"' in formats[int(style)]
    for old in zipfile.ZipFile(io.BytesIO(handout())).infolist():
        entry = zipfile.ZipFile(io.BytesIO(marked)).getinfo(old.filename)
        assert entry.date_time == old.date_time


def test_signs_that_excel_reads_as_an_escape_come_back_as_they_were_written():
    at = manifest().cells[0].address
    one = grade({at: {"verdict": WRONG, "formula": "_x0041_", "message": "a_x000D_b"}})
    sheet = parts_of(workbook_bytes(manifest(), one, handout()))["xl/worksheets/feedback1.xml"]
    assert b"_x005F_x0041_" in sheet
    assert b"a_x005F_x000D_b" in sheet


def test_no_text_goes_back_as_a_formula(marked):
    parts = parts_of(marked)
    sheet = ET.fromstring(parts["xl/worksheets/feedback1.xml"])  # noqa: S314 - our own
    cells = list(sheet.iter(f"{S}c"))
    assert not list(sheet.iter(f"{S}f"))
    assert {c.get("t") for c in cells} <= {"inlineStr", None}
    words = ["".join(c.itertext()) for c in cells]
    assert any(word.startswith("=HYPERLINK") for word in words)
    assert b"<script>" not in b"".join(parts.values())
    read = opened(marked)["Feedback"]
    for row in read.iter_rows():
        for cell in row:
            assert cell.data_type in ("s", "n", "inlineStr")
            if isinstance(cell.value, str) and cell.value.startswith("="):
                assert cell.style_id == 0 or cell.quotePrefix or cell.column == 2


def test_every_part_is_well_formed_and_declared(marked):
    parts = parts_of(marked)
    types = parts["[Content_Types].xml"].decode()
    for name, data in parts.items():
        if name.endswith((".xml", ".rels", ".vml")):
            ET.fromstring(data)  # noqa: S314 - our own
            assert f'"/{name}"' in types or name.endswith(".rels") or name == "[Content_Types].xml"


def test_the_same_grade_gives_the_same_bytes():
    assert workbook_bytes(manifest(), mixed(), handout()) == workbook_bytes(
        manifest(), mixed(), handout()
    )


def test_cells_are_coloured_where_inserted_rows_have_moved_them():
    now = {"S_ERROR_H": "Step!$I$12:$L$12".lower(), "s_error_h": "Step!$I$12:$L$12"}
    cells = [c for c in manifest().cells if c.name == "S_ERROR_H"]
    found = places(cells, manifest().names, now)
    assert found["Step", "J10"] == ("Step", 12, 10)
    assert places(cells, manifest().names, {})["Step", "J10"] == ("Step", 10, 10)
    smaller = {"s_error_h": "Step!$I$12:$K$12"}
    assert places(cells, manifest().names, smaller)["Step", "J10"] == ("Step", 10, 10)


def test_cells_that_a_program_left_out_are_added():
    parts = parts_of(handout())
    name = "xl/worksheets/sheet2.xml"
    whole = re.sub(rb'<row r="10".*?</row>', b"", parts[name])
    whole = re.sub(rb'<c r="J14".*?</c>', b"", whole)
    whole = re.sub(rb'(<row r="35"[^>]*)>.*?</row>', rb"\1/>", whole)
    one = grade({c.address: BLANK for c in manifest().cells})
    after = opened(workbook_bytes(manifest(), one, zipped(parts | {name: whole})))["Step"]
    for cell in manifest().cells:
        assert after[cell.address].fill.fgColor.rgb == f"FF{COLOURS[BLANK]}", cell.address
    rows = [int(r) for r in re.findall(rb'<row r="(\d+)"', parts_of(
        workbook_bytes(manifest(), one, zipped(parts | {name: whole})))[name])]  # fmt: skip
    assert rows == sorted(set(rows))


def test_a_sheet_without_any_cell_is_filled():
    parts = parts_of(handout())
    name = "xl/worksheets/sheet2.xml"
    for empty in (b"<sheetData/>", b"<sheetData></sheetData>"):
        bare = re.sub(rb"<sheetData>.*</sheetData>", empty, parts[name])
        one = grade({c.address: BLANK for c in manifest().cells})
        after = opened(workbook_bytes(manifest(), one, zipped(parts | {name: bare})))["Step"]
        for cell in manifest().cells:
            assert after[cell.address].fill.fgColor.rgb == f"FF{COLOURS[BLANK]}"


def test_a_workbook_whose_elements_have_prefixes_is_marked_too():
    def prefixed(data):
        data = re.sub(rb"<(/?)(?![?!])(\w+)", rb"<\1x:\2", data)
        return data.replace(b' xmlns="', b' xmlns:x="')

    parts = parts_of(handout())
    for name in ("xl/workbook.xml", "xl/styles.xml", *(f"xl/worksheets/sheet{n}.xml"
                                                       for n in range(2, 6))):  # fmt: skip
        parts[name] = prefixed(parts[name])
    after = opened(workbook_bytes(manifest(), mixed(), zipped(parts)))
    assert after.sheetnames[:3] == ["Feedback", "Guide", "Step"]
    for verdict in mixed().verdicts:
        cell = after["Step"][verdict.cell.address]
        assert cell.fill.fgColor.rgb == f"FF{COLOURS[verdict.verdict]}"
        assert cell.comment is not None


def test_notes_of_the_student_stay_and_ours_stand_beside_them():
    book = opened(handout())
    at = manifest().cells[3].address
    book["Step"][at].comment = Comment("mine", "me")
    book["Step"]["A1"].comment = Comment("mine too", "me")
    after = opened(workbook_bytes(manifest(), mixed(), saved(book)))["Step"]
    assert after[at].comment.text == "mine"
    assert after["A1"].comment.text == "mine too"
    others = [c.address for c in manifest().cells if c.address != at]
    assert all(after[address].comment is not None for address in others)


def test_conditional_formats_that_would_hide_the_colours_go_and_others_stay():
    book = opened(handout())
    sheet, fill = book["Step"], PatternFill("solid", bgColor="FFFFFF")
    kept = len(sheet.conditional_formatting)
    sheet.conditional_formatting.add("C10:F10", FormulaRule(["TRUE"], fill=fill))
    sheet.conditional_formatting.add(
        "I6:L8", ColorScaleRule("min", None, "FFFFFF", "max", None, "FF0000")
    )
    sheet.conditional_formatting.add("I18:I21", CellIsRule("lessThan", ["0"], font=Font(bold=True)))
    sheet.conditional_formatting.add("A40:B41", FormulaRule(["TRUE"], fill=fill))
    after = opened(workbook_bytes(manifest(), mixed(), saved(book)))["Step"]
    rules = {str(c.sqref): c.rules for c in after.conditional_formatting}
    assert all(rule.dxf is None or rule.dxf.fill is None for rule in rules["C10:F10"])
    assert not any(rule.type == "colorScale" for rule in rules["I6:L8"])
    assert any(rule.type == "cellIs" for rule in rules["I18:I21"])
    assert len(rules["A40:B41"]) == 1
    assert len(rules) == kept + 1


def test_a_sheet_of_the_students_called_feedback_stays():
    book = opened(handout())
    book.create_sheet("feedback")["A1"] = "mine"
    after = opened(workbook_bytes(manifest(), mixed(), saved(book)))
    assert after.sheetnames[0] == "Feedback 2"
    assert after["feedback"]["A1"].value == "mine"


def test_a_file_that_is_no_workbook_is_refused_by_name():
    with pytest.raises(WorkbookError, match=r"s000\.xlsx"):
        workbook_bytes(manifest(), mixed(), b"no zip")
    parts = parts_of(handout())
    parts["xl/worksheets/sheet2.xml"] = b"<worksheet><sheetData></worksheet>"
    with pytest.raises(WorkbookError, match=r"s000\.xlsx.*not well-formed"):
        workbook_bytes(manifest(), mixed(), zipped(parts))


@pytest.mark.slow
@pytest.mark.libreoffice
def test_libreoffice_opens_it_and_comes_to_the_same_numbers(engine_or_skip, tmp_path):
    engine = engine_or_skip("libreoffice")
    data = with_chart_and_image()
    values = []
    for name, file in (("a.xlsx", data), ("b.xlsx", workbook_bytes(manifest(), mixed(), data))):
        path = tmp_path / name
        path.write_bytes(file)
        with engine.open(path) as book:
            values.append([np.asarray(block).tolist() for block in book.read(_areas())])
    assert values[0] == values[1]


def _areas():
    from cellgrad.xlsx.addresses import Range  # noqa: PLC0415

    return [Range("Step", *parse_a1(c.address), *parse_a1(c.address)) for c in manifest().cells]


@pytest.mark.slow
@pytest.mark.libreoffice
def test_libreoffice_shows_the_chart_the_image_and_the_feedback(tmp_path):
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("no LibreOffice is installed")
    (tmp_path / "back.xlsx").write_bytes(
        workbook_bytes(manifest(), mixed(), with_chart_and_image())
    )
    subprocess.run(
        [office, "--headless", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
         "--convert-to", "ods", "--outdir", str(tmp_path), str(tmp_path / "back.xlsx")],
        capture_output=True, timeout=180, check=True,
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "back.ods") as archive:
        names, text = archive.namelist(), archive.read("content.xml").decode()
    assert any(name.startswith("Pictures/") for name in names)
    assert any(name.startswith("Object ") for name in names)
    assert text.index('table:name="Feedback"') < text.index('table:name="Step"')
    assert text.count("<office:annotation ") == len(manifest().cells)


# changes in place


def test_a_change_in_place_keeps_every_other_byte():
    data = b"""<?xml version='1.0'?><a x = '1>2' ><!-- <b> --><b s='3'/><b s="4">t</b ></a >"""
    whole = tags(data, lambda name, _: name == "a")[0]
    assert data[whole.start : whole.inner] == b"<a x = '1>2' >"
    found = tags(data, lambda name, _: name == "b")
    assert [tag.attributes["s"] for tag in found] == ["3", "4"]
    patch = Patch(data)
    patch.set(found[0], s="9")
    patch.append(found[0], "<c/>")
    assert b"<!-- <b> -->" in patch.done()
    patch = Patch(data)
    patch.set(found[1], s=None, q='"<&')
    assert patch.done() == data.replace(b'<b s="4">', b'<b q="&quot;&lt;&amp;">')


def test_parts_in_other_encodings_are_read():
    text = "<?xml version='1.0' encoding='utf-16'?><a>ü</a>"
    assert utf8(text.encode("utf-16")) == "<a>ü</a>".encode()
    latin = "<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>".encode("latin-1")
    assert utf8(latin) == "<a>ü</a>".encode()
    with pytest.raises(WorkbookError):
        utf8(b"<?xml version='1.0' encoding='no-such'?><a/>")
    assert with_attributes(b"<a b='1' ab='2'/>", {"b": "3"}) == b"<a ab='2' b=\"3\"/>"


def test_new_parts_take_names_that_are_free():
    parts = Parts(handout())
    assert parts.free("xl/worksheets/sheet{}.xml") == "xl/worksheets/sheet6.xml"
    assert parts.free("XL/worksheets/SHEET{}.xml") == "XL/worksheets/SHEET6.xml"


# in words


def test_one_mistake_is_one_root_cause_with_its_consequences():
    told = summary(mistaken())
    assert told.sentence == "1 root cause, 24 consequences"
    assert [c.first.cell.address for c in told.causes] == ["I10"]
    assert len(told.causes[0].follows) == 24
    assert told.causes[0].lost == 1


def test_a_repeated_mistake_is_told_once_and_consequences_of_consequences_follow():
    a, b, c, d = (cell.address for cell in manifest().cells[:4])
    told = summary(
        grade({
            a: {"verdict": WRONG}, b: {"verdict": WRONG, "repeats": a, "points": 1.0},
            c: {"verdict": OK_ECF, "cause": b}, d: {"verdict": OK_ECF, "cause": c},
        })
    )  # fmt: skip
    assert told.sentence == "1 root cause, 2 consequences"
    cause = told.causes[0]
    assert [v.cell.address for v in cause.cells] == [a, b]
    assert [v.cell.address for v in cause.follows] == [c, d]
    assert cause.reach == "in 2 cells, charged once; 2 cells after it follow from it"


def test_one_mistake_throughout_a_quantity_is_told_once_and_in_another_again():
    bug = {"verdict": WRONG, "bug": "updated-output-weights"}
    told = summary(grade({"I10": dict(bug), "J10": dict(bug), "I12": dict(bug)}))
    assert [[v.cell.address for v in c.cells] for c in told.causes] == [["I12"], ["I10", "J10"]]
    assert told.causes[1].lost == 2
    assert "once" not in told.causes[1].reach


def test_what_follows_from_an_open_question_is_no_consequence_of_a_mistake():
    a, b, c, d = (cell.address for cell in manifest().cells[:4])
    told = summary(
        grade({
            a: REVIEW, b: {"verdict": OK_ECF, "cause": a}, c: {"verdict": WRONG},
            d: {"verdict": OK_ECF, "cause": c},
        })
    )  # fmt: skip
    assert told.sentence == "1 root cause, 1 consequence, 1 cell to be looked at"
    assert told.causes[0].reach == "1 cell after it follows from it"


def test_causes_in_a_circle_end():
    a, b = (cell.address for cell in manifest().cells[:2])
    told = summary(grade({a: {"verdict": OK_ECF, "cause": b}, b: {"verdict": OK_ECF, "cause": a}}))
    assert told.causes == []
    assert told.consequences == 2


def test_empty_cells_and_typed_numbers_are_told_together():
    cells = [cell.address for cell in manifest().cells]
    which = dict.fromkeys(cells[:5], BLANK) | dict.fromkeys(cells[5:8], HARDCODED)
    told = summary(grade(which | {cells[9]: EMBEDDED_CONSTANT}))
    assert told.sentence == "2 root causes, 5 empty cells"
    assert [len(c.cells) for c in told.causes] == [5, 3, 1]


def test_every_verdict_has_words_a_meaning_and_a_colour():
    assert set(WORDS) == set(MEANINGS) == set(COLOURS) == set(VERDICTS)
    assert summary(grade()).sentence == "Every cell is right"
    assert summary(unreadable()).sentence.startswith("The file could not be read: ")


# pages


class Seen(HTMLParser):
    """What a page holds."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def hostile_page():
    cells = manifest().cells
    student = replace(roster(1)[0], name=HOSTILE, id=HOSTILE)
    one = mixed(student=student, file=HOSTILE)
    one.verdicts = [replace(v, formula=HOSTILE, message=f"{PICTURE}{HOSTILE}")
                    for v in one.verdicts]  # fmt: skip
    named = replace(manifest(), title=HOSTILE + PICTURE,
                    cells=tuple(replace(c, label=HOSTILE) for c in cells))  # fmt: skip
    return student_page(named, one)


@pytest.mark.parametrize("text", ["student", "hostile", "unreadable", "class"])
def test_a_page_is_whole_in_itself_and_runs_nothing(text, tmp_path):
    pages = {
        "student": lambda: student_page(manifest(), mistaken()),
        "hostile": hostile_page,
        "unreadable": lambda: student_page(manifest(), unreadable(HOSTILE)),
        "class": lambda: hostile_class(tmp_path),
    }
    seen = Seen(pages[text]())
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not {n for n in names if n.startswith("on")} | ({"src", "href", "action"} & names)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in seen.attributes
    assert "\x1b" not in "".join(seen.text)
    assert "url(" not in "".join(seen.text)


def hostile_class(folder):
    student = replace(roster(1)[0], name=HOSTILE)
    one = mixed(student=student, file=HOSTILE)
    one.review, one.notes, one.copying = [PICTURE], [PICTURE], [PICTURE]
    write_all(folder, replace(manifest(), title=PICTURE), [one, unreadable(PICTURE)], [student])
    return (folder / "class.html").read_text("utf-8")


def test_the_page_says_what_the_workbook_says():
    text = " ".join("".join(Seen(student_page(manifest(), mistaken())).text).split())
    entry = by_id()["updated-output-weights"]
    for words in ("1 root cause, 24 consequences", "58 of 59 points", entry.title, entry.why,
                  entry.fix, "=I23*O18*I14", "24 cells after it follow from it"):  # fmt: skip
        assert words in text
    for cell in manifest().cells:
        assert f"{cell.address} " in text


def test_lateness_is_said_on_the_page_and_in_the_workbook():
    one = mistaken(student=roster(2)[1])
    words = "58 points less 10 % (late)"
    assert words in student_page(manifest(), one)
    sheet = opened(workbook_bytes(manifest(), one, handout()))["Feedback"]
    assert words in [cell.value for row in sheet.iter_rows() for cell in row]
    assert "52.2 of 59 points" in [cell.value for row in sheet.iter_rows() for cell in row]


def test_what_a_person_looks_at_costs_nothing_yet():
    a, b, c = (cell.address for cell in manifest().cells[:3])
    one = grade({a: REVIEW, b: {"verdict": REVIEW, "points": 0.5}, c: WRONG})
    told = summary(one)
    assert (told.open, [c.lost for c in told.causes], [c.open for c in told.causes]) == (
        1.5, [0, 1], [1.5, 0],
    )  # fmt: skip
    text = " ".join("".join(Seen(student_page(manifest(), one)).text).split())
    assert "To be looked at by a person (1.5 points open)" in text
    assert "1.5 points open: a person will look at it, and the score may rise" in text
    assert text.count("−") == 1  # the mistake's
    texts = _texts(opened(workbook_bytes(manifest(), one, handout()))["Feedback"])
    assert texts[texts.index("points") + 1] == "1.5 points open"
    assert summary(grade({a: REVIEW})).open_words == "1 point open"
    assert summary(grade()).open_words == ""


def _texts(sheet):
    return [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_only_mistakes_have_numbers():
    a, b, c, d = (cell.address for cell in manifest().cells[:8:2])
    one = grade({a: BLANK, b: WRONG, c: REVIEW, d: HARDCODED})
    told = summary(one)
    assert told.sentence.startswith("2 root causes, ")
    assert [number for number, _ in told.numbered] == [0, 1, 0, 2]
    text = student_page(manifest(), one)
    assert re.findall(r'<li class="([\w -]+)"(?: value="(\d)")?>', text) == [
        ("blank apart", ""), ("wrong", "1"), ("review apart", ""), ("hardcoded", "2"),
    ]  # fmt: skip
    assert ".apart { list-style: none" in text
    texts = _texts(opened(workbook_bytes(manifest(), one, handout()))["Feedback"])
    heads = [text[:3] for text in texts if any(cause.title in text for cause in told.causes)]
    labels = [cause.first.cell.label for cause in told.causes]
    assert heads == [labels[0][:3], "1. ", labels[2][:3], "2. "]
    output = gradescope_results(one)["output"]
    assert f"\n1. {labels[1]}" in output
    assert f"\n{labels[2]}" in output


def test_no_two_verdicts_look_alike():
    assert len(set(COLOURS.values())) == len(COLOURS)
    signs = {MARKS[verdict] for verdict in VERDICTS if verdict not in (OK, OK_ECF)}
    assert len(signs) == len(VERDICTS) - 2
    text = class_page(manifest(), [])
    fills = dict(re.findall(r"--c-([\w-]+): (#\w{6})", text.partition("@media")[0]))
    used = dict(re.findall(r"\.s-([\w-]+) \{ fill: var\(--c-([\w-]+)\)", text))
    assert set(used) == set(VERDICTS)
    for verdict, name in used.items():
        assert fills[name] == f"#{COLOURS[verdict].lower()}"


def test_what_follows_is_not_called_right(tmp_path):
    write_all(tmp_path, manifest(), [mistaken()], roster(1))
    text = (tmp_path / "class.html").read_text("utf-8")
    assert ">right or follows</th>" in text
    assert ">right</th>" not in text


LEGEND = {
    "B40": "colours", "B41": "given", "C41": GIVEN_MEANING, "B42": "forward", "C42": "forward pass",
    "B43": "error", "C43": "error", "B44": "blank", "C44": BLANK_MEANING["blank"],
    "B45": "blank", "C45": "a line of the student's own",
}  # fmt: skip


def with_legend(kind, **texts):
    """Return the handout with the legend that students get, its texts kept as a program may."""
    book = opened(handout())
    for at, text in (LEGEND | texts).items():
        book["Step"][at] = text
    data = saved(book)
    if kind == "inline":
        return data
    parts, shared = parts_of(data), []

    def moved(found):
        shared.append(found[1])
        return b't="s"><v>%d</v>' % (len(shared) - 1)

    for name in parts:
        if name.startswith("xl/worksheets/sheet"):
            parts[name] = re.sub(rb't="inlineStr"><is><t[^>]*>([^<]*)</t></is>', moved, parts[name])
    assert shared
    items = b"".join(b"<si><t>" + text + b"</t></si>" for text in shared)
    parts["xl/sharedStrings.xml"] = b'<sst xmlns="%s">%s</sst>' % (S[1:-1].encode(), items)
    types = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    kind_of = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    override = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/>' % types
    relation = b'<Relationship Id="rIdT" Type="%s" Target="/xl/sharedStrings.xml"/>' % kind_of
    for part, end, added in (
        ("[Content_Types].xml", b"</Types>", override),
        ("xl/_rels/workbook.xml.rels", b"</Relationships>", relation),
    ):
        assert end in parts[part]
        parts[part] = parts[part].replace(end, added + end)
    return zipped(parts)


@pytest.mark.parametrize("kind", ["shared", "inline"])
@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (grade, ["ok"]),
        (mistaken, ["ok", "ok-ecf", "wrong"]),
        (mixed, ["ok", "ok-ecf", MORE]),  # there is room for three
    ],
)
def test_the_handouts_legend_gives_way_to_the_verdicts(kind, made, expected):
    after = opened(workbook_bytes(manifest(), made(), with_legend(kind)))["Step"]
    for row, verdict in zip((42, 43, 44), [*expected, "", ""], strict=False):
        words, meaning = after[f"B{row}"].value, after[f"C{row}"].value
        assert words == WORDS.get(verdict)
        told = MEANINGS.get(verdict, verdict)
        assert meaning == (told if told and told != words else None)
        if verdict in WORDS:
            assert after[f"B{row}"].fill.fgColor.rgb == f"FF{COLOURS[verdict]}"
    for at in ("B40", "B41", "C41", "B45", "C45"):
        assert after[at].value == LEGEND[at]


@pytest.mark.parametrize("own", [{"C41": "what I call given"}, {"B41": "mine"}])
def test_a_legend_that_is_not_the_handouts_stays(own):
    after = opened(workbook_bytes(manifest(), mixed(), with_legend("shared", **own)))["Step"]
    assert {at: after[at].value for at in LEGEND} == LEGEND | own


def test_the_class_page_counts_mistakes_once_a_student(tmp_path):
    students = roster(6)
    grades = [mistaken(student=s, file=f"{s.id}.xlsx") for s in students[:4]]
    grades += [mistaken(student=students[0], file="again.xlsx"), grade(student=students[4])]
    grades[-2].superseded = "s000.xlsx"
    write_all(tmp_path, manifest(), grades, students)
    seen = Seen((tmp_path / "class.html").read_text("utf-8"))
    text = " ".join(" ".join(seen.text).split())
    title = by_id()["updated-output-weights"].title
    assert f"4 {title} {manifest_label('I10')} (4)" in text
    assert "1 student handed nothing in" in text
    assert "which counts" in text


def test_a_mistake_that_a_student_makes_twice_counts_once(tmp_path):
    bug = {"verdict": WRONG, "bug": "updated-output-weights"}
    write_all(tmp_path, manifest(), [grade({"I10": bug, "J10": bug})], roster(1))
    seen = Seen((tmp_path / "class.html").read_text("utf-8"))
    title = by_id()["updated-output-weights"].title
    assert f"1 {title} " in " ".join(" ".join(seen.text).split())


def manifest_label(address):
    return next(c.label for c in manifest().cells if c.address == address)


def test_a_class_without_a_submission_has_a_page():
    assert "No submission could be graded" in class_page(manifest(), [])


def printed_pages(text, tmp_path):
    from browser import chromium  # noqa: PLC0415 (shared, and only for slow tests)

    (tmp_path / "page.html").write_text(text, "utf-8")
    subprocess.run(
        [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         f"--user-data-dir={tmp_path / 'print'}", f"--print-to-pdf={tmp_path / 'page.pdf'}",
         (tmp_path / "page.html").as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    data = (tmp_path / "page.pdf").read_bytes()
    return len(re.findall(rb"/Type\s*/Page\b", data))


@pytest.mark.slow
def test_chromium_prints_the_students_page_on_one_sheet(tmp_path):
    cells = [cell.address for cell in manifest().cells]
    many = grade({at: {"verdict": WRONG, "bug": "updated-output-weights", "formula": "=1+" * 90}
                  for at in cells})  # fmt: skip
    assert printed_pages(student_page(manifest(), mistaken()), tmp_path) == 1
    assert printed_pages(student_page(manifest(), many), tmp_path) == 1


@pytest.mark.slow
def test_chromium_shows_the_pages_without_a_complaint_or_a_request(tmp_path):
    from test_audit_report import browsed  # noqa: PLC0415 (shared, and only for slow tests)

    (tmp_path / "out").mkdir()
    for name, text in (("student", hostile_page()), ("class", hostile_class(tmp_path / "out"))):
        path = tmp_path / f"{name}.html"
        path.write_text(text, "utf-8")
        tree, said, asked = browsed(path, tmp_path)
        assert said == []
        assert asked == []
        assert not tree.has("script")
        assert tree.has("svg")
