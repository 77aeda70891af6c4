"""The equations of a part's quantities in words, as its sheets show them."""

from __future__ import annotations

from cellgrad.case.lines import general_equation
from cellgrad.case.quantities import Quantity
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.run import EVALUATED, RunShape
from cellgrad_series.parts.shape import Shape
from cellgrad_series.parts.sweep import SweepShape


def part_equation(shape: Shape, quantity: Quantity) -> str:
    """Return a quantity's equation for people, with its number; empty for a given."""
    if quantity.given:
        return ""
    text = _text(shape, quantity)
    return f"{quantity.equation}   {text}".strip()


def _text(shape: Shape, quantity: Quantity) -> str:
    if isinstance(shape, RunShape):
        return _of_run(shape, quantity)
    if isinstance(shape, SweepShape):
        own = {"swept": "from the values above", "surface": "from the rows below"}
        return own.get(quantity.name) or general_equation(shape.step, quantity)
    if isinstance(shape, ClassificationShape):
        return _of_classification(shape, quantity)
    if isinstance(shape, RuleShape):
        return {
            "pre_activation": "constant + Σ coefficient · input",
            "post_activation": "1 if the sum ≥ 0, else 0",
            "correct": "1 if target = rule",
            "right": "their sum",
        }[quantity.name]
    return {
        "value": "1 / (1 + e^−x)",
        "derivative": "fA · (1 − fA)",
        "value_above": "1 / (1 + e^−(x+ε))",
        "value_below": "1 / (1 + e^−(x−ε))",
        "quotient": "without any derivative",
        "gap": "fA′ − quotient",
        "step": "1 if x ≥ 0, else 0",
        "error": "as on the runs' sheets",
        "mean": "sum / number",
        "spread": "√(Σ (number − mean)² / (n − 1))",
        "best": "largest",
        "worst": "smallest",
    }[quantity.name]


def _of_run(shape: RunShape, quantity: Quantity) -> str:
    minus = shape.step.error_sign == "output_minus_target"
    sign = "−" if minus else "+"
    adam = f"weight {sign} LR · m̂ / (√ŝ + ε)"
    momentum = f"weight {sign} v" if shape.rule.rate_in_velocity else f"weight {sign} LR · v"
    moved = "" if shape.rule.plain else adam if shape.rule.optimizer == "adam" else momentum
    rate = "LR · " if shape.rule.rate_in_velocity else ""
    name = quantity.name.removeprefix("bias_")
    own = {
        "input": "from the samples' sheet",
        "target": "from the samples' sheet",
        "velocity": f"μ · v above + {rate}gradient",
        "first_moment": "β1 · m above + (1 − β1) · gradient",
        "second_moment": "β2 · s above + (1 − β2) · gradient²",
        "beta1_power": "β1ᵗ above · β1",
        "beta2_power": "β2ᵗ above · β2",
        "corrected_first_moment": "m / (1 − β1ᵗ)",
        "corrected_second_moment": "s / (1 − β2ᵗ)",
        f"{EVALUATED}error": "Σ E_sample / samples, new weights",
    }
    if name in own:
        return own[name]
    if moved and quantity.name in ("new_weights", "new_biases"):
        return moved if quantity.name == "new_weights" else moved.replace("weight", "bias")
    if quantity.name.startswith(EVALUATED):
        inner = quantity.name.removeprefix(EVALUATED)
        stripped = Quantity(
            inner, quantity.layer, quantity.label, quantity.defined_name, "", quantity.shape
        )
        return general_equation(shape.step, stripped)
    return general_equation(shape.step, quantity)


def _of_classification(shape: ClassificationShape, quantity: Quantity) -> str:
    single = shape.network.outputs == 1
    own = {
        "target_class": "1 if target > limit, else 0" if single else "the largest target's",
        "class": "1 if output > limit, else 0" if single else "the largest output's",
        "correct": "1 if class = target class",
        "is_target": "1 if it is of this class",
        "is_called": "1 if it is called this class",
        "confusion": "Σ is class · called class",
        "right": "Σ correct",
        "accuracy": "right / samples",
        "error": "Σ E_sample / samples",
        "boundary_y": "where S_preA = 0",
    }
    return own.get(quantity.name) or general_equation(shape.network, quantity)
