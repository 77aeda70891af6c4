"""What the colours on the sheet mean: the handout's words for them give way to the verdicts'.

The handout says there which part of the network a colour stands for. In feedback a colour is a
verdict. Only what the handout wrote is changed: a student may have put anything in its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cellgrad.workbook.style import KIND_COLOURS
from cellgrad.xlsx.addresses import a1
from cellgrad.xlsx.editor import Parts, Patch, Tag, cell_text, prefix_of, tags
from cellgrad_coursework.results.feedback.styles import Styles
from cellgrad_coursework.results.summary import MEANINGS, WORDS
from cellgrad_coursework.setting.step_sheet import BLANK_MEANING, GIVEN_MEANING

MORE = "more on the sheet Feedback"
_OURS = {meaning for _, meaning in KIND_COLOURS.values()} | set(BLANK_MEANING.values())
_TEXT = re.compile(rb"<(?:\w+:)?t(?:\s[^>]*)?>([^<]*)</")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>([^<]*)</")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_TEXTS = ("s", "str", "inlineStr")
_TOP = 400
"""A legend stands in the first rows, if anywhere."""


class SharedTexts:
    """The texts that a workbook keeps once for all its cells.

    Args:
        parts: the file.
        part: the part that keeps them; empty where there is none.
    """

    def __init__(self, parts: Parts, part: str) -> None:
        self._texts: list[str] = []
        if part:
            data = parts.read(part)
            self._texts = [_joined(data[tag.inner : tag.close])
                           for tag in tags(data, lambda name, _: name == "si")]  # fmt: skip

    def of(self, data: bytes, cell: Tag) -> str:
        """Return the text of a cell; empty for anything else."""
        inner, kind = data[cell.inner : cell.close], cell.attributes.get("t", "")
        if kind == "inlineStr":
            return _joined(inner)
        value = _VALUE.search(inner)
        if value is None:
            return ""
        text = value[1].decode("utf-8", "replace")
        if kind == "str":
            return _plain(text)
        place = int(text) if text.isascii() and text.isdigit() else len(self._texts)
        return self._texts[place] if place < len(self._texts) else ""


def explain_colours(
    patch: Patch,
    cells: Mapping[tuple[int, int], Tag],
    styles: Styles,
    texts: SharedTexts,
    verdicts: Sequence[str],
) -> None:
    """Write what the verdicts' colours mean where the handout says what its own mean.

    Args:
        patch: the changes to the sheet.
        cells: its cells, by 1-based row and column.
        styles: the file's styles, to which some are added.
        texts: the workbook's.
        verdicts: those that occur, in the order in which they are listed.
    """
    data = patch.data
    said = {at: texts.of(data, tag) for at, tag in cells.items()
            if at[0] <= _TOP and tag.attributes.get("t") in _TEXTS}  # fmt: skip
    first = next((at for at, text in said.items() if text == GIVEN_MEANING), None)
    if first is None or said.get((first[0], first[1] - 1)) != "given":
        return
    rows = []
    row, column = first
    while said.get((row + 1, column)) in _OURS and (row + 1, column - 1) in said:
        row += 1
        rows.append(row)
    plain = _whole(cells[first[0], column - 1].attributes.get("s"))
    lines: list[tuple[str, str]] = [(verdict, _meaning(verdict)) for verdict in verdicts]
    if len(lines) > len(rows):
        lines = [*lines[: len(rows) - 1], ("", MORE)]
    for place, row in enumerate(rows):
        verdict, meaning = lines[place] if place < len(lines) else ("", "")
        key, words = cells[row, column - 1], cells[row, column]
        box = styles.coloured(plain, verdict) if verdict else 0
        looks = (box, _whole(words.attributes.get("s")))
        for tag, style, text in ((key, looks[0], WORDS.get(verdict, "")),
                                 (words, looks[1], meaning)):  # fmt: skip
            at = a1(row, column - 1 if tag is key else column)
            patch.replace(tag.start, tag.end, _cell(prefix_of(data, tag), at, style, text).encode())


def _meaning(verdict: str) -> str:
    return "" if MEANINGS[verdict] == WORDS[verdict] else MEANINGS[verdict]


def _cell(p: str, at: str, style: int, text: str) -> str:
    if not text:
        return f'<{p}c r="{at}" s="{style}"/>'
    inner = f'<{p}is><{p}t xml:space="preserve">{cell_text(text)}</{p}t></{p}is>'
    return f'<{p}c r="{at}" s="{style}" t="inlineStr">{inner}</{p}c>'


def _joined(data: bytes) -> str:
    return "".join(_plain(text.decode("utf-8", "replace")) for text in _TEXT.findall(data))


def _plain(text: str) -> str:
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    return text


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
