"""A folder of filled tables as a target: see ``cellgrad probes``."""

from __future__ import annotations

from pathlib import Path

from cellgrad.case.model import Case
from cellgrad.case.read import read_case
from cellgrad.errors import InputError, printable
from cellgrad.files import read_limited
from cellgrad_audit.answer import Answer
from cellgrad_audit.probes import probes
from cellgrad_audit.targets.answers_table import NOT_FILLED_IN, read_table

SUFFIX = ".answers.csv"
MAX_BYTES = 8 << 20
_MOST_TABLES = 1000


class FolderTarget:
    """Answers the cases of a folder, each from its table ``NAME.answers.csv``.

    Args:
        path: the folder.

    Raises:
        InputError: it cannot be read, or holds no table, or a table without its case.
    """

    declared: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.name, self._path = printable(str(path)), path
        try:
            names = sorted(
                entry.name.removesuffix(SUFFIX)
                for entry in path.iterdir()
                if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
            )
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise InputError(f"cannot be read ({told})", file=path) from error
        if not names:
            raise InputError(
                f"holds no NAME{SUFFIX}", file=path, remedy="write one with: cellgrad probes -o DIR"
            )
        if len(names) > _MOST_TABLES:
            raise InputError(f"holds more than {_MOST_TABLES} tables", file=path)
        self._cases = {name: self._case(name) for name in names}

    def _case(self, name: str) -> Case:
        path = self._path / f"{name}.json"
        case = read_case(path)
        if case.id != name:
            raise InputError(f"is the case {case.id}", file=path, remedy="restore its name")
        return case

    def cases(self) -> list[Case]:
        """Return the cases of the folder, in the order of the shipped probes."""
        known = [case.id for case in probes()]

        def order(case: Case) -> tuple[int, str]:
            return (known.index(case.id) if case.id in known else len(known), case.id)

        return sorted(self._cases.values(), key=order)

    def answer(self, case: Case) -> Answer:
        """Return what the table of a case says."""
        own = self._cases.get(case.id)
        if own is None:
            return Answer(case, unsupported=f"the folder has no {case.id}{SUFFIX}")
        path = self._path / f"{case.id}{SUFFIX}"
        if (own.network, own.samples) != (case.network, case.samples):
            problem = f"answers another {case.id}; write the probes again"
            return Answer(case, failure=printable(f"{case.id}: {path}: {problem}"))
        try:
            answer = read_table(case, read_limited(path, MAX_BYTES))
        except InputError as error:
            line = f"{case.id}: {error.within(path).line()}"
            return Answer(case, failure=printable(line))
        if answer.unsupported:
            answer.unsupported = f"{path.name} is {NOT_FILLED_IN}"
        return answer

    def close(self) -> None:
        """Nothing is held."""
