"""Finding the user's function by its name."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cellgrad.audit.adapters.adapter import Builder
from cellgrad.errors import InputError, printable


def load(text: str) -> Builder:
    """Return the function that ``module:function`` names.

    Modules are looked for in the present folder too.

    Raises:
        InputError: the module cannot be imported, or holds no such function.
    """
    module_name, _, function_name = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the report's
            found: Any = import_module(module_name)
    except (Exception, SystemExit) as error:  # a module may do anything while it is imported
        raise InputError(
            f"cannot be imported ({type(error).__name__}: {printable(str(error))[:200]})",
            file=module_name,
            remedy="run cellgrad from the folder that holds it, or put that on PYTHONPATH",
        ) from error
    for part in function_name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise InputError(
            f"holds no function {function_name!r}",
            file=module_name,
            remedy="check the name behind the colon",
        )
    builder: Builder = found
    return builder
