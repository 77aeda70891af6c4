"""TOML as it comes from people: a document, or one line on why it is none."""

from __future__ import annotations

import tomllib
from typing import Any

from cellgrad.errors import InputError


def toml_document(data: bytes, error: type[InputError] = InputError) -> dict[str, Any]:
    """Return the document that TOML bytes hold.

    Args:
        data: the file; a byte-order mark and Windows' line ends are taken as they are meant.
        error: the kind of error to raise.

    Raises:
        InputError: no TOML, no UTF-8, nested too deeply, or a number without end.
    """
    try:
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as found:
        raise error(f"not TOML ({found})", remedy="correct that line") from found
    except UnicodeDecodeError as found:
        raise error("not a UTF-8 text", remedy="save it as UTF-8") from found
    except RecursionError as found:
        raise error("nested too deeply") from found
    except ValueError as found:
        raise error("holds a whole number of thousands of digits") from found
