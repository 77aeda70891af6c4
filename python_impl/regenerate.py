"""Rebuild everything in git that is generated: experiments, workbooks, the README's figures.

    python python_impl/regenerate.py           rebuild
    python python_impl/regenerate.py --check   change nothing; exit 1 if anything would change

Run it from anywhere; it works on the checkout that it stands in.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cellgrad.build import read_source, workbook_bytes
from cellgrad.case.experiment import experiments, path_of, read_settings
from cellgrad.engines import create
from cellgrad.train.experiment import run_experiment
from cellgrad.verify.many import verify_workbooks
from cellgrad.verify.result import COMPUTED, Report

TOP = Path(__file__).resolve().parent.parent
README = TOP / "README.md"
BIT_ENGINES = ("formualizer", "ironcalc", "libreoffice")
ENGINES = (*BIT_ENGINES, "gnumeric", "saved")


def workbooks() -> dict[Path, bytes]:
    """Return every shipped workbook as it should be."""
    manifest = tomllib.loads((TOP / "spreadsheets" / "manifest.toml").read_text("utf-8"))
    found = {}
    for name, case in manifest["workbooks"].items():
        path = TOP / "reference" / "cases" / f"{case}.json"
        found[TOP / "spreadsheets" / name] = workbook_bytes(read_source(path))
    for name, book in manifest["books"].items():
        path = TOP / "reference" / "books" / f"{book}.toml"
        found[TOP / "spreadsheets" / name] = workbook_bytes(read_source(path))
    return found


def results() -> dict[Path, bytes]:
    """Return what every experiment comes to; the workbooks show it."""
    return {path_of(name, "json"): run_experiment(read_settings(name)) for name in experiments()}


def figures(paths: list[Path]) -> str:
    """Return the README's table of agreement, from a verification in every engine."""
    lines = [
        "| engine | workbooks | " + " | ".join(COMPUTED) + " | step cells bit-identical |",
        "|---|---|" + "---|" * (len(COMPUTED) + 1),
    ]
    for name in ENGINES:
        with create(name):
            reports = verify_workbooks(paths, [name])
        lines.append(_row(name, reports))
    return "\n".join(lines)


def _row(name: str, reports: list[Report]) -> str:
    cells = []
    for kind in COMPUTED:
        good, total = (sum(r.kinds()[kind][n] for r in reports) for n in (0, 1))
        cells.append(f"{good:,} / {total:,}")
    total = sum(r.totals["step"] for r in reports)
    inexact = sum(len(r.inexact["step"] | r.disagreeing["step"]) for r in reports)
    exact = f"{total - inexact:,} of {total:,}"
    if name == "gnumeric":
        exact = "computes in extended precision: within bound"
    return f"| {name} | {len(reports)} | {' | '.join(cells)} | {exact} |"


def readme(paths: list[Path]) -> bytes:
    """Return the README with its figures up to date."""
    text = README.read_text("utf-8")
    begin, end = "<!-- figures: begin -->\n", "\n<!-- figures: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: begin + figures(paths) + end, text).encode()


def main() -> int:
    """Rebuild or check; return the exit code."""
    check = "--check" in sys.argv[1:]
    stale = _settle(results(), check=check)
    wanted = workbooks()
    stale += _settle(wanted, check=check)
    shipped = set((TOP / "spreadsheets").rglob("*.xlsx"))
    for path in sorted(shipped - set(wanted)):
        print(f"not in the manifest: {path.relative_to(TOP)}")
        stale += 1
    stale += _settle({README: readme(list(wanted))}, check=check)
    what = "differ" if check else "changed"
    print(f"{len(wanted)} workbooks and the README's figures: {stale} {what}")
    return 1 if check and stale else 0


def _settle(wanted: dict[Path, bytes], *, check: bool) -> int:
    changed = 0
    for path, data in wanted.items():
        if path.exists() and path.read_bytes() == data:
            continue
        changed += 1
        print(f"{'differs' if check else 'rebuilt'}: {path.relative_to(TOP)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return changed


if __name__ == "__main__":
    sys.exit(main())
