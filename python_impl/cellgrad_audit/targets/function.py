"""A Python function as a target: a case as a dict in, a trace as a dict out.

It runs in this process. What it prints goes to standard error, and standard input is empty.
The time limit uses the alarm of POSIX systems: in the main thread it interrupts Python code,
though not a call that does not return to Python, nor code that catches everything. On
Windows, and in other threads, there is no limit.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import os
import re
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

from cellgrad.case.model import Case, case_document
from cellgrad.errors import InputError, printable
from cellgrad.files import shortened
from cellgrad_audit.answer import Answer
from cellgrad_audit.reading import answer_of_document
from cellgrad_audit.targets import OvertimeError, TimedTarget, failed

SECONDS = 20.0
_REPEAT = 0.5
_MOST_MESSAGE = 200
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


class FunctionTarget(TimedTarget):
    """Calls a function once for each case.

    Args:
        function: the function, or its place as ``module:function``.
        timeout: seconds that one call may take.

    Raises:
        InputError: it cannot be imported, or is no function.
    """

    def __init__(self, function: str | Callable[..., object], timeout: float = SECONDS) -> None:
        if isinstance(function, str):
            self.name = printable(shortened(function))
            self._function = import_function(function)
        else:
            names = [getattr(function, f"__{part}__", None) for part in ("module", "qualname")]
            name = ":".join(map(str, names)) if all(names) else type(function).__name__
            self.name, self._function = printable(name), function
        if not callable(self._function):
            raise InputError("cannot be called", file=self.name, remedy="name a function")
        super().__init__(timeout)

    def ask(self, case: Case) -> Answer:
        """Call the function with a case."""
        try:
            with _quiet(), _limit(self.seconds):
                document = self._function(case_document(case))
                if inspect.iscoroutine(document):
                    document.close()  # it is refused, and never awaited
                return answer_of_document(case, document, whole=True)
        except (OvertimeError, KeyboardInterrupt, InputError):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it raises is its failure
            return failed(case, _exception_on_one_line(error))


def import_function(text: str) -> Callable[..., object]:
    """Import what ``module:function`` names; the present folder is looked in first.

    Raises:
        InputError: it cannot be imported, or the module has no such name.
    """
    shown = printable(shortened(text))
    if not _NAME.fullmatch(text):
        raise InputError("is not of the form module:function", file=shown)
    module, _, path = text.partition(":")
    folder = str(os.getcwd())  # noqa: PTH109 - as an import path has it
    if folder not in sys.path[:1]:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        with _quiet():
            named: object = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise InputError(
            f"cannot be imported ({_exception_on_one_line(error)})",
            file=shown,
            remedy="run cellgrad where the module can be imported",
        ) from error
    for name in path.split("."):
        if not hasattr(named, name):
            raise InputError(f"the module has no {name}", file=shown, remedy="check its name")
        named = getattr(named, name)
    return named  # type: ignore[return-value] # whether it can be called is asked next


def _exception_on_one_line(error: BaseException) -> str:
    """Return an exception on one line, with the place in the code that it comes from."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - a message is made by whoever raises it
        message = "without a message"
    text = type(error).__name__ + (f": {shortened(message, _MOST_MESSAGE)}" if message else "")
    place = _place(error.__traceback__)
    return f"{text} ({place})" if place else text


def _place(trail: TracebackType | None) -> str:
    """Return file and line of the last frame that is neither Python's, a library's nor ours."""
    libraries = tuple(
        path + os.sep
        for key, path in sysconfig.get_paths().items()
        if key in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    frames = [
        frame
        for frame in traceback.extract_tb(trail)
        if frame.filename != __file__ and not frame.filename.startswith("<frozen")
    ]
    own = [frame for frame in frames if not frame.filename.startswith(libraries)]
    if not frames:
        return ""
    last = (own or frames)[-1]
    return f"{os.path.basename(last.filename)}:{last.lineno}"  # noqa: PTH119 - may be no path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what is printed to standard error, by Python or beneath it; give no input."""
    kept = None
    with contextlib.suppress(OSError, ValueError, AttributeError):  # there may be no such streams
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    given, sys.stdin = sys.stdin, io.StringIO()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdin = given
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Interrupt what takes too long, where an alarm can be set."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not (
        threading.main_thread()
    ):
        yield
        return
    armed = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise OvertimeError

    before = signal.signal(signal.SIGALRM, ring)
    started = time.monotonic()
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT)
    try:
        try:
            yield
        finally:
            armed = False  # should it ring just here, the alarm is still taken back
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if delay:  # somebody else's alarm goes on
            left = max(delay - (time.monotonic() - started), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
