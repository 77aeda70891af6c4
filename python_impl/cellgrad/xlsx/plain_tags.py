"""The tags of a sheet's table, told apart many at a time.

Known are the tags that a plain table is made of, and which may follow which. A state of
this small grammar is the last tag, so pairs of neighbours decide on the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Words = NDArray[np.uint64]

ROOM = 64
"""Bytes that may be looked at from any tag on; so many follow the last one."""


class Tag(IntEnum):
    """What stands between two angle brackets."""

    OTHER = 0
    ROW = 1
    ROW_END = 2
    CELL = 3
    CELL_END = 4
    FORMULA = 5
    FORMULA_END = 6
    VALUE = 7
    VALUE_END = 8
    NO_VALUE = 9
    INLINE = 10
    INLINE_END = 11
    TEXT = 12
    TEXT_END = 13
    EMPTY_ROW = 14
    EMPTY_CELL = 15


_SPELLED = {
    b"</row>": Tag.ROW_END,
    b"</c>": Tag.CELL_END,
    b"<f>": Tag.FORMULA,
    b"</f>": Tag.FORMULA_END,
    b"<v>": Tag.VALUE,
    b"</v>": Tag.VALUE_END,
    b"<v/>": Tag.NO_VALUE,
    b"<v />": Tag.NO_VALUE,
    b"<is>": Tag.INLINE,
    b"</is>": Tag.INLINE_END,
    b"<t>": Tag.TEXT,
    b"</t>": Tag.TEXT_END,
}
_LONG = {b'<c r="': Tag.CELL, b"<row r": Tag.ROW, b"<t xml": Tag.TEXT}
_KEEPS_SPACE = b'<t xml:space="preserve">'
_KEY = 6
"""So many bytes tell the tags apart."""

_BETWEEN_CELLS = (Tag.CELL, Tag.EMPTY_CELL, Tag.ROW_END)
_BETWEEN_ROWS = (Tag.ROW, Tag.EMPTY_ROW, Tag.OTHER)
_AFTER = {
    Tag.OTHER: _BETWEEN_ROWS,  # here: before the first tag and after the last
    Tag.ROW: _BETWEEN_CELLS,
    Tag.ROW_END: _BETWEEN_ROWS,
    Tag.EMPTY_ROW: _BETWEEN_ROWS,
    Tag.CELL: (Tag.FORMULA, Tag.VALUE, Tag.NO_VALUE, Tag.INLINE, Tag.CELL_END),
    Tag.CELL_END: _BETWEEN_CELLS,
    Tag.EMPTY_CELL: _BETWEEN_CELLS,
    Tag.FORMULA: (Tag.FORMULA_END,),
    Tag.FORMULA_END: (Tag.VALUE, Tag.NO_VALUE, Tag.CELL_END),
    Tag.VALUE: (Tag.VALUE_END,),
    Tag.VALUE_END: (Tag.CELL_END,),
    Tag.NO_VALUE: (Tag.CELL_END,),
    Tag.INLINE: (Tag.TEXT,),
    Tag.TEXT: (Tag.TEXT_END,),
    Tag.TEXT_END: (Tag.INLINE_END,),
    Tag.INLINE_END: (Tag.CELL_END,),
}
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], dtype=np.uint64)
_MAY_FOLLOW = np.zeros((16, 16), dtype=bool)
for _first, _next in _AFTER.items():
    _MAY_FOLLOW[_first, list(_next)] = True


def _word(text: bytes) -> int:
    return int.from_bytes(text[:8], "little")


_BY_WORD = sorted((_SPELLED | _LONG).items(), key=lambda item: _word(item[0]))
_WORDS = np.array([_word(word) for word, _ in _BY_WORD], dtype=np.uint64)
_KINDS = np.array([kind for _, kind in _BY_WORD], dtype=np.uint8)
_SIZES = np.array([0 if word in _LONG else len(word) for word, _ in _BY_WORD])
"""How long a tag is; 0 where that depends on its attributes."""
_HOLDS_TEXT = np.isin(np.arange(16), (Tag.FORMULA, Tag.VALUE, Tag.TEXT))


@dataclass(frozen=True)
class Tags:
    """The n tags of a table whose order is that of plain rows and cells.

    Attributes:
        data: the table, and ``ROOM`` bytes of nothing.
        signs: the same as numbers.
        kinds: which tag each is, shape (n,).
        starts: where it begins, shape (n,).
        ends: what follows it, shape (n,).
    """

    data: bytes
    signs: Bytes
    kinds: NDArray[np.uint8]
    starts: Numbers
    ends: Numbers

    def of(self, *kinds: Tag) -> Numbers:
        """Return the numbers of the tags of some kinds, rising."""
        found = self.kinds == kinds[0]
        for kind in kinds[1:]:
            found |= self.kinds == kind
        return np.flatnonzero(found)


def read_tags(table: bytes) -> Tags | None:
    """Tell the tags of a table apart; None if any is not known or not in its place.

    Between the tags stands nothing but the texts of formulas, values and strings.
    """
    data = table + bytes(ROOM)
    signs = np.frombuffer(data, dtype=np.uint8)
    starts = np.flatnonzero(signs == ord("<"))
    ends = np.flatnonzero(signs == ord(">")) + 1
    if len(starts) != len(ends) or not len(starts) or starts[0] or ends[-1] != len(table):
        return None
    gaps = starts[1:] - ends[:-1]
    sizes = ends - starts
    if (gaps < 0).any() or (sizes < len(b"<f>")).any():
        return None
    kinds = _kinds(signs, starts, sizes)
    around = np.concatenate(([Tag.OTHER], kinds, [Tag.OTHER]))
    if not kinds.all() or not _MAY_FOLLOW[around[:-1], around[1:]].all():
        return None
    if (gaps.astype(bool) & ~_HOLDS_TEXT[kinds[:-1]]).any():
        return None
    return Tags(data, signs, kinds, starts, ends)


def words_at(signs: Bytes, starts: Numbers, size: int) -> Words:
    """Return the first bytes from many places on as one number each, at most 8 of them."""
    words = np.ndarray((len(signs) - 7,), dtype="<u8", buffer=signs, strides=(1,))
    return words[starts] & np.uint64((1 << 8 * size) - 1)


def word_masks(sizes: Numbers) -> Words:
    """Return what keeps so many bytes of a word: none below 0, all from 8 on."""
    return _MASKS[np.clip(sizes, 0, 8)]


def _kinds(signs: Bytes, starts: Numbers, sizes: Numbers) -> NDArray[np.uint8]:
    """Return the kinds; OTHER for what is not known."""
    keys = words_at(signs, starts, 8) & word_masks(np.minimum(sizes, _KEY))
    slots = np.searchsorted(_WORDS[:-1], keys)
    wanted = _SIZES[slots]
    fits = (_WORDS[slots] == keys) & ((wanted == sizes) | ((wanted == 0) & (sizes > _KEY)))
    kinds: NDArray[np.uint8] = _KINDS[slots] * fits
    for long, empty in ((Tag.ROW, Tag.EMPTY_ROW), (Tag.CELL, Tag.EMPTY_CELL)):
        found = np.flatnonzero(kinds == long)
        kinds[found[signs[starts[found] + sizes[found] - 2] == ord("/")]] = empty
    found = np.flatnonzero((kinds == Tag.TEXT) & (sizes > _KEY))
    kinds[found] *= sizes[found] == len(_KEEPS_SPACE)
    for part in range(0, len(_KEEPS_SPACE), 8):
        same = words_at(signs, starts[found] + part, 8) == _word(_KEEPS_SPACE[part : part + 8])
        kinds[found] *= same
    return kinds
