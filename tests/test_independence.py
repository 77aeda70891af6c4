"""The rooms import one way; the two routes never meet. Read from the sources."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "python_impl" / "cellgrad"

RANKS = [
    {"errors"},
    {"files", "shipped"},
    {"case", "xlsx"},
    {"mlp", "workbook", "engines", "certify", "kernels"},
    {"compare", "build", "train"},
    {"verify", "bugs"},
    {"report"},
    {"audit", "coursework"},
    {"cli", "pytest_plugin"},
]
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}

# beyond the ranks: what these rooms may see at all
MAY_IMPORT = {
    "mlp": {"mlp", "case", "errors"},
    "workbook": {"workbook", "case", "errors", "xlsx"},
    "compare": {"compare"},
    "certify": {"certify", "case", "xlsx", "errors"},
    "engines": {"engines", "xlsx", "files", "errors"},
    "kernels": {"kernels", "case", "errors"},
    "bugs": {"bugs", "case", "certify", "errors", "files", "shipped"},
    "train": {"train", "case", "kernels", "xlsx", "errors", "files", "shipped"},
    "case": {"case", "errors", "files", "shipped"},
    "xlsx": {"xlsx", "errors", "files"},
}
COURSEWORK = [
    {"derivation", "secret", "tolerance"},
    {"model"},
    {"roster", "manifest_file", "formulas"},
    {"moodle_worksheet", "setting"},
    {"grading", "taking_in"},
    {"results"},
    {"running"},
    {"rehearsal", "kits"},
]
COURSEWORK_RANK = {room: rank for rank, rooms in enumerate(COURSEWORK) for room in rooms}
WORKBOOK_TAKES = {"addresses", "map_sheet"}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Yield every module of the package that a source file imports, dotted."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [_module(node.module, alias.name) for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("cellgrad."))


def _module(package, name):
    """Return the module that ``from package import name`` reads."""
    inner = PACKAGE.parent.joinpath(*package.split("."), name)
    return f"{package}.{name}" if inner.with_suffix(".py").exists() or inner.is_dir() else package


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_from_high_to_low(path):
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return
    assert room in RANK, f"{room} has no rank; CONTRIBUTING.md lists them"
    for name in imports_of(path):
        target = name.split(".")[1]
        if target in RANK and target != room:
            assert RANK[target] < RANK[room], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_two_routes_share_nothing_but_the_case(path):
    room = room_of(path)
    if room not in MAY_IMPORT:
        return
    for name in imports_of(path):
        target = name.split(".")[1]
        if target in RANK:
            assert target in MAY_IMPORT[room], f"{path.name} imports {name}"
        if room == "workbook" and target == "xlsx" and len(name.split(".")) > 2:
            assert name.split(".")[2] in WORKBOOK_TAKES, f"{path.name} imports {name}"


def test_the_rooms_of_coursework_import_from_high_to_low():
    for path in SOURCES:
        package, inner, *_ = (*path.relative_to(PACKAGE).with_suffix("").parts, "__init__")
        if package != "coursework" or inner == "__init__":
            continue
        assert inner in COURSEWORK_RANK, f"coursework/{inner} has no rank"
        for name in imports_of(path):
            _, room, target, *_ = (*name.split("."), "", "")
            if room == "coursework" and target not in ("", inner):
                assert COURSEWORK_RANK[target] < COURSEWORK_RANK[inner], f"{path.name}: {name}"


def test_nothing_that_verifies_uses_a_training_kernel():
    for path in SOURCES:
        if room_of(path) in {"mlp", "workbook", "engines", "certify", "compare", "build", "verify"}:
            used = {name.split(".")[1] for name in imports_of(path)}
            assert not used & {"kernels", "train"}, path


def test_no_module_imports_itself_in_a_circle():
    graph = {}
    for path in SOURCES:
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        graph[name] = {target for target in imports_of(path) if target != name}
    state = {}

    def visit(name, trail):
        if state.get(name) == "done" or name not in graph:
            return
        assert state.get(name) != "open", " -> ".join([*trail, name])
        state[name] = "open"
        for target in graph[name]:
            visit(target, [*trail, name])
        state[name] = "done"

    for name in graph:
        visit(name, [])


def test_the_workbook_writer_computes_nothing():
    # no arithmetic library, and no value ever stored by it: engines do that
    for path in (PACKAGE / "workbook").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {"math", "numpy", "decimal", "fractions"} & set(names), path


def test_no_module_is_called_utils():
    assert not [p for p in SOURCES if p.stem in {"utils", "util", "helpers", "common", "misc"}]


def test_the_ranks_here_are_those_of_the_contributing_page():
    text = (PACKAGE.parent.parent / "CONTRIBUTING.md").read_text("utf-8")
    for rank, rooms in enumerate(RANKS):
        line = next(line for line in text.splitlines() if line.strip().startswith(f"| {rank} |"))
        assert all(f"`{room}`" in line for room in rooms), line
