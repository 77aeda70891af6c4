"""What the tests of bad input share: the real command, what a refusal is, broken files."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parent.parent
SMALL = ROOT / "spreadsheets" / "more" / "by-hand-relu-2-2-1.xlsx"
LOGISTIC = ROOT / "spreadsheets" / "more" / "by-hand-logistic-2-2-1.xlsx"
CASES = ROOT / "reference" / "cases"
SMALL_CASE = CASES / "by-hand-relu-2-2-1.json"

Parts = dict[str, bytes]


@dataclass
class Answer:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str
    new_files: set[str]


def listing(folder):
    """Return the names of everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def environment(**more):
    """Return a plain environment: 80 columns, no colours, UTF-8, output buffered as usual."""
    other = ("FORCE_COLOR", "NO_COLOR", "LINES", "PYTHONUNBUFFERED", "PYTHONIOENCODING")
    plain = {name: value for name, value in os.environ.items() if name not in other}
    return plain | {"COLUMNS": "80", "PYTHONUTF8": "1"} | more


def cellgrad(folder, *arguments, env=None, timeout=60, encoding="utf-8", **options):
    """Run the command in a process of its own, in a folder; return its answer."""
    before = listing(folder)
    done = subprocess.run(
        [sys.executable, "-m", "cellgrad", *map(str, arguments)],
        cwd=folder, env=environment(**(env or {})), capture_output=True, timeout=timeout,
        check=False, stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    out, err = done.stdout.decode(encoding), done.stderr.decode(encoding)
    return Answer(done.returncode, out, err, listing(folder) - before)


def is_refusal(answer, *words):
    """Assert that an input was refused as it should be: one line, naming these words."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("cellgrad: "), answer.err
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1, answer.err
    assert len(answer.err) < 600, answer.err
    assert answer.err[:-1].isprintable(), answer.err
    assert "Traceback" not in answer.err
    for word in words:
        assert str(word) in answer.err, answer.err
    assert answer.new_files == set()
    return True


# workbooks, taken apart and put together again


@cache
def _parts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def parts_of(path=SMALL):
    """Return the parts of a workbook, by name."""
    return dict(_parts(path))


def zipped(parts, method=zipfile.ZIP_DEFLATED):
    """Return a zip archive of parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def part_of_sheet(parts, sheet):
    """Return the name of the part that holds a sheet (the writer numbers them in order)."""
    names = re.findall(r'<sheet name="([^"]*)"', parts["xl/workbook.xml"].decode())
    return f"xl/worksheets/sheet{names.index(sheet) + 1}.xml"


def where(name, parts):
    """Return (sheet, cell) of the first cell that a defined name stands for."""
    text = parts["xl/workbook.xml"].decode()
    found = re.search(rf'<definedName name="{name}">(\w+)!\$([A-Z]+)\$(\d+)', text)
    assert found, name
    return found[1], found[2] + found[3]


def with_text(parts, part, old, new, count=1):
    """Return the parts with a text of one of them replaced; it must be there."""
    data = parts[part]
    old, new = (text.encode() if isinstance(text, str) else text for text in (old, new))
    assert data.count(old) >= 1, f"{old[:80]!r} is not in {part}"
    return {**parts, part: data.replace(old, new, count)}


def with_cell(parts, sheet, cell, inside, attributes=""):
    """Return the parts with another content in one cell."""
    part = part_of_sheet(parts, sheet)
    text = parts[part].decode()
    new = f'<c r="{cell}" {attributes}>{inside}</c>'
    text, count = re.subn(rf'<c r="{cell}"[^>]*?(?:/>|>.*?</c>)', lambda _: new, text)
    assert count == 1, f"{sheet}!{cell}"
    return {**parts, part: text.encode()}


def with_given(inside, attributes="", name="weight_ItoH", parts=None):
    """Return the parts of the small workbook with another content in the first cell of a given."""
    parts = parts_of() if parts is None else parts
    return with_cell(parts, *where(name, parts), inside, attributes)


def with_formula(formula, name, parts=None, stored=""):
    """Return the parts of the small workbook with another formula in a quantity's first cell."""
    parts = parts_of() if parts is None else parts
    return with_cell(parts, *where(name, parts), f"<f>{escape(formula)}</f>{stored}")


def with_stored(value, name, parts=None):
    """Return the parts with a forged stored value beside a quantity's first formula."""
    parts = parts_of() if parts is None else parts
    sheet, cell = where(name, parts)
    text = parts[part_of_sheet(parts, sheet)].decode()
    formula = re.search(rf'<c r="{cell}"[^>]*><f>(.*?)</f>', text)[1]
    return with_cell(parts, sheet, cell, f"<f>{formula}</f><v>{value}</v>")


def without(parts, *names):
    """Return the parts but for those whose name holds one of these words."""
    return {name: data for name, data in parts.items() if not any(word in name for word in names)}


@dataclass
class Member:
    """A member of an archive that says of itself what it likes."""

    name: str
    packed: bytes
    size: int
    crc: int
    method: int = zipfile.ZIP_DEFLATED
    flags: int = 0

    @classmethod
    def honest(cls, name, data):
        """Return a member that says the truth."""
        return cls(name, deflated(data), len(data), zlib.crc32(data))


def deflated(data, repeat=0, block=b" " * (1 << 20)):
    """Return raw deflate data: some bytes, and then a block over and over, in little space."""
    press = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = press.compress(data) + press.flush(zlib.Z_FULL_FLUSH)
    if repeat:
        packed += (press.compress(block) + press.flush(zlib.Z_FULL_FLUSH)) * repeat
    return packed + press.flush()


def archive(members):
    """Return a zip archive of members, exactly as they describe themselves."""
    files = listed = b""
    for member in members:
        name = member.name.encode()
        described = struct.pack(
            "<HHHHHIIIHH", 20, member.flags, member.method, 0, 33, member.crc,
            len(member.packed), member.size, len(name), 0,
        )  # fmt: skip
        listed += b"PK\1\2" + struct.pack("<H", 20) + described
        listed += struct.pack("<HHHII", 0, 0, 0, 0, len(files)) + name
        files += b"PK\3\4" + described + name + member.packed
    count = len(members)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), len(files), 0)
    return files + listed + b"PK\5\6" + end
