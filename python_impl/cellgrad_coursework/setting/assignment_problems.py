"""What is wrong with an assignment, in words for people who write no programs.

A schema knows that a file is wrong; what its writer meant is guessed here: the nearest word, the
table that a key belongs to, a decimal comma.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from cellgrad.errors import InputError
from cellgrad.files import BrokenRule, shortened

_CLOSE = 0.6
_COMMA = re.compile(r"\s*([A-Za-z_]+)\s*=\s*(-?\d+),(\d+)\s*(?:#.*)?")
_PLAIN_VALUE = re.compile(r"-?\d+(\.\d+)?|true|false")
_STORED_COMMA = re.compile(r"-?\d+,\d+")


@cache
def _words() -> dict[str, Any]:
    """Return examples, kinds of values, and what people write in the place of a word."""
    source = files("cellgrad_coursework.setting") / "templates" / "words.toml"
    return tomllib.loads(source.read_text("utf-8"))


def _example_of(key: str, other: str = "…") -> str:
    """Return what a key may hold, or something else for a key without an example."""
    return str(_words()["examples"].get(key, other))


def nearest(word: str, known: Sequence[str]) -> list[str]:
    """Return what a word that is not known may mean, the likeliest first; often one, or none."""
    plain = _plain(word)
    table = {_plain(name): name for name in reversed(known)}
    if plain in table:
        return [table[plain]]
    meant = [name for name, words in _words()["meant"].items() if plain in words and name in known]
    if meant:
        return meant
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
    steps = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return place_of(int(number) if number else word for number, word in steps)


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
        match = _COMMA.fullmatch(line)
        if match:
            key, whole, part = match.groups()
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
        what, remedy = _of_type(broken, key)
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
        return what, f"write a short name such as {_example_of('id')}"
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
    example = f"such as {key} = {_example_of(key)}"
    if key == "samples":
        short += ", or the samples themselves,"
    return InputError(
        f"{_shown(broken.value)} cannot be used", place=where, remedy=f"{short} {example}"
    )


def _of_type(broken: BrokenRule, key: str) -> tuple[str, str]:
    """Speak of a value, or of an item of a list, that is of another type."""
    value, wanted = broken.value, str(broken.wanted)
    item = bool(broken.path) and isinstance(broken.path[-1], int)
    kind, remedy, example = _words()["kinds"][wanted]
    what, head = f"{_shown(value)} is not {kind}", "" if item else f"{key} = "
    text = value.strip() if isinstance(value, str) else ""
    if wanted == "number" and _STORED_COMMA.fullmatch(text) and text == value:
        what = f"{_shown(value)} is no number"
        remedy = f"write a decimal point: {head}{text.replace(',', '.')}"
    elif item and wanted == "object":
        what = f"{_shown(value)} is no sample"
        remedy = f"write {key} = {_example_of(key, '[ … ]')}"
    elif item:
        quotes = wanted == "string"
        remedy = "write it in quotes" if quotes else f"write {kind}, such as {example}"
    elif wanted in ("number", "integer", "boolean") and _PLAIN_VALUE.fullmatch(text):
        what, remedy = (
            f"{_shown(value)} is a text, not {kind}",
            f"leave the quotes out: {head}{text}",
        )
    elif wanted == "object":
        shown = f"[{key}]" if key != "quantity" else "[[quantity]]"
        remedy = f"write its keys below a line {shown}"
    elif wanted == "array" and key == "quantity":
        what, remedy = "is one table", "write [[quantity]], with two brackets on each side"
    else:
        way = f"write {key} in quotes" if wanted == "string" else remedy
        remedy = f"{way}, such as {head}{_example_of(key, example)}"
    return what, remedy


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
    return f"{key} = {_example_of(key)}"


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
