"""Changes to a workbook's file that keep every other byte."""

from __future__ import annotations

import pytest

from cellgrad import shipped
from cellgrad.errors import WorkbookError
from cellgrad.xlsx.editor import Parts, Patch, tags, utf8, with_attributes
from cellgrad.xlsx.package import open_package


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
    book = shipped.folder("spreadsheets") / "training-step-3-4-1.xlsx"
    parts = Parts(open_package(book))
    assert parts.free("xl/worksheets/sheet{}.xml") == "xl/worksheets/sheet6.xml"
    assert parts.free("XL/worksheets/SHEET{}.xml") == "XL/worksheets/SHEET6.xml"
