"""The equations of a part's quantities: what an optimiser adds to those of a step, and words.

Written once, as those of a step are: as formulas and in words. Source: reference/equations.md,
Eq. 21 to 24.
"""

from __future__ import annotations

from typing import ClassVar

from cellgrad.case.equations import FORMS, Equations, Forms, Words, general_equation
from cellgrad.case.quantities import Index, Key, Quantity, Structure, UpdateRule
from cellgrad.described import Shape
from cellgrad_series.parts.classification import ClassificationShape
from cellgrad_series.parts.run import EVALUATED, RunShape
from cellgrad_series.parts.sweep import SweepShape

_RULES: Forms = {
    "velocity": ("{momentum}*{last}+{gradient}", "", "{momentum} · {last} + {gradient}"),
    "first_moment": (
        "{beta}*{last}+(1-{beta})*{gradient}",
        "",
        "{beta} · {last} + (1 − {beta}) · {gradient}",
    ),
    "second_moment": (
        "{beta}*{last}+(1-{beta})*{gradient}*{gradient}",
        "",
        "{beta} · {last} + (1 − {beta}) · {gradient}²",
    ),
    "corrected": ("{moment}/(1-{power})", "", "{moment} / (1 − {power})"),
    "adam": (
        "{rate}*{first}/(SQRT({second})+{epsilon})",
        "",
        "{rate} · {first} / (√{second} + {epsilon})",
    ),
}
"""What an optimiser makes of gradients, as a formula and in words."""


class RunEquations(Equations):
    """The equations of a row: those of a step, and what an optimiser remembers.

    What a row starts from has ``last_`` before its name (``last_velocity``), but for
    ``weights`` and ``biases``.
    """

    forms: ClassVar[Forms] = {**FORMS, **_RULES}
    rule: UpdateRule

    def right_side(self, key: Key, index: Index) -> str:
        """Return the right-hand side of a scalar's equation."""
        name, k = key
        if name.endswith("_power"):
            beta = self.single(name.removesuffix("_power"))
            return self.write("product", a=self.single(f"last_{name}"), b=beta)
        if "corrected" in name:
            moment = self.operand((name.replace("corrected_", ""), k), index)
            power = self.single("beta1_power" if "first" in name else "beta2_power")
            return self.write("corrected", moment=moment, power=power)
        if name.endswith(("velocity", "moment")):
            return self._remembered(name, k, index)
        return super().right_side(key, index)

    def _remembered(self, name: str, k: int | None, index: Index) -> str:
        gradient = self.operand(
            (f"{'bias' if name.startswith('bias') else 'weight'}_gradient", k), index
        )
        last, form = self.operand((f"last_{name}", k), index), name.removeprefix("bias_")
        if form != "velocity":
            beta = self.single("beta1" if form == "first_moment" else "beta2")
            return self.write(form, beta=beta, last=last, gradient=gradient)
        if self.rule.rate_in_velocity:
            gradient = self.write("product", a=self.single("learning_rate"), b=gradient)
        return self.write(form, momentum=self.single("momentum"), last=last, gradient=gradient)

    def write_update(self, old: Key, gradient: Key, index: Index) -> str:
        """Eq. 10, 21 and 24: a weight or bias, and what the optimiser changes of it."""
        if self.rule.plain:
            return super().write_update(old, gradient, index)
        prefix, k = "bias_" if old[0] == "biases" else "", old[1]
        rate = self.single("learning_rate")
        if self.rule.optimizer == "adam":
            change = self.write(
                "adam",
                rate=rate,
                first=self.operand((f"{prefix}corrected_first_moment", k), index),
                second=self.operand((f"{prefix}corrected_second_moment", k), index),
                epsilon=self.single("adam_epsilon"),
            )
        else:
            change = self.operand((f"{prefix}velocity", k), index)
            if not self.rule.rate_in_velocity:
                change = self.write("product", a=rate, b=change)
        sign = self.signs[self.minus]
        return self.write("moved", value=self.operand(old, index), sign=sign, change=change)


class _RunWords(RunEquations, Words):
    symbols: ClassVar[dict[str, str]] = {
        "momentum": "μ",
        "beta1": "β1",
        "beta2": "β2",
        "adam_epsilon": "ε",
        "velocity": "v",
        "first_moment": "m",
        "second_moment": "s",
        "beta1_power": "β1ᵗ",
        "beta2_power": "β2ᵗ",
        "corrected_first_moment": "m̂",
        "corrected_second_moment": "ŝ",
    }

    def __init__(self, structure: Structure, key: Key, rule: UpdateRule) -> None:
        super().__init__(structure, key)
        self.rule = rule

    def operand(self, key: Key, index: Index) -> str:
        """Return what a quantity is called; what stood in the row before is above."""
        name = key[0].removeprefix("last_")
        symbol = self.symbols.get(name.removeprefix("bias_"))
        if symbol is None:
            return super().operand(key, index)
        return symbol if name == key[0] else f"{symbol} above"


_WORDS = {
    "function": {
        "value": "1 / (1 + e^−x)",
        "derivative": "fA · (1 − fA)",
        "value_above": "1 / (1 + e^−(x+ε))",
        "value_below": "1 / (1 + e^−(x−ε))",
        "quotient": "without any derivative",
        "gap": "fA′ − quotient",
        "step": "1 if x ≥ 0, else 0",
    },
    "comparison": {"error": "as on the runs' sheets"},
    "table": {
        "mean": "sum / number",
        "spread": "√(Σ (number − mean)² / (n − 1))",
        "best": "largest",
        "worst": "smallest",
    },
    "rule": {
        "pre_activation": "constant + Σ coefficient · input",
        "post_activation": "1 if the sum ≥ 0, else 0",
        "correct": "1 if target = rule",
        "right": "their sum",
    },
    "sweep": {"swept": "from the values above", "surface": "from the rows below"},
    "run": {
        "input": "from the samples' sheet",
        "target": "from the samples' sheet",
        f"{EVALUATED}error": "Σ E_sample / samples, new weights",
    },
    "validation": {
        "correct": "1 if class = target class",
        "is_target": "1 if it is of this class",
        "is_called": "1 if it is called this class",
        "confusion": "Σ is class · called class",
        "right": "Σ correct",
        "accuracy": "right / samples",
        "error": "Σ E_sample / samples",
        "boundary_y": "where S_preA = 0",
    },
}
"""What the quantities that no step has are, in words."""

_CLASS_WORDS = {
    "target_class": ("1 if target > limit, else 0", "the largest target's"),
    "class": ("1 if output > limit, else 0", "the largest output's"),
}
"""With one output, and with several."""


def part_equation(shape: Shape, quantity: Quantity) -> str:
    """Return a quantity's equation for people, with its number; empty for a given."""
    if quantity.given:
        return ""
    return f"{quantity.equation}   {_text(shape, quantity)}".strip()


def _text(shape: Shape, quantity: Quantity) -> str:
    name = quantity.name
    text = _WORDS[shape.kind].get(name)
    if text is not None:
        return text
    if isinstance(shape, RunShape):
        key = (name.removeprefix(EVALUATED), quantity.layer)
        return _RunWords(shape.step, key, shape.rule).equation()
    if isinstance(shape, SweepShape):
        return general_equation(shape.step, quantity)
    assert isinstance(shape, ClassificationShape)  # noqa: S101 - the others have no such words
    if name in _CLASS_WORDS:
        return _CLASS_WORDS[name][shape.network.outputs > 1]
    return general_equation(shape.network, quantity)
