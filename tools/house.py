"""Draw the house from its own imports: packages, their rooms, and which stands on which.

Usage: house.py [OUT.svg]; by default reference/pictures/house.svg.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp

TOP = Path(__file__).resolve().parent.parent
SOURCES = TOP / "python_impl"
PICTURE = TOP / "reference" / "pictures" / "house.svg"

WIDTH, LEFT, LINE, PAD, GAP = 1000, 170, 20, 14, 26
CORE = "cellgrad"
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" {size}>
<style>
text {{ font-family: Carlito, Calibri, sans-serif; font-size: 14px }}
.name {{ font-weight: bold; font-size: 17px }}
.purpose {{ fill: #555 }}
.arrow {{ fill: none; stroke: #8a97a8 }}
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"
  orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a97a8"/></marker></defs>
<rect width="100%" height="100%" fill="#fff"/>
{parts}
</svg>
"""


@dataclass(frozen=True)
class Box:
    """A package as it is drawn.

    Attributes:
        name: of the package.
        purpose: the first line of its docstring.
        rows: its rooms, and of the core what each is for.
        top: where the box begins.
    """

    name: str
    purpose: str
    rows: list[tuple[str, str]]
    top: int

    @property
    def height(self) -> int:
        """Return the height of the box."""
        return 2 * PAD + LINE * (len(self.rows) + 1)


def layers(contract: str) -> list[str]:
    """Return the layers of one of the import contracts, from high to low."""
    settings = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    named = next(each for each in contracts if each["id"] == contract)
    return [str(layer) for layer in named["layers"]]


def purpose_of(path: Path) -> str:
    """Return the first line of a module's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").splitlines()[0]


def rooms_of(package: str) -> list[tuple[str, str]]:
    """Return the rooms of a package; of the core, from high to low, with what each is for."""
    folder = SOURCES / package
    if package == CORE:
        names = [name for layer in layers("core") for name in re.split(r" [:|] ", layer)]
        places = [(name, folder / name / "__init__.py") for name in names if name[0] != "_"]
        return [
            (name, purpose_of(path if path.exists() else folder / f"{name}.py"))
            for name, path in places
        ]
    rooms = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem[0] != "_")
    return [(line, "") for line in textwrap.wrap(",  ".join(rooms + modules), 120)]


def boxes() -> Iterator[Box]:
    """Yield the packages from top to bottom."""
    top = GAP
    for layer in layers("house"):
        for name in layer.split(" | "):
            box = Box(name, purpose_of(SOURCES / name / "__init__.py"), rooms_of(name), top)
            yield box
            top += box.height + GAP


def imports_of(names: list[str]) -> set[tuple[str, str]]:
    """Return which package imports which; all import the core, which is not listed."""
    graph = grimp.build_graph(*names, cache_dir=None)
    return {
        (name, other)
        for name in names
        for other in names
        if CORE not in (name, other)
        and name != other
        and graph.find_matching_direct_imports(import_expression=f"{name}.** -> {other}.**")
    }


def svg() -> str:
    """Return the picture."""
    drawn = list(boxes())
    by_name = {box.name: box for box in drawn}
    parts = []
    for box in drawn:
        fill = "#eef4fb" if box.name == CORE else "#fbf7ee"
        parts.append(
            f'<rect x="{LEFT}" y="{box.top}" width="{WIDTH - LEFT - GAP}" height="{box.height}" '
            f'rx="6" fill="{fill}" stroke="#445"/>'
        )
        base = box.top + PAD + LINE - 6
        parts.append(f'<text x="{LEFT + PAD}" y="{base}" class="name">{box.name}</text>')
        parts.append(
            f'<text x="{LEFT + 230}" y="{base}" class="purpose">{escape(box.purpose)}</text>'
        )
        for number, (room, purpose) in enumerate(box.rows, start=1):
            y = base + number * LINE
            parts.append(f'<text x="{LEFT + PAD}" y="{y}" class="rooms">{escape(room)}</text>')
            parts.append(f'<text x="{LEFT + 230}" y="{y}" class="purpose">{escape(purpose)}</text>')
    edges = sorted(imports_of(list(by_name)), key=lambda edge: [by_name[name].top for name in edge])
    for number, (name, other) in enumerate(edges):
        start = by_name[name].top + by_name[name].height - PAD
        end = by_name[other].top + PAD + 6 * (number % 4)
        parts.append(
            f'<path d="M{LEFT} {start} H{LEFT - 20 - 16 * number} V{end} H{LEFT - 2}" '
            'class="arrow" marker-end="url(#head)"/>'
        )
    core = by_name[CORE]
    parts.append(
        f'<text x="{GAP}" y="{core.top + PAD + LINE - 6}" class="purpose">all stand on it</text>'
    )
    height = drawn[-1].top + drawn[-1].height + GAP
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return FRAME.format(size=size, parts="\n".join(parts))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    sys.path.insert(0, str(SOURCES))
    target.write_text(svg(), "utf-8")
