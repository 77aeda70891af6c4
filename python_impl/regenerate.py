"""Rebuild everything in git that is generated.

    python python_impl/regenerate.py           rebuild
    python python_impl/regenerate.py --check   change nothing; exit 1 if anything would change

Experiments, workbooks, certified values, those of the probes, the pages of the catalogue of
mistakes, the README's figures and the table of the engines; the names of some of these groups
rebuild only them:

    python python_impl/regenerate.py --check certified

Run it from anywhere; it works on the checkout that it stands in.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cellgrad.build import read_source, workbook_bytes
from cellgrad.case.model import Case, read_case
from cellgrad.engines import create
from cellgrad.verify.many import verify_workbooks
from cellgrad.verify.result import COMPUTED, Report
from cellgrad_audit.bugs import pairs
from cellgrad_audit.bugs.catalogue import check_words
from cellgrad_audit.bugs.pages import catalogue_text, separation_text
from cellgrad_audit.bugs.pairs import as_csv, measure
from cellgrad_audit.probes import final_document, probes
from cellgrad_proof.engine_table import markdown
from cellgrad_proof.engine_table import measure as measure_engines
from cellgrad_proof.exact.vectors import as_text, document
from cellgrad_series.train.experiment import experiments, path_of, read_settings, run_experiment

TOP = Path(__file__).resolve().parent.parent
README = TOP / "README.md"
ENGINES_PAGE = TOP / "reference" / "engines.md"
BUGS_PAGE = TOP / "reference" / "bugs.md"
SEPARATION_PAGE = TOP / "reference" / "separation.md"
PROBES = TOP / "reference" / "probes"
BIT_ENGINES = ("formualizer", "ironcalc", "libreoffice")
CERTIFIED_RUNS = ("series-01-good-line", "series-05-parabola", "series-12-training-program")
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


@cache
def reports(name: str) -> list[Report]:
    """Return what verifying every shipped workbook in one engine shows."""
    return verify_workbooks(_shipped(), [name])


def figures() -> str:
    """Return the README's table of agreement, from a verification in every engine."""
    lines = [
        "| engine | workbooks | " + " | ".join(COMPUTED) + " | step cells bit-identical |",
        "|---|---|" + "---|" * (len(COMPUTED) + 1),
    ]
    lines += [_row(name, reports(name)) for name in ENGINES]
    return "\n".join(lines)


def _row(name: str, found: list[Report]) -> str:
    cells = []
    for kind in COMPUTED:
        good, total = (sum(r.kinds()[kind][n] for r in found) for n in (0, 1))
        cells.append(f"{good:,} / {total:,}")
    total = sum(r.totals["step"] for r in found)
    inexact = sum(len(r.inexact["step"] | r.disagreeing["step"]) for r in found)
    exact = f"{total - inexact:,} of {total:,}"
    if name == "gnumeric":
        exact = "computes in extended precision: within bound"
    return f"| {name} | {len(found)} | {' | '.join(cells)} | {exact} |"


def readme() -> bytes:
    """Return the README with its figures up to date."""
    return _filled(README, "figures", figures())


def engines_page() -> bytes:
    """Return the page of the engines with its table up to date."""
    found = [report for name in ENGINES for report in reports(name)]
    return _filled(ENGINES_PAGE, "table", markdown(list(measure_engines(found))))


def _filled(page: Path, marker: str, text: str) -> bytes:
    """Return a page with another text between its markers."""
    begin, end = f"<!-- {marker}: begin -->\n", f"\n<!-- {marker}: end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    filled, count = pattern.subn(lambda _: begin + text + end, page.read_text("utf-8"))
    if count != 1:
        raise ValueError(f"{page.name} lacks its markers")
    return filled.encode()


def _other_versions() -> list[str]:
    """Return which engines are here in other versions than the page was measured with."""
    page, found = ENGINES_PAGE.read_text("utf-8"), []
    for name in ENGINES:
        with create(name) as engine:
            version = engine.version() if name != "saved" else ""
        if f"| {name} | {version} |" not in page:
            found.append(f"{name} {version}")
    return found


def certified() -> dict[Path, bytes]:
    """Return the certified values of every single-step case and of a few runs."""
    folder = TOP / "reference" / "certified"
    found = {}
    for path in sorted((TOP / "reference" / "cases").glob("*.json")):
        if read_case(path).is_step() or path.stem in CERTIFIED_RUNS:
            found[folder / path.name] = _certified(path, folder / path.name)
    sums = [f"{hashlib.sha256(data).hexdigest()}  {path.name}\n" for path, data in found.items()]
    found[folder / "SHA256SUMS"] = "".join(sums).encode()
    return found


def certified_probes() -> dict[Path, bytes]:
    """Return the certified final weights and biases of every probe."""
    folder = PROBES / "certified"
    return {
        folder / path.name: _certified(path, folder / path.name, final_document)
        for path in probe_files()
    }


def probe_files() -> list[Path]:
    """Return the probes' case files: the two that see the most first, then by name."""
    first = [PROBES / "probe-online.json", PROBES / "probe-batch.json"]
    return [*first, *sorted(set(PROBES.glob("probe-*.json")) - set(first))]


def bugs_pages() -> dict[Path, bytes]:
    """Return the pages of the catalogue, and the matrix of what the probes tell apart."""
    check_words()
    cases = [read_case(path) for path in probe_files()]
    apart = measure(cases)
    return {
        BUGS_PAGE: _filled(BUGS_PAGE, "catalogue", catalogue_text(cases)),
        SEPARATION_PAGE: _filled(SEPARATION_PAGE, "separation", separation_text(apart)),
        PROBES / "separation.csv": as_csv(apart).encode(),
    }


def _certified(
    case_file: Path,
    target: Path,
    written: Callable[[Case, str, Path], dict[str, Any]] = document,
) -> bytes:
    """Return a file of certified values; one that differs in versions only stays as it is."""
    case = read_case(case_file)
    with tempfile.TemporaryDirectory() as folder:
        workbook = Path(folder) / "workbook.xlsx"
        workbook.write_bytes(workbook_bytes(case))
        found = written(case, hashlib.sha256(case_file.read_bytes()).hexdigest(), workbook)
    text = as_text(found)
    if target.exists():
        before = target.read_text("utf-8")
        kept: dict[str, Any] = json.loads(before).get("provenance", {})
        found["provenance"]["tools"] = kept.get("tools")
        if as_text(found) == before:
            return before.encode()
    return text.encode()


def main() -> int:
    """Rebuild or check; return the exit code."""
    check = "--check" in sys.argv[1:]
    asked = [word for word in sys.argv[1:] if word != "--check"]
    if unknown := [word for word in asked if word not in GROUPS]:
        print(f"{unknown[0]!r} is no group; name some of {', '.join(GROUPS)}")
        return 2
    stale = sum(GROUPS[name](check) for name in asked or GROUPS)
    what = "differ" if check else "changed"
    print(f"{', '.join(asked or GROUPS)}: {stale} {what}")
    return 1 if check and stale else 0


def _experiments(check: bool) -> int:  # noqa: FBT001 - one of a table of functions
    return _settle(results(), check=check)


def _workbooks(check: bool) -> int:  # noqa: FBT001
    wanted = workbooks()
    return _settle(wanted, check=check) + _strangers("spreadsheets", "*.xlsx", wanted)


def _vectors(check: bool) -> int:  # noqa: FBT001
    wanted = certified()
    return _settle(wanted, check=check) + _strangers("reference/certified", "*.json", wanted)


def _bugs(check: bool) -> int:  # noqa: FBT001
    return _settle(bugs_pages(), check=check)


def _probes(check: bool) -> int:  # noqa: FBT001
    wanted = certified_probes()
    return _settle(wanted, check=check) + _strangers("reference/probes/certified", "*.json", wanted)


def _pairs(check: bool) -> int:  # noqa: FBT001
    """Rebuild the index of pairs; one that differs in last bits of single precision stays."""
    path = pairs.path()
    data = pairs.build(probes())
    if path.exists() and pairs.same(path.read_bytes(), data):
        return 0
    return _settle({path: data}, check=check)


def _strangers(folder: str, pattern: str, wanted: dict[Path, bytes]) -> int:
    """Name files that nothing generates."""
    found = sorted(set((TOP / folder).rglob(pattern)) - set(wanted))
    for path in found:
        print(f"generated by nothing: {path.relative_to(TOP)}")
    return len(found)


def _shipped() -> list[Path]:
    manifest = tomllib.loads((TOP / "spreadsheets" / "manifest.toml").read_text("utf-8"))
    return [TOP / "spreadsheets" / name for name in (*manifest["workbooks"], *manifest["books"])]


def _figures(check: bool) -> int:  # noqa: FBT001
    return _settle({README: readme()}, check=check)


def _engines(check: bool) -> int:  # noqa: FBT001
    others = _other_versions() if check else []
    if others:
        # what another version measures is no sign that the page is stale
        print(f"not compared: {ENGINES_PAGE.name} was measured without {', '.join(others)}")
        return 0
    return _settle({ENGINES_PAGE: engines_page()}, check=check)


GROUPS: dict[str, Callable[[bool], int]] = {
    "experiments": _experiments,
    "workbooks": _workbooks,
    "certified": _vectors,
    "probes": _probes,
    "bugs": _bugs,
    "pairs": _pairs,
    "figures": _figures,
    "engines": _engines,
}
"""In this order: workbooks show experiments, figures are taken from workbooks."""


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
