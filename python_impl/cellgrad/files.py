"""Files read within limits and written whole or not at all, and the JSON and TOML in them.

Documents come from people; they are held to the schemas in reference/schema/.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cellgrad import shipped
from cellgrad.errors import InputError


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    with whole_file(path) as beside, beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write beside its place: an old one stays until the new one is whole.

    The new file gets the permissions that a plain write would give it.

    Raises:
        InputError: the place cannot be written, or the disk is full.
    """
    import tempfile  # noqa: PLC0415 - start-up time

    beside: Path | None = None
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        # the name is cut: with its addition it must not grow too long for a file system
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        beside = Path(name)
        os.close(handle)
        yield beside
        beside.chmod(_plain_mode(target))
        beside.replace(target)
        beside = None
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle; a NUL character
        raise unwritable(path, error) from error
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                beside.unlink()


def unwritable(path: Path, error: Exception) -> InputError:
    """Return what is said of a place that cannot be written."""
    return InputError(
        f"cannot be written ({getattr(error, 'strerror', None) or error})",
        file=path,
        remedy="choose another place with -o, or make room",
    )


def _plain_mode(target: Path) -> int:
    if target.exists():
        return target.stat().st_mode & 0o7777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def read_limited(path: Path, limit: int) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Raises:
        InputError: it is missing, no plain file, unreadable or too large.
    """
    try:
        if not path.is_file():
            problem = "it is not a file" if path.exists() else "no such file"
            raise InputError(problem, file=path, remedy="check the path")
        if path.stat().st_size > limit:
            raise InputError(f"larger than {limit:,} bytes", file=path)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error
    except ValueError as error:  # a path with a NUL character
        raise InputError(f"is no path ({error})", file=repr(path)) from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those around it, where it is missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot be made ({error.strerror or error})",
            file=folder,
            remedy="choose another place with -o",
        ) from error


ZIP_DATE = (2026, 1, 1, 0, 0, 0)
"""The date of every entry that has none of its own."""


def zip_entry(
    name: str, date: tuple[int, int, int, int, int, int] = ZIP_DATE, *, packed: bool = True
) -> zipfile.ZipInfo:
    """Return an entry of a zip archive that is the same on every system and every day."""
    entry = zipfile.ZipInfo(name, date)
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    return entry


# documents


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
    """Return the first rule of a schema that a document breaks.

    An unknown key comes before all else: what people mistype is a key, and then the right one
    is missing. What holds under conditions comes last: a wrong word may have set them.

    Raises:
        InputError: the document is nested too deeply.
    """
    try:
        broken = _failure(_check_of(name), document)
        if broken is None:
            return None
        parts = (_is_of_keys, _is_unconditional)
        simpler = (_failure(_check_of(name, part), document) for part in parts)
        return _most_telling(next(filter(None, simpler), broken), read_schema(name))
    except RecursionError as deep:
        raise error("nested too deeply") from deep


@cache
def read_schema(name: str) -> dict[str, Any]:
    """Return a schema of ``reference/schema``, in the words of draft 7: so the library reads it."""

    def older(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        named = (pair for pair in pairs if pair[0] not in ("$schema", "$id"))
        return {"items" if key == "prefixItems" else key: part for key, part in named}

    text = shipped.schema(name).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text, object_pairs_hook=older)
    return schema


@cache
def _check_of(name: str, keeps: Callable[[str], bool] | None = None) -> Check:
    schema = read_schema(name)
    return _compiled(_kept(schema, keeps) if keeps else schema)


def _compiled(schema: dict[str, Any]) -> Check:
    import fastjsonschema  # noqa: PLC0415 - start-up time

    check: Check = fastjsonschema.compile(schema, use_default=False)
    return check


def _kept(schema: Any, keeps: Callable[[str], bool]) -> Any:
    """Return a schema without the words that are not kept; what they say is not complained of."""
    if isinstance(schema, list):
        return [_kept(part, keeps) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for word, part in schema.items():
        if word in _NAMED and keeps(word):
            kept[word] = {name: _kept(inner, keeps) for name, inner in part.items()}
        elif keeps(word):
            kept[word] = _kept(part, keeps)
    return kept


_NAMED = ("properties", "patternProperties", "$defs")
"""Words of a schema behind which names stand, each with a schema."""


def _is_of_keys(word: str) -> bool:
    return word in ("$ref", "items", "additionalProperties", *_NAMED)


def _is_unconditional(word: str) -> bool:
    return word not in ("if", "then", "else")


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
        rule, wanted, schema = str(wrong.rule), wrong.rule_definition, wrong.definition
        message = _in_words(rule, wanted, wrong.value, schema)
        message = message or str(wrong.message).removeprefix(str(wrong.name)).strip()
        return BrokenRule(rule, wanted, wrong.value, tuple(steps), schema, message)
    return None


_WORDS = {
    "anyOf": "{value} has none of the forms that are allowed here",
    "const": "must be {wanted!r}, not {value}",
    "enum": "must be one of {wanted}, not {value}",
    "maximum": "must be at most {wanted}, not {value}",
    "minimum": "must be at least {wanted}, not {value}",
    "oneOf": "{value} has none of the forms that are allowed here",
    "pattern": "must match {wanted}, not {value}",
    "type": "must be {wanted}, not {value}",
}
"""What is wrong with a value, by the rule that it breaks; the library's own words serve else."""


def _in_words(rule: str, wanted: Any, value: Any, schema: Mapping[str, Any]) -> str:
    """Return what is wrong with a value; nothing where the library says it as well."""
    if rule == "required":
        return f"lacks {_listed(key for key in wanted if key not in value)}"
    if rule == "additionalProperties" and "patternProperties" not in schema:
        return f"must not hold {_listed(key for key in value if key not in schema['properties'])}"
    if rule == "not" and "required" in wanted:
        return f"must not give {' and '.join(wanted['required'])} here"
    if rule in ("contains", "not"):
        word = wanted.get("contains", wanted).get("const")
        return f"must {'not ' * (rule == 'not')}contain {word!r}" if word else ""
    return _WORDS.get(rule, "").format(wanted=wanted, value=shortened(repr(value), 60))


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(repr(word) for word in words)


def _most_telling(broken: BrokenRule, schema: Mapping[str, Any]) -> BrokenRule:
    """Return, of a value that fits none of several forms, what is wrong with the nearest form."""
    if broken.rule not in ("anyOf", "oneOf"):
        return broken
    forms = [{**form, "$defs": schema.get("$defs", {})} for form in broken.wanted]
    failures = [
        _failure(_compiled(_kept(form, _is_of_keys)), broken.value, broken.path)
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
