"""Submissions made to do harm, each with the words that its refusal must hold.

Every shape is made from the parts of an ordinary workbook, so that nothing but the fault
tells it from one. ``shapes(parts)`` yields them one at a time: together they are large.
"""

from __future__ import annotations

import random
import re
import struct
import zipfile
import zlib
from xml.sax.saxutils import escape

from hostile import Member, archive, deflated, with_text, without, zipped

MAIN = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
TYPES, WORKBOOK = "[Content_Types].xml", "xl/workbook.xml"
RELATIONS, STYLES = "xl/_rels/workbook.xml.rels", "xl/styles.xml"
PLAIN_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(
        b'<!ENTITY %c "%s">' % (letter + 1, b"&%c;" % letter * 10) for letter in range(97, 109)
    )
    + b"]>"
)
SHAPES = {}


def shape(*words):
    """Register a function from the parts of a workbook to a hostile file."""

    def register(function):
        SHAPES[function.__name__] = (function, words)
        return function

    return register


def shapes(parts):
    """Yield (name, file, words of the refusal) of every shape."""
    for name, (function, words) in SHAPES.items():
        yield name, function(dict(parts)), words


def sheet_of(parts):
    """Return the part of the last sheet: the one with the cells."""
    return max(name for name in parts if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name))


def honest(parts):
    """Return the parts as members that say the truth."""
    return [Member.honest(name, data) for name, data in parts.items()]


def plus(parts, name, data=b"x"):
    """Return the file with one more part."""
    return archive([*honest(parts), Member.honest(name, data)])


def instead(parts, member):
    """Return the file with one member in place of the part of that name."""
    return archive([*honest(without(parts, member.name)), member])


def in_sheet(parts, rows, behind=b""):
    """Return the file with a sheet that holds these rows only."""
    text = b'<worksheet xmlns="%s"><sheetData>%s</sheetData>%s</worksheet>' % (MAIN, rows, behind)
    return zipped({**parts, sheet_of(parts): text})


def cell(inside, attributes=b""):
    """Return a row with one cell."""
    return b'<row r="1"><c r="A1" %s>%s</c></row>' % (attributes, inside)


def formula(parts, text, attributes=b""):
    """Return the file with one formula."""
    text = escape(text).encode()
    return in_sheet(parts, cell(b"<f %s>%s</f><v>1</v>" % (attributes, text)))


def related(parts, kind, target, more=""):
    """Return the parts with one more relation of the workbook."""
    relation = f'<Relationship Id="rIdX" Type="{OFFICE}/{kind}" Target="{target}" {more}/>'
    return with_text(parts, RELATIONS, "</Relationships>", relation + "</Relationships>")


# what is no archive, or not a plain one


@shape("empty")
def nothing(_):
    return b""


@shape("no zip archive")
def a_text(_):
    return b"dear lecturer, my computer broke"


@shape("old .xls")
def an_old_workbook(_):
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000)


@shape("cut off")
def half_a_file(parts):
    data = zipped(parts)
    return data[: len(data) // 2]


@shape("cut off")
def a_file_without_its_last_bytes(parts):
    return zipped(parts)[:-5]


@shape("no zip archive")
def a_program_with_an_archive_behind(parts):
    return b"#!/bin/sh\nexit 1\n" + zipped(parts)


@shape("before or behind")
def an_archive_with_something_behind(parts):
    return zipped(parts) + b"<script>alert(1)</script>"


@shape("before or behind")
def an_archive_behind_another(parts):
    return zipped(parts) + zipped(parts)


@shape("several pieces")
def an_archive_in_pieces(parts):
    data = bytearray(zipped(parts))
    data[-18] = 3
    return bytes(data)


@shape("no workbook in it")
def an_archive_of_something_else(_):
    return zipped({"essay.txt": b"text", "word/document.xml": b"<a/>"})


@shape("larger than")
def a_very_large_file(parts):
    filling = random.Random(0).randbytes(17 << 20)
    return zipped({**parts, "xl/media/image1.png": filling}, zipfile.ZIP_STORED)


@shape("encrypted")
def an_encrypted_part(parts):
    data = parts[sheet_of(parts)]
    member = Member.honest(sheet_of(parts), data)
    member.flags = 1
    return instead(parts, member)


@shape("unusual way")
def an_unusual_packing(parts):
    return zipped(parts, zipfile.ZIP_LZMA)


@shape("same name")
def the_same_part_twice(parts):
    return archive([*honest(parts), Member.honest(sheet_of(parts), parts[sheet_of(parts)])])


@shape("same name")
def the_same_part_in_capitals(parts):
    return plus(parts, sheet_of(parts).upper())


@shape("absolute path")
def an_absolute_path(parts):
    return plus(parts, "/etc/cron.d/evil.xml")


@shape("absolute path")
def a_path_on_a_drive(parts):
    return plus(parts, "C:/Windows/evil.xml")


@shape("absolute path")
def a_path_with_backslashes(parts):
    return plus(parts, "xl\\..\\evil.xml")


@shape("outside the archive")
def a_path_upwards(parts):
    return plus(parts, "xl/../../evil.xml")


@shape("unusual name")
def a_name_with_a_nul(parts):
    return plus(parts, "xl/evil.xml\0.png")


@shape("unusual name")
def a_very_long_name(parts):
    return plus(parts, "xl/" + "a" * 5000 + ".xml")


@shape("parts")
def very_many_parts(parts):
    return archive([*honest(parts), *(Member.honest(f"xl/p{i}.xml", b"") for i in range(4_000))])


@shape("parts")
def more_parts_than_it_says(parts):
    members = [*honest(parts), *(Member.honest(f"xl/p{i}.xml", b"") for i in range(5_000))]
    data = bytearray(archive(members))
    data[-14:-10] = struct.pack("<HH", 5, 5)
    return bytes(data)


@shape("damaged")
def a_wrong_checksum(parts):
    member = Member.honest(sheet_of(parts), parts[sheet_of(parts)])
    member.crc ^= 1
    return instead(parts, member)


@shape("damaged")
def broken_deflate_data(parts):
    member = Member.honest(sheet_of(parts), parts[sheet_of(parts)])
    member.packed = b"\xff" * len(member.packed)
    return instead(parts, member)


@shape("damaged")
def two_gigabytes_that_say_they_are_few(parts):
    data = parts[sheet_of(parts)]
    packed = deflated(data, repeat=2048)
    return instead(parts, Member(sheet_of(parts), packed, len(data), zlib.crc32(data)))


@shape("inflates to more than")
def two_gigabytes_of_blanks(parts):
    data = parts[sheet_of(parts)]
    return instead(parts, Member(sheet_of(parts), deflated(data, repeat=2048), 2 << 30, 0))


@shape("-fold")
def twenty_megabytes_of_blanks(parts):
    return zipped({**parts, sheet_of(parts): b" " * (20 << 20)})


@shape("damaged")
def a_part_shorter_than_it_says(parts):
    member = Member.honest(sheet_of(parts), parts[sheet_of(parts)])
    member.size += 100
    return instead(parts, member)


@shape("on top of each other")
def parts_on_top_of_each_other(parts):
    data = bytearray(zipped(parts))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    first = data.index(b"PK\1\2")
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    return bytes(data)


@shape("inflates to more than")
def many_large_parts(parts):
    filling = {f"xl/p{i}.xml": random.Random(i).randbytes(1000) * 20_000 for i in range(3)}
    return zipped({**parts, **filling})


# what no submission needs


@shape("a file within the file")
def an_archive_as_a_picture(parts):
    return zipped({**parts, "xl/media/image1.png": zipped(parts)})


@shape("a file within the file")
def a_program_as_a_picture(parts):
    return zipped({**parts, "xl/media/image1.png": b"MZ" + bytes(500)})


@shape("no part of a plain workbook")
def a_program(parts):
    return zipped({**parts, "xl/evil.exe": b"MZ"})


@shape("embedded file")
def an_embedded_workbook(parts):
    return zipped({**parts, "xl/embeddings/Microsoft_Excel.xlsx": zipped(parts)})


@shape("macros")
def a_macro(parts):
    return zipped({**parts, "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0"})


@shape("macros")
def a_macro_of_the_old_kind(parts):
    return zipped({**parts, "xl/macrosheets/sheet1.xml": b"<a/>"})


@shape("macros")
def a_workbook_for_macros(parts):
    kind = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
    return zipped(with_text(parts, TYPES, PLAIN_TYPE, kind))


@shape("macros")
def a_name_that_is_a_macro(parts):
    name = '<definedNames><definedName name="Auto_Open" xlm="1">Step!$A$1</definedName>'
    return zipped(with_text(parts, WORKBOOK, "<definedNames>", name))


@shape("macros")
def a_macro_of_another_name(parts):
    return zipped(related(parts, "vbaProject", "theme/theme1.xml"))


@shape("other than a plain workbook")
def a_template(parts):
    kind = PLAIN_TYPE.replace("sheet.main", "template.main")
    return zipped(with_text(parts, TYPES, PLAIN_TYPE, kind))


@shape("other than a plain workbook")
def a_binary_workbook(parts):
    kind = "application/vnd.ms-excel.sheet.binary.main"
    return zipped(with_text(parts, TYPES, PLAIN_TYPE, kind))


@shape("links to another workbook")
def an_external_link(parts):
    return zipped({**parts, "xl/externalLinks/externalLink1.xml": b"<a/>"})


@shape("links to another workbook")
def a_reference_to_another_workbook(parts):
    links = "<externalReferences><externalReference/></externalReferences><definedNames>"
    return zipped(with_text(parts, WORKBOOK, "<definedNames>", links))


@shape("links to another workbook")
def a_formula_of_another_workbook(parts):
    return formula(parts, "[1]Sheet1!A1*2")


@shape("links to another workbook")
def a_formula_of_a_file_elsewhere(parts):
    return formula(parts, r"'\\server\share\[key.xlsx]Step'!A1")


@shape("links to another workbook")
def a_name_of_another_workbook(parts):
    name = '<definedNames><definedName name="n">[1]Step!$A$1</definedName>'
    return zipped(with_text(parts, WORKBOOK, "<definedNames>", name))


@shape("calls another program")
def a_formula_that_calls_a_program(parts):
    return formula(parts, "cmd|'/c calc'!A0")


@shape("embedded object")
def an_embedded_object(parts):
    return in_sheet(parts, b"", b'<oleObjects><oleObject progId="Package"/></oleObjects>')


@shape("embedded object")
def an_object_of_another_name(parts):
    return zipped(related(parts, "oleObject", "theme/theme1.xml"))


@shape("ActiveX")
def a_control(parts):
    return zipped({**parts, "xl/activeX/activeX1.xml": b"<a/>"})


@shape("data source")
def a_connection(parts):
    return zipped({**parts, "xl/connections.xml": b"<connections/>"})


@shape("data source")
def a_query(parts):
    return zipped({**parts, "xl/queryTables/queryTable1.xml": b"<a/>"})


@shape("ribbon")
def a_ribbon(parts):
    return zipped({**parts, "customUI/customUI.xml": b"<a/>"})


@shape("elsewhere")
def a_linked_picture(parts):
    target = "https://example.org/beacon.png"
    return zipped(related(parts, "image", target, 'TargetMode="External"'))


@shape("outside the file")
def a_relation_upwards(parts):
    return zipped(related(parts, "worksheet", "../../../etc/passwd"))


@shape("outside the file")
def a_relation_to_a_file(parts):
    return zipped(related(parts, "worksheet", "file:///etc/passwd"))


@shape("another workbook is hidden")
def a_second_workbook(parts):
    other = {"xl/other.xml": parts[WORKBOOK]}
    return zipped(with_text({**parts, **other}, "_rels/.rels", "xl/workbook.xml", "xl/other.xml"))


# what is dear to parse


@shape("document type")
def a_billion_laughs(parts):
    text = LAUGHS + b'<worksheet xmlns="%s"><sheetData>' % MAIN
    text += cell(b"<is><t>&m;</t></is>", b't="inlineStr"') + b"</sheetData></worksheet>"
    return zipped({**parts, sheet_of(parts): text})


@shape("document type")
def an_external_entity(parts):
    head = b'<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]><styleSheet/>'
    return zipped({**parts, STYLES: head})


@shape("document type")
def a_document_type_among_relations(parts):
    return zipped({**parts, RELATIONS: b'<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><x/>'})


@shape("document type")
def a_document_type_in_a_drawing(parts):
    return zipped({**parts, "xl/drawings/vmlDrawing1.vml": LAUGHS + b"<xml/>"})


@shape("UTF-8")
def a_document_type_in_utf_16(parts):
    text = (
        '<?xml version="1.0" encoding="UTF-16"?>' + LAUGHS.decode() + "<worksheet>&m;</worksheet>"
    )
    return zipped({**parts, sheet_of(parts): text.encode("utf-16")})


@shape("UTF-8")
def an_unusual_encoding(parts):
    text = b'<?xml version="1.0" encoding="windows-1252"?><worksheet/>'
    return zipped({**parts, sheet_of(parts): text})


@shape("nested more than")
def deep_nesting(parts):
    return zipped({**parts, "docProps/custom.xml": b"<a>" * 80_000})


@shape("attributes")
def very_many_attributes(parts):
    many = b" ".join(b'a%d=""' % i for i in range(20_000))
    return zipped({**parts, STYLES: b"<styleSheet %s/>" % many})


@shape("a tag or a text of more than")
def a_very_long_attribute(parts):
    text = random.Random(1).randbytes(250_000).hex().encode()
    return zipped({**parts, STYLES: b'<styleSheet a="%s"/>' % text})


@shape("not well-formed")
def broken_xml(parts):
    return zipped({**parts, sheet_of(parts): parts[sheet_of(parts)][:-30]})


@shape("not well-formed")
def two_roots(parts):
    return zipped({**parts, sheet_of(parts): parts[sheet_of(parts)] * 2})


@shape("not well-formed")
def bytes_that_are_no_text(parts):
    return in_sheet(parts, cell(b"<is><t>\xff\xfe\xfd</t></is>"))


@shape("tags")
def very_many_tags(parts):
    unit = b"".join(b"<a b='%d'/>" % i for i in range(1000))
    return zipped({**parts, STYLES: b"<s>" + unit * 1500 + b"</s>"})


@shape("holds no worksheet")
def another_part_as_a_sheet(parts):
    return zipped({**parts, sheet_of(parts): parts[STYLES]})


@shape("strict Open XML")
def the_strict_format(parts):
    return zipped(with_text(parts, WORKBOOK, MAIN, STRICT))


# what is dear to read as a sheet


@shape("cells")
def very_many_cells(parts):
    unit = b"".join(b"<c s='%d'/>" % i for i in range(100))
    rows = b"".join(b"<row>" + unit * 2 + b"</row>" for _ in range(1_500))
    return in_sheet(parts, rows)


@shape("rows")
def very_many_rows(parts):
    return in_sheet(parts, b"".join(b'<row r="%d"/>' % i for i in range(1, 130_000)))


@shape("far outside")
def the_last_cell_of_a_sheet(parts):
    return in_sheet(parts, b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')


@shape("lies outside a sheet")
def a_row_beyond_all_sheets(parts):
    return in_sheet(parts, b'<row r="4294967295"><c r="A4294967295"/></row>')


@shape("lies outside a sheet")
def row_zero(parts):
    return in_sheet(parts, b'<row r="0"><c r="A0"/></row>')


@shape("lies outside a sheet")
def a_row_of_many_digits(parts):
    return in_sheet(parts, b'<row r="%s"/>' % (b"9" * 100_000))


@shape("no cell of its row")
def a_column_beyond_all_sheets(parts):
    return in_sheet(parts, b'<row r="1"><c r="XFE1"/></row>')


@shape("no cell of its row")
def a_cell_in_another_row(parts):
    return in_sheet(parts, b'<row r="1"><c r="A2"/></row>')


@shape("stands twice")
def a_cell_twice(parts):
    return in_sheet(parts, b'<row r="1"><c r="A1"><v>1</v></c><c r="A1"><v>2</v></c></row>')


@shape("stands twice")
def a_row_twice(parts):
    return in_sheet(parts, b'<row r="1"><c r="A1"/></row><row r="1"><c r="B1"/></row>')


@shape("two tables of cells")
def two_tables(parts):
    return in_sheet(parts, b"", b"<sheetData/>")


@shape("two formulas")
def two_formulas_in_a_cell(parts):
    return in_sheet(parts, cell(b"<f>1</f><f>2</f>"))


@shape("merged or linked cells")
def ten_million_merged_cells(parts):
    return in_sheet(parts, b"", b'<mergeCells><mergeCell ref="A1:J1000000"/></mergeCells>')


@shape("merged ranges")
def very_many_merges(parts):
    one = b'<mergeCell ref="A1:B1"/>'
    return in_sheet(parts, b"", b"<mergeCells>" + one * 20_000 + b"</mergeCells>")


@shape("merged or linked cells")
def a_hyperlink_over_ten_million_cells(parts):
    return in_sheet(parts, b"", b'<hyperlinks><hyperlink ref="A1:J1000000"/></hyperlinks>')


@shape("is no cell")
def a_merge_of_nothing(parts):
    return in_sheet(parts, b"", b'<mergeCells><mergeCell ref="evil"/></mergeCells>')


@shape("ranges")
def very_many_formatted_ranges(parts):
    one = b'<conditionalFormatting sqref="A1 B1 C1"/>'
    return in_sheet(parts, b"", one * 10_000)


@shape("is no number")
def not_a_number(parts):
    return in_sheet(parts, cell(b"<v>nan</v>"))


@shape("is no number")
def an_infinite_number(parts):
    return in_sheet(parts, cell(b"<v>1e99999</v>"))


@shape("is no number")
def a_number_of_many_digits(parts):
    return in_sheet(parts, cell(b"<v>%s</v>" % (b"7" * 100_000)))


@shape("longer than a cell")
def a_text_longer_than_a_cell(parts):
    return in_sheet(parts, cell(b"<is><t>%s</t></is>" % (b"a" * 200_000), b't="inlineStr"'))


@shape("a formula of more than")
def a_very_long_formula(parts):
    return formula(parts, "+".join(["A1"] * 5_000))


@shape("nested too deeply")
def a_deeply_nested_formula(parts):
    return formula(parts, "(" * 2_000 + "1" + ")" * 2_000)


@shape("nested too deeply")
def a_formula_of_signs(parts):
    return formula(parts, "-" * 5_000 + "1")


@shape("far too many cells")
def a_formula_over_a_whole_sheet(parts):
    return formula(parts, "SUM(A1:XFD1048576)")


@shape("far too many cells")
def a_formula_over_all_columns(parts):
    return formula(parts, "SUM(A:XFD)")


@shape("far too many cells")
def a_formula_over_all_rows(parts):
    return formula(parts, "SUM(1:1048576)")


@shape("far too many cells")
def very_many_large_ranges(parts):
    rows = b"".join(
        b'<row r="%d"><c r="A%d"><f>SUM(B1:B1000000)</f></c></row>' % (i, i) for i in range(1, 200)
    )
    return in_sheet(parts, rows)


@shape("cells in array formulas")
def an_array_formula_over_a_sheet(parts):
    return formula(parts, "1", b't="array" ref="A1:XFD1048576"')


@shape("what-if")
def a_data_table(parts):
    return formula(parts, "", b't="dataTable" ref="A1:B2" dt2D="1" r1="C1" r2="D1"')


@shape("characters in shared formulas")
def a_long_formula_shared_by_many(parts):
    long = b"+".join([b"B1"] * 2_700)
    rows = [b'<row r="1"><c r="A1"><f t="shared" si="0" ref="A1:A1000">%s</f></c></row>' % long]
    rows += [b'<row r="%d"><c r="A%d"><f t="shared" si="0"/></c></row>' % (i, i)
             for i in range(2, 1_001)]  # fmt: skip
    return in_sheet(parts, b"".join(rows))


@shape("formulas")
def very_many_formulas(parts):
    rows = b"".join(b'<row r="%d">%s</row>' % (i, b"<c><f>1</f></c>" * 60) for i in range(1, 1_000))
    return in_sheet(parts, rows)


@shape("texts")
def very_many_texts(parts):
    texts = b'<sst xmlns="%s">%s</sst>' % (MAIN, b"<si><t>a</t></si>" * 70_000)
    return zipped(related({**parts, "xl/texts.xml": texts}, "sharedStrings", "texts.xml"))


@shape("too many styles")
def very_many_styles(parts):
    many = b"".join(b'<xf i="%d"/>' % i for i in range(120_000))
    return zipped({**parts, STYLES: b'<styleSheet xmlns="%s">%s</styleSheet>' % (MAIN, many)})


@shape("defined names")
def very_many_names(parts):
    many = "".join(f'<definedName name="n{i}">Step!$A$1</definedName>' for i in range(6_000))
    return zipped(with_text(parts, WORKBOOK, "<definedNames>", "<definedNames>" + many))


@shape("sheets")
def very_many_sheets(parts):
    many = "".join(f'<sheet name="s{i}" sheetId="{i + 50}"/>' for i in range(500))
    return zipped(with_text(parts, WORKBOOK, "<sheets>", "<sheets>" + many))


@shape("two sheets of the same name")
def two_sheets_of_one_name(parts):
    name = re.search(r'<sheet [^>]*name="([^"]*)"', parts[WORKBOOK].decode())[1]
    more = f'<sheets><sheet name="{name.upper()}" sheetId="77"/>'
    return zipped(with_text(parts, WORKBOOK, "<sheets>", more))


@shape("no part in the file")
def a_sheet_without_a_part(parts):
    return zipped(without(parts, sheet_of(parts)))


@shape("share a part")
def two_sheets_of_one_part(parts):
    sheet = re.search(r"<sheet [^>]*?/>", parts[WORKBOOK].decode())[0]
    other = re.sub(r'name="[^"]*"', 'name="Twin"', sheet)
    return zipped(with_text(parts, WORKBOOK, "<sheets>", "<sheets>" + other))


@shape("no workbook in it")
def a_workbook_without_its_list_of_parts(parts):
    return zipped(without(parts, TYPES))


@shape("without a sheet")
def a_workbook_without_sheets(parts):
    text = re.sub(rb"<sheets>.*</sheets>", b"<sheets/>", parts[WORKBOOK], flags=re.DOTALL)
    return zipped({**parts, WORKBOOK: text})
