"""The student's own workbook comes back with everything that they added."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import zipfile
import zlib
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule, ColorScaleRule, FormulaRule
from openpyxl.styles import Font, PatternFill

from cellgrad.errors import WorkbookError
from cellgrad.xlsx.addresses import parse_a1
from cellgrad.xlsx.book import read_book
from cellgrad_audit.bugs.catalogue import by_id
from cellgrad_coursework.model import (
    BLANK,
    BLANK_MEANING,
    GIVEN_MEANING,
    VERDICTS,
    WRONG,
)
from cellgrad_coursework.results.feedback import places, workbook_bytes
from cellgrad_coursework.results.marks import MORE
from cellgrad_coursework.results.summary import COLOURS, MEANINGS, WORDS
from graded import (
    grade,
    handout,
    manifest,
    mistaken,
    mixed,
    opened,
    parts_of,
    saved,
    zipped,
)

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


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
