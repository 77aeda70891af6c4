"""What is wrong with an assignment, in words for people who write no programs.

A schema knows that a file is wrong; what its writer meant is guessed here: the nearest word, the
table that a key belongs to, a decimal comma.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cellgrad.documents import BrokenRule, shortened
from cellgrad.errors import InputError

_EXAMPLES = {
    "schema": '"cellgrad-assignment/1"',
    "id": '"training-step"',
    "title": '"One training step by hand"',
    "course": '"Introduction to neural networks"',
    "due": '"Friday, 27 November, 18:00"',
    "nodes": "[3, 4, 1]",
    "activations": '["logistic", "logistic"]',
    "loss": '"half_squared_error"',
    "update": '"batch_mean"',
    "learning_rate": "0.4",
    "samples": "[ { input = [0.5, 0.25], target = [0.8] } ]",
    "input": "[0.5, 0.25]",
    "target": "[0.8]",
    "quantities": '["S_preA_H", "E"]',
    "name": '"S_ERROR_H"',
    "conventions": '["error-sign-convention"]',
}
_KINDS = {
    "string": ("a text", "write it in quotes", '"…"'),
    "array": ("a list", "write a list", "[3, 4, 1]"),
    "integer": ("a whole number", "write a whole number without quotes", "3"),
    "number": ("a number", "write a number without quotes", "0.4"),
    "boolean": ("true or false", "write true or false without quotes", "true"),
    "object": ("a table", "write its keys below a line of their own", "[training]"),
}
_MEANT = {
    "sigmoid": "logistic", "sigm": "logistic", "logit": "logistic", "linear": "identity",
    "none": "identity", "lrelu": "leaky_relu", "step": "unit_step", "heaviside": "unit_step",
    "sse": "squared_error", "mse": "mean_squared_error", "l2": "half_squared_error",
    "bce": "binary_cross_entropy", "logloss": "binary_cross_entropy",
    "cce": "categorical_cross_entropy", "batch": "batch_mean", "mean": "batch_mean",
    "sum": "batch_sum", "sgd": "online", "stochastic": "online", "number": "value",
    "typed": "value", "hyperbolictangent": "tanh", "delta": "error_signal",
    "deltas": "error_signal", "netinput": "pre_activation", "net": "pre_activation",
    "weightedsum": "pre_activation", "z": "pre_activation", "a": "post_activation",
    "activation": "post_activation", "output": "post_activation", "outputs": "post_activation",
    "gradient": "weight_gradient", "gradients": "weight_gradient", "newweight": "new_weights",
    "updatedweights": "new_weights", "loss": "E", "totalerror": "E", "y": "post_activation",
    "lr": "learning_rate", "eta": "learning_rate", "rate": "learning_rate",
    "layers": "nodes", "neurons": "nodes", "activation_functions": "activations",
    "deadline": "due", "bias": "biases", "penalty": "ecf_penalty",
}  # fmt: skip
_SEVERAL = {"crossentropy": ("binary_cross_entropy", "categorical_cross_entropy")}
_CLOSE = 0.6
_COMMA = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(-?\d+),(\d+)\s*(?:#.*)?")
_STORED_COMMA = re.compile(r"-?\d+,\d+")


def nearest(word: str, known: Sequence[str]) -> list[str]:
    """Return what a word that is not known may mean, the likeliest first; often one, or none."""
    plain = _plain(word)
    table = {_plain(name): name for name in reversed(known)}
    if plain in table:
        return [table[plain]]
    for meant in (_SEVERAL.get(plain, ()), (_MEANT.get(plain, ""),)):
        if found := [name for name in meant if name in known]:
            return found
    return [table[name] for name in difflib.get_close_matches(plain, table, 1, _CLOSE)]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``did you mean …? `` in front of a list of what is known."""
    close = nearest(word, known)
    return f"did you mean {' or '.join(close)}? " if close else ""


def one_of(word: str, known: Sequence[str]) -> str:
    """Return the remedy for a word that is not known: the nearest, and all that fit."""
    choice = f"use one of {', '.join(known)}" if len(known) > 1 else f"use {known[0]}"
    return did_you_mean(word, known) + choice


def place_of(parts: Iterable[str | int]) -> str:
    """Return where something stands, lists counted from 1: ``[[quantity]] 2, name``."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text = (
                f"[[quantity]] {part + 1}" if text == "quantity" else f"{text}, number {part + 1}"
            )
        else:
            text += (", " if re.search(r"\d$", text) else "." if text else "") + part
    return text


def place_in_words(path: str) -> str:
    """Return a place such as ``network.activations[0]`` with lists counted from 1."""
    found = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return place_of(int(number) if number else word for number, word in found)


def with_dates_as_texts(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with a date in ``due`` as its text."""
    due = document.get("due")
    if isinstance(due, dt.datetime):
        shown = due.strftime("%Y-%m-%d %H:%M") + (f" {due.tzname()}" if due.tzinfo else "")
    elif isinstance(due, dt.date):
        shown = due.isoformat()
    else:
        return document
    return {**document, "due": shown}


def plain_reason(data: bytes) -> InputError | None:
    """Return why a file is no TOML, where it is one of the usual slips: a comma, a bracket."""
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        if re.match(r"\s*\[quantity\]", line):
            return InputError(
                "[quantity] stands in single brackets",
                place=f"line {number}",
                remedy="write [[quantity]], with two on each side",
            )
        found = _COMMA.fullmatch(line)
        if found:
            key, whole, part = found.groups()
            return InputError(
                f"{whole},{part} has a decimal comma",
                place=f"line {number}, {key}",
                remedy=f"write a decimal point: {key} = {whole}.{part}",
            )
    return None


def problem(broken: BrokenRule, schema: Mapping[str, Any]) -> InputError:
    """Return what to put right, in words."""
    if broken.rule == "anyOf":
        return _of_several(broken)
    if broken.rule == "additionalProperties":
        return _unknown_key(broken, schema)
    path, value, wanted = broken.path, broken.value, broken.wanted
    key = str(next((part for part in reversed(path) if isinstance(part, str)), ""))
    if broken.rule == "type":
        of = _of_item if path and isinstance(path[-1], int) else _of_type
        what, remedy = of(key, value, str(wanted))
    elif broken.rule in ("enum", "const"):
        what = f"{_shown(value)} is not known"
        known = [wanted] if broken.rule == "const" else list(wanted)
        remedy = f"write {_example(key)}" if key == "schema" else one_of(str(value), known)
    else:
        what, remedy = _of_rule(broken)
    return InputError(what, place=place_of(path) or "the assignment", remedy=remedy)


def _of_rule(broken: BrokenRule) -> tuple[str, str]:
    """Speak of a size, a missing key, or what must not stand together."""
    value, wanted, rule = broken.value, broken.wanted, broken.rule
    if rule == "required":
        missing = next(name for name in wanted if name not in value)
        return f"says nothing of {missing}", f"add {_example(missing)}"
    if rule == "not":
        return "says both points and points_together", "keep one of them"
    if rule == "uniqueItems":
        twice = next((one for n, one in enumerate(value) if one in value[:n]), "")
        return f"{_shown(twice)} stands twice", "keep one"
    if rule.endswith(("Items", "Length")):
        return _of_size(value, rule, int(wanted))
    if rule == "pattern":
        what = f"{_shown(value)} is not made of letters, digits, - and _ alone"
        return what, f"write a short name such as {_EXAMPLES['id']}"
    small = "inimum" in rule
    return f"{_shown(value)} is too {'small' if small else 'large'}", _bounds(broken.schema)


def _unknown_key(broken: BrokenRule, schema: Mapping[str, Any]) -> InputError:
    where = place_of(broken.path) or "the assignment"
    allowed = list(broken.schema["properties"])
    key = next(name for name in broken.value if name not in allowed)
    remedy = did_you_mean(key, [name for name in allowed if name not in broken.value])
    tables = {
        name: part.get("properties", part.get("items", {}).get("properties", {}))
        for name, part in schema["properties"].items()
        if part.get("type") in ("object", "array")
    }
    home = [name for name, keys in tables.items() if key in keys]
    if home:
        shown = [f"[[{name}]]" if name == "quantity" else f"[{name}]" for name in home]
        remedy = f"it belongs below {' or '.join(shown)}; "
    elif key in schema["properties"]:
        remedy = f"write it at the top, above the first line in brackets ([{next(iter(tables))}]); "
    listed = ", ".join(allowed)
    return InputError(
        f"{shortened(key)} is no key here",
        place=where,
        remedy=f"{remedy}allowed: {listed}" if remedy else f"use one of {listed}",
    )


def _of_several(broken: BrokenRule) -> InputError:
    """Speak of a value that has none of several forms: a list, or something short."""
    key, where = str(broken.path[-1]), place_of(broken.path)
    short = {
        "samples": "write how many samples each student draws, such as samples = 3",
        "quantities": 'write quantities = "all", or a list of names',
    }[key]
    example = f"such as {key} = {_EXAMPLES[key]}"
    if key == "samples":
        short += ", or the samples themselves,"
    return InputError(
        f"{_shown(broken.value)} cannot be used", place=where, remedy=f"{short} {example}"
    )


def _of_type(key: str, value: Any, wanted: str) -> tuple[str, str]:
    kind, remedy, example = _KINDS[wanted]
    example = _EXAMPLES.get(key, example)
    if isinstance(value, str) and _STORED_COMMA.fullmatch(value) and wanted == "number":
        point = value.replace(",", ".")
        return f"{_shown(value)} is no number", f"write a decimal point: {key} = {point}"
    if isinstance(value, str) and wanted in ("number", "integer", "boolean"):
        plain = value.strip()
        if re.fullmatch(r"-?\d+(\.\d+)?|true|false", plain):
            return (
                f"{_shown(value)} is a text, not {kind}",
                f"leave the quotes out: {key} = {plain}",
            )
    if wanted == "string":
        remedy = f"write {key} in quotes"
    if wanted == "object":
        shown = f"[{key}]" if key != "quantity" else "[[quantity]]"
        return f"{_shown(value)} is not {kind}", f"write its keys below a line {shown}"
    if wanted == "array" and key == "quantity":
        return "is one table", "write [[quantity]], with two brackets on each side"
    return f"{_shown(value)} is not {kind}", f"{remedy}, such as {key} = {example}"


def _of_item(key: str, value: Any, wanted: str) -> tuple[str, str]:
    if wanted == "object":
        return f"{_shown(value)} is no sample", f"write {key} = {_EXAMPLES.get(key, '[ … ]')}"
    kind, _, example = _KINDS[wanted]
    if isinstance(value, str) and _STORED_COMMA.fullmatch(value) and wanted == "number":
        return f"{_shown(value)} is no number", f"write a decimal point: {value.replace(',', '.')}"
    quotes = {"string": "write it in quotes"}.get(wanted, f"write {kind}, such as {example}")
    return f"{_shown(value)} is not {kind}", quotes


def _of_size(value: Any, validator: str, limit: int) -> tuple[str, str]:
    what = "characters" if isinstance(value, str) else "entries"
    if validator.startswith("min"):
        if not value:
            return "is empty", "write something"
        return f"has {len(value)} {what}, too few", f"give {limit} or more"
    return f"has {len(value):,} {what}, too many", f"at most {limit:,}"


def _bounds(schema: Mapping[str, Any]) -> str:
    parts = [
        f"{words} {schema[name]:,}"
        for name, words in (
            ("minimum", "at least"), ("exclusiveMinimum", "more than"),
            ("maximum", "at most"), ("exclusiveMaximum", "less than"),
        )
        if name in schema
    ]  # fmt: skip
    return f"give a number of {' and '.join(parts)}"


def _example(key: str) -> str:
    if key in ("network", "training"):
        return f"a line [{key}], with what belongs to it below"
    return f"{key} = {_EXAMPLES.get(key, '…')}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date | dt.time):
        return f"the date or time {value}"
    if isinstance(value, dict):
        return "a table"
    return shortened(repr(value), 60)


def _plain(word: str) -> str:
    return re.sub(r"[\W_]+", "", word.casefold())
