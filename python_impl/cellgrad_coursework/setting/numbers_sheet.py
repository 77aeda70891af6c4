"""The Numbers sheet of a one-file handout: from the typed id to the givens, formula by formula.

Every number that a formula reads stands in a cell, so that a person can follow it by hand.
"""

from __future__ import annotations

from cellgrad.case.quantities import person_label, table
from cellgrad.workbook.canvas import RULE, Canvas
from cellgrad.workbook.description import Style
from cellgrad.xlsx.addresses import Range, a1, column_letters
from cellgrad_coursework.derivation import (
    MODULUS,
    ONE_OF,
    REST,
    SIGN_AT,
    SIGN_OF,
    SIGNS,
    Constants,
    Rule,
)
from cellgrad_coursework.setting.givens import Plan

NUMBERS = "Numbers"
ANCHOR = "cellgrad_numbers"
"""The defined name of the cell with the id as it counts."""

WHOLE, CHARACTER = "whole", "character"
_ROW_OF_SIGNS, _TOP = 5, 7
_ID, _SCALE = 1, 10
_NAME, _STATE, _LOW, _SPAN, _NEGATIVE, _BASE, _SIGN, _SIZE, _GIVEN = range(6, 15)
_SHIFTS = 16
_EMPTY = '""'


STYLES = {
    name: Style(fill="F7F8FA", line=("thin", RULE), number_format=shape, horizontal=horizontal)
    for name, horizontal, shape in ((WHOLE, "right", "0"), (CHARACTER, "center", "@"))
}
"""The styles of whole numbers and of an id's signs."""


class NumbersSheet:
    """Writes the Numbers sheet.

    Args:
        canvas: the sheet.
        plan: which givens are derived.
        constants: what makes them of an id.
        typed: the cell that the id is typed into, such as ``Guide!$C$5``.

    Attributes:
        cells: address and content of every cell that takes part.
        last_row: the last row in use.
        last_column: the last column in use.
    """

    status = f"{NUMBERS}!$A$2"
    """The cell that says whose numbers they are, or what is the matter."""

    def __init__(self, canvas: Canvas, plan: Plan, constants: Constants, typed: str) -> None:
        self.canvas, self.plan, self.constants, self.typed = canvas, plan, constants, typed
        self.cells: list[tuple[str, str]] = []
        rows = -(-len(constants.shifts) // _SCALE)
        self._first_sign = _TOP + 14
        self._last_sign = self._first_sign + constants.rows - 1
        self._last_shift = _TOP + 1 + rows
        self._last_given = _TOP + 1 + len(plan.rules)
        self.last_row = max(self._last_sign, self._last_shift, self._last_given)
        self.last_column = _SHIFTS + _SCALE

    def given(self, row: int) -> str:
        """Return the cell of a derived given, as other sheets refer to it."""
        return f"{NUMBERS}!{a1(_TOP + 2 + row, _GIVEN, absolute=True)}"

    def write(self) -> None:
        """Write the sheet."""
        self._words()
        self._head()
        self._signs()
        self._shifts()
        self._givens()
        widths = {1: 15.0, 2: 11.0, 3: 9.0, 4: 10.0, 5: 2.5, _NAME: 19.0, 15: 2.5, _SHIFTS: 7.0}
        widths |= dict.fromkeys(range(_STATE, _GIVEN + 1), 9.0)
        widths |= dict.fromkeys(range(_SHIFTS + 1, _SHIFTS + 1 + _SCALE), 6.0)
        self.canvas.widths(widths)
        self.canvas.sheet.freeze_panes = a1(_TOP, 1)
        last = f"{column_letters(self.last_column)}{self.last_row}"
        self.canvas.print_on("landscape", area=f"A1:{last}")

    # cells

    def _formula(self, row: int, column: int, formula: str, look: str = WHOLE) -> str:
        self.canvas.formula(row, column, f"={formula}", look)
        return self._noted(row, column, f"={formula}")

    def _number(self, row: int, column: int, number: int) -> str:
        self.canvas.number(row, column, number, WHOLE)
        return self._noted(row, column, str(number))

    def _noted(self, row: int, column: int, content: str) -> str:
        """Remember what a cell holds; return its address."""
        self.cells.append((a1(row, column), content))
        return a1(row, column)

    # parts

    def _words(self) -> None:
        put, c = self.canvas.text, self.constants
        put(1, 1, "Numbers: how yours follow from your id", "title")
        put(
            3,
            1,
            f"The id: h is 0 at first; for each of its signs, h ← the remainder of "
            f"(h · {c.id_multiplier} + value of the sign) divided by {MODULUS}. Its bucket is the "
            f"remainder of h divided by {len(c.shifts)}; the shift of the bucket is in the table "
            "at the right. The chain starts at the remainder of (h + shift) divided by "
            f"{MODULUS}.",
            "wrapped",
        )
        put(
            4,
            1,
            f"The numbers: state ← the remainder of (state above · {c.multiplier} + "
            f"{c.increment}) divided by {MODULUS}. Size = least + the remainder of state divided "
            f"by sizes. The sign is − where the state without its last three digits, divided by "
            f"{SIGN_OF}, leaves less than negative. Number = sign · size / base.",
            "wrapped",
        )
        for row in (3, 4):
            self.canvas.merge(row, 1, _GIVEN)
        self.canvas.heights({1: 24, 2: 17, 3: 31, 4: 31})
        put(_ROW_OF_SIGNS, 1, "signs", "block")
        both = SIGNS + SIGNS.lower()
        put(_ROW_OF_SIGNS, 2, both, "plain")
        self._noted(_ROW_OF_SIGNS, 2, f"'{both}")
        self._both = a1(_ROW_OF_SIGNS, 2, absolute=True)
        note = f"a sign's value is its place, from 0 to {len(SIGNS) - 1}: a as A, and so on"
        put(_ROW_OF_SIGNS, _SIGN, note, "source")

    def _head(self) -> None:
        put, c, row = self.canvas.text, self.constants, _TOP
        put(row, 1, "id", "block")
        self._formula(row, 2, f'SUBSTITUTE(TRIM({self.typed})," ","")', CHARACTER)
        self._id = a1(row, 2, absolute=True)
        self.canvas.book.names[ANCHOR] = f"{NUMBERS}!{self._id}"
        numbers = []
        for label, number in (
            ("divisor", MODULUS),
            ("factor of h", c.id_multiplier),
            ("factor of state", c.multiplier),
            ("added to state", c.increment),
            ("buckets", len(c.shifts)),
        ):
            row += 1
            put(row, 1, label, "block")
            self._number(row, 2, number)
            numbers.append(a1(row, 2, absolute=True))
        self._divisor, self._by, self._times, self._plus, self._buckets = numbers
        last = a1(self._last_sign, 4, absolute=True)
        h = self._labelled(row + 1, "h", last)
        bucket = self._labelled(row + 2, "bucket", f"MOD({h},{self._buckets})")
        left, right = _SHIFTS + 1, _SHIFTS + _SCALE
        area = Range("", _TOP + 2, left, self._last_shift, right).absolute
        shift = self._labelled(
            row + 3, "shift", f"INDEX({area},INT({bucket}/{_SCALE})+1,MOD({bucket},{_SCALE})+1)"
        )
        values = Range("", self._first_sign, 3, self._last_sign, 3).absolute
        long = f"LEN({self._id})>{c.rows}"
        start = f"MOD({h}+{shift},{self._divisor})"
        self._start = self._labelled(
            row + 4, "start", f'IF(OR({self._id}="",{long},MIN({values})<0),"",{start})'
        )
        self._formula(
            2, 1,
            f'IF({self._id}="","No numbers yet: type your student id on Guide.",'
            f'IF({long},"No numbers: an id on Guide has at most {c.rows} signs.",'
            f'IF(MIN({values})<0,"No numbers: the id on Guide has a sign that ids do not have.",'
            f'"The numbers of "&{self._id})))',
            "subtitle",
        )  # fmt: skip

    def _labelled(self, row: int, label: str, formula: str) -> str:
        self.canvas.text(row, 1, label, "block")
        self._formula(row, 2, formula)
        return a1(row, 2, absolute=True)

    def _signs(self) -> None:
        head, first = self._first_sign - 2, self._first_sign
        for column, text in enumerate(("place", "sign", "value", "h"), start=_ID):
            self.canvas.text(head, column, text, "node")
        self.canvas.text(first - 1, 1, "before it", "node")
        self._number(first - 1, 4, 0)
        for row in range(first, self._last_sign + 1):
            place = self._number(row, 1, row - first + 1)
            sign = self._formula(row, 2, f"MID({self._id},{place},1)", CHARACTER)
            found = f"FIND({sign},{self._both})"
            value = self._formula(
                row, 3,
                f'IF({sign}="","",IF(ISERROR({found}),-1,MOD({found}-1,{len(SIGNS)})))',
            )  # fmt: skip
            above = a1(row - 1, 4)
            self._formula(
                row, 4, f'IF({sign}="",{above},MOD({above}*{self._by}+{value},{self._divisor}))'
            )

    def _shifts(self) -> None:
        put, left = self.canvas.text, _SHIFTS
        put(_TOP, left, "shifts of the buckets", "block")
        for digit in range(_SCALE):
            put(_TOP + 1, left + 1 + digit, f"…{digit}", "node")
        for bucket, shift in enumerate(self.constants.shifts):
            tens, digit = divmod(bucket, _SCALE)
            if not digit:
                put(_TOP + 2 + tens, left, f"{tens or ''}…", "node")
            self._number(_TOP + 2 + tens, left + 1 + digit, shift)

    def _givens(self) -> None:
        heads = ("number", "state", "least", "sizes", "negative", "base", "sign", "size", "given")
        for column, text in enumerate(heads, start=_NAME):
            self.canvas.text(_TOP, column, text, "block" if column == _NAME else "node")
        self.canvas.text(_TOP + 1, _NAME, "start", "source")
        before = self._formula(_TOP + 1, _STATE, self._start)
        structure = self.plan.shape.structure()
        quantities = table(structure)
        for n, ((name, layer, index), rule) in enumerate(
            zip(self.plan.places, self.plan.rules, strict=True)
        ):
            row = _TOP + 2 + n
            label = person_label(structure, quantities[name, layer], index)
            self.canvas.text(row, _NAME, label, "source")
            before = self._formula(
                row, _STATE,
                f'IF({before}="","",MOD({before}*{self._times}+{self._plus},{self._divisor}))',
            )  # fmt: skip
            self._given(row, rule)

    def _given(self, row: int, rule: Rule) -> None:
        state, base = a1(row, _STATE), self._number(row, _BASE, rule.base)
        sign, size = "1", ""
        if rule.kind == REST:
            parts = f"{a1(row - rule.back, _SIZE)}:{a1(row - 1, _SIZE)}"
            size = f"{base}-SUM({parts})" if rule.back else base
            self.canvas.text(row, _LOW, "what is left of 1", "source")
        elif rule.kind == ONE_OF:
            span = self._number(row, _SPAN, rule.span)
            size = f"IF(MOD({a1(row - rule.back, _STATE)},{span})={rule.back},1,0)"
        else:
            low, span, negative = (
                self._number(row, column, number)
                for column, number in (
                    (_LOW, rule.low), (_SPAN, rule.span), (_NEGATIVE, rule.negative)
                )
            )  # fmt: skip
            sign = f"IF(MOD(INT({state}/{SIGN_AT}),{SIGN_OF})<{negative},-1,1)"
            size = f"{low}+MOD({state},{span})"
        sign, size = (
            self._formula(row, column, f'IF({state}="","",{formula})')
            for column, formula in ((_SIGN, sign), (_SIZE, size))
        )
        self._formula(row, _GIVEN, f'IF({state}="","",{sign}*{size}/{base})', "given")
