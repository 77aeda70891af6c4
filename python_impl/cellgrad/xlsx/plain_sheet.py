"""Reading a large sheet of the plain form: many cells at a time.

A sheet that this project writes has rows and cells in one narrow form. Where the whole
table of a sheet has it, the table is read here; where anything departs from it in any
way, nothing is returned, and the general reader reads the sheet, or says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from cellgrad.xlsx.addresses import MAX_COLUMN, MAX_ROW
from cellgrad.xlsx.plain_cells import Numbers, Places, PlainFormulas, PlainValues, unescaped
from cellgrad.xlsx.plain_tags import ROOM, Bytes, Tag, Tags, read_tags, words_at

LARGE = 200_000
"""From so many bytes on, this reader pays."""

_ROOT = re.compile(
    rb"""(?:<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")?\s*\?>
    \s*)?<worksheet\s""",
    re.VERBOSE,
)
_ROW = re.compile(rb'<row r="([1-9][0-9]{0,6})"((?: [a-zA-Z]+="[ -%\'-;=?-~]*")*) ?/?>')
_ROW_ATTRIBUTE = re.compile(rb' ([a-zA-Z]+)="')
_ROW_ATTRIBUTES = frozenset(
    b"spans s ht hidden customFormat customHeight outlineLevel collapsed thickTop thickBot ph"
    .split()
)  # fmt: skip
_CELL_REST = re.compile(rb'"(?: s="[0-9]{1,6}")?(?: t="(n|s|str|inlineStr)")? ?/?>')
_SUM = '<c r="'
_ENTITIES = (b"&lt;", b"&gt;", b"&amp;", b"&quot;", b"&apos;")
_NUMBER_SIGNS = np.isin(np.arange(256), list(b"+-.0123456789Ee "))
_MAX_FORMULA = 8_192
_MAX_INDEX_DIGITS = 9
_SPARSE = 16
"""So many places may there be for every cell, in the smallest rectangle from A1 on."""
