"""Reading JSON text strictly: UTF-8, no key twice, no word that JSON does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cellgrad.errors import InputError

_MAX_SHOWN = 60


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
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise error(f"the key {shortened(repr(twice))} stands twice", remedy="keep one of them")
        return found

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
    except UnicodeDecodeError as wrong:
        raise error("not a UTF-8 text", remedy="save it as UTF-8 JSON") from wrong
    except RecursionError as wrong:
        raise error("nested too deeply") from wrong
    except ValueError as wrong:
        raise error("holds a whole number of thousands of digits") from wrong


def shortened(text: str, most: int = 2 * _MAX_SHOWN) -> str:
    """Return a text with its middle left out where it is long."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]} … {text[-(most // 2) :]}"
