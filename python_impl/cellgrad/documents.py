"""Documents as they come from people: JSON and TOML, held to the schemas in reference/schema/."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cellgrad import shipped
from cellgrad.errors import InputError

Check = Callable[[Any], Any]


def read_json(
    data: bytes, error: type[InputError] = InputError, constant: Callable[[str], Any] | None = None
) -> Any:
    """Return what JSON text holds.

    Args:
        data: UTF-8, with or without a byte order mark.
        error: what is raised.
        constant: what to make of the words NaN, Infinity and -Infinity, which are no JSON;
            by default they are refused.

    Raises:
        InputError: it is not UTF-8, not JSON, holds a key twice or is nested too deeply.
    """

    def refuse_constant(word: str) -> Any:
        raise error(f"{word} is no number of JSON", remedy="give finite numbers")

    def refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = next(name for name, count in counts.items() if count > 1)
            raise error(f"the key {shortened(repr(twice))} stands twice", remedy="keep one of them")
        return table

    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_constant=constant or refuse_constant,
            object_pairs_hook=refuse_repeats,
        )
    except json.JSONDecodeError as wrong:
        raise error(
            f"not JSON ({wrong.msg})", place=f"line {wrong.lineno}, column {wrong.colno}"
        ) from wrong
    except (UnicodeDecodeError, RecursionError, ValueError) as wrong:
        raise _unreadable(wrong, error, "save it as UTF-8 JSON") from wrong


def read_toml(data: bytes, error: type[InputError] = InputError) -> dict[str, Any]:
    """Return the document that TOML bytes hold.

    Args:
        data: the file; a byte-order mark and Windows' line ends are taken as they are meant.
        error: what is raised.

    Raises:
        InputError: no TOML, no UTF-8, nested too deeply, or a number without end.
    """
    import tomllib  # noqa: PLC0415 - start-up time

    try:
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as wrong:
        raise error(f"not TOML ({wrong})", remedy="correct that line") from wrong
    except (UnicodeDecodeError, RecursionError, ValueError) as wrong:
        raise _unreadable(wrong, error, "save it as UTF-8") from wrong


def _unreadable(wrong: Exception, error: type[InputError], remedy: str) -> InputError:
    if isinstance(wrong, UnicodeDecodeError):
        return error("not a UTF-8 text", remedy=remedy)
    if isinstance(wrong, RecursionError):
        return error("nested too deeply")
    return error("holds a whole number of thousands of digits")


def shortened(text: str, most: int = 120) -> str:
    """Return a text with its middle left out where it is long."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … {text[-(most // 2) :]}"


def holds_control(text: str) -> bool:
    """Tell whether a text holds what no workbook can hold and no terminal should be sent."""
    return any(
        (c < " " and c not in "\t\n")
        or "\x7f" <= c < "\xa0"
        or "\ud800" <= c < "\ue000"
        or c in "\ufffe\uffff"
        for c in text
    )


@dataclass(frozen=True)
class BrokenRule:
    """A rule of a schema that a document breaks.

    Attributes:
        rule: the schema's word for it, such as ``minimum``.
        wanted: what the schema gives behind that word.
        value: what stands in the document.
        path: where, from the top: keys, and positions in lists counted from 0.
        schema: the part of the schema that the rule stands in.
        message: the rule in words.
    """

    rule: str
    wanted: Any
    value: Any
    path: tuple[str | int, ...]
    schema: Mapping[str, Any]
    message: str

    @property
    def place(self) -> str:
        """Return the path as text: ``network.weights[0]``."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")


def check_schema(
    document: Any, name: str, error: type[InputError] = InputError, remedy: str = ""
) -> None:
    """Hold a document to a schema.

    Args:
        document: what a reader made of a file.
        name: the schema's, as in ``reference/schema/NAME.schema.json``.
        error: what is raised.
        remedy: what its reader can do about it; by default, look at the schema.

    Raises:
        InputError: it breaks a rule of the schema, or is nested too deeply.
    """
    broken = broken_rule(document, name, error)
    if broken is not None:
        raise error(
            shortened(broken.message),
            place=broken.place or "the document",
            remedy=remedy or f"see reference/schema/{name}.schema.json",
        )


def broken_rule(
    document: Any, name: str, error: type[InputError] = InputError
) -> BrokenRule | None:
    """Return the first rule of a schema that a document breaks: an unknown key before all else.

    Raises:
        InputError: the document is nested too deeply.
    """
    try:
        broken = _failure(_check_of(name), document)
        if broken is None:
            return None
        # what people mistype is a key, and then the right one is missing: the key says more
        unknown = _failure(_check_of(name, only_keys=True), document)
        return unknown or _most_telling(broken, read_schema(name))
    except RecursionError as deep:
        raise error("nested too deeply") from deep


@cache
def read_schema(name: str) -> dict[str, Any]:
    """Return a schema of ``reference/schema``."""
    schema: dict[str, Any] = json.loads(shipped.schema(name).read_text("utf-8"))
    return schema


@cache
def _check_of(name: str, *, only_keys: bool = False) -> Check:
    schema = read_schema(name)
    return _compiled(_keys_only(schema) if only_keys else schema)


def _compiled(schema: Mapping[str, Any]) -> Check:
    import fastjsonschema  # noqa: PLC0415 - start-up time

    check: Check = fastjsonschema.compile(_older_draft(schema), use_default=False)
    return check


def _older_draft(schema: Any) -> Any:
    """Return a schema in the words of draft 7, which is what the library reads."""
    if isinstance(schema, list):
        return [_older_draft(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    left_out = {"$schema", "$id"} if isinstance(schema.get("$id"), str) else set()
    return {
        "items" if key == "prefixItems" else key: _older_draft(part)
        for key, part in schema.items()
        if key not in left_out
    }


def _keys_only(schema: Any) -> Any:
    """Return what a schema says of keys alone, so that nothing else is complained of."""
    if isinstance(schema, list):
        return [_keys_only(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = ("$ref", "items", "prefixItems", "additionalProperties")
    plain = {key: _keys_only(schema[key]) for key in kept if key in schema}
    for key in ("properties", "patternProperties", "$defs"):
        if key in schema:
            plain[key] = {name: _keys_only(part) for name, part in schema[key].items()}
    return plain


def _failure(check: Check, document: Any, at: tuple[str | int, ...] = ()) -> BrokenRule | None:
    from fastjsonschema import JsonSchemaValueException  # noqa: PLC0415 - start-up time

    try:
        check(document)
    except JsonSchemaValueException as wrong:
        steps: list[str | int] = list(at)
        value = document
        for word in wrong.path[1:]:
            step = int(word) if isinstance(value, list) else word
            value = value[step]
            steps.append(step)
        message = str(wrong.message).removeprefix(str(wrong.name)).strip()
        if wrong.rule in ("type", "enum", "const", "pattern"):
            message += f", not {shortened(repr(wrong.value), 60)}"
        elif wrong.rule == "not" and "required" in wrong.rule_definition:
            message = f"must not give {' and '.join(wrong.rule_definition['required'])} here"
        return BrokenRule(
            str(wrong.rule),
            wrong.rule_definition,
            wrong.value,
            tuple(steps),
            wrong.definition,
            message,
        )
    return None


def _most_telling(broken: BrokenRule, schema: Mapping[str, Any]) -> BrokenRule:
    """Return, of a value that fits none of several forms, what is wrong with the nearest form."""
    if broken.rule not in ("anyOf", "oneOf"):
        return broken
    forms = [{**form, "$defs": schema.get("$defs", {})} for form in broken.wanted]
    failures = [
        _failure(_compiled(_keys_only(form)), broken.value, broken.path)
        or _failure(_compiled(form), broken.value, broken.path)
        for form in forms
    ]
    meant = [
        failure
        for failure in failures
        if failure is not None
        and (failure.path != broken.path or failure.rule not in ("type", "enum", "const"))
    ]
    return _most_telling(meant[0], schema) if len(meant) == 1 else broken
