"""A structure as words, and words as a structure: what a workbook says of its network."""

from __future__ import annotations

from collections.abc import Mapping

from cellgrad.case.structure import Structure, UpdateRule
from cellgrad.errors import CaseError

Facts = dict[str, str]

STRUCTURE_FACTS = (
    "nodes",
    "activations",
    "loss",
    "update",
    "samples",
    "biases",
    "update_biases",
    "weight_decay",
    "error_sign",
)
"""The words without which a step is not described."""

_WORDS = {True: "yes", False: "no"}
_MEANING = {"yes": True, "no": False}


def structure_facts(structure: Structure) -> Facts:
    """Return the words from which the structure of a step can be read back."""
    found = {
        "nodes": "-".join(str(n) for n in structure.nodes),
        "activations": ", ".join(structure.activations),
        "loss": structure.loss,
        "update": structure.update,
        "samples": f"{structure.samples}",
        "biases": _WORDS[structure.biases],
        "update_biases": _WORDS[structure.update_biases],
        "weight_decay": _WORDS[structure.decay],
        "error_sign": structure.error_sign,
    }
    if structure.decay_biases:
        found["decay_biases"] = "yes"
    return found


def structure_from(facts: Mapping[str, str]) -> Structure:
    """Return the structure that words describe.

    Raises:
        CaseError: a word is missing or unknown, or they do not go together.
    """
    return Structure(
        nodes=tuple(_whole(n, "nodes") for n in word(facts, "nodes").split("-")),
        activations=tuple(name.strip() for name in word(facts, "activations").split(",")),
        loss=word(facts, "loss"),
        update=word(facts, "update"),
        samples=whole(facts, "samples"),
        biases=yes(facts, "biases"),
        decay=yes(facts, "weight_decay"),
        update_biases=yes(facts, "update_biases"),
        error_sign=word(facts, "error_sign"),
        decay_biases=yes({"decay_biases": "no", **facts}, "decay_biases"),
    )


def rule_facts(rule: UpdateRule) -> Facts:
    """Return the words from which an update rule can be read back."""
    return {
        "optimizer": rule.optimizer,
        "momentum": _WORDS[rule.momentum],
        "rate_in_velocity": _WORDS[rule.rate_in_velocity],
    }


def rule_from(facts: Mapping[str, str]) -> UpdateRule:
    """Return the update rule that words describe.

    Raises:
        CaseError: a word is missing or unknown.
    """
    return UpdateRule(
        word(facts, "optimizer"), yes(facts, "momentum"), yes(facts, "rate_in_velocity")
    )


def said(value: bool) -> str:  # noqa: FBT001 - it is the value that is said
    """Return yes or no."""
    return _WORDS[value]


def word(facts: Mapping[str, str], name: str) -> str:
    """Return a word; CaseError if it is missing."""
    if name not in facts:
        raise CaseError(f"the row {name!r} is missing")
    return facts[name]


def whole(facts: Mapping[str, str], name: str) -> int:
    """Return a whole number; CaseError if it is none."""
    return _whole(word(facts, name), name)


def yes(facts: Mapping[str, str], name: str) -> bool:
    """Return a yes or no; CaseError if it is neither."""
    text = word(facts, name)
    if text not in _MEANING:
        raise CaseError(f"{name} should be yes or no, not {text!r}")
    return _MEANING[text]


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise CaseError(f"{name} should be a whole number, not {text[:20]!r}")
    return int(text)
