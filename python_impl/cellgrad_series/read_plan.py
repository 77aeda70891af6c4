"""Reading a book description: TOML, its schema, and what a schema cannot say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellgrad import shipped
from cellgrad.case.model import Case, Optimizer, Sample, Vector, check_rates, read_case
from cellgrad.case.quantities import Parameter, Structure
from cellgrad.described import Shape, StepShape
from cellgrad.errors import CaseError, InputError
from cellgrad.files import check_schema, read_limited, read_toml
from cellgrad_series.parts.classification import ClassificationShape, RuleShape
from cellgrad_series.parts.run import RunShape
from cellgrad_series.parts.sweep import SweepShape
from cellgrad_series.parts.tables import ComparisonShape, FunctionShape, TableShape
from cellgrad_series.plan import Chart, Part, Plan, Reference, Series, check_charts, class_constants

MAX_BYTES = 4 << 20
_EPSILON = 0.001

Document = dict[str, Any]


def read_plan(path: Path) -> Plan:
    """Read a book description and every case that it names.

    Raises:
        CaseError: no TOML, no book, or one whose parts do not go together.
        InputError: a file cannot be read.
    """
    try:
        document: Document = read_toml(read_limited(path, MAX_BYTES), CaseError)
        check_schema(document, "book", CaseError)
        return _Reader(path, document).plan()
    except InputError as error:
        raise error.within(path) from error


class _Reader:
    def __init__(self, path: Path, document: Document) -> None:
        self.path, self.document = path, document
        self.cases: dict[str, Case] = {}
        self.parts: list[Part] = []

    def plan(self) -> Plan:
        for n, item in enumerate(self.document["parts"]):
            place = f"parts[{n}]"
            try:
                self._check_name(item["name"])
                make: Callable[[Document], Part] = getattr(self, f"_{item['kind']}")
                self.parts.append(make(item))
            except CaseError as error:
                if error.file:
                    raise
                inner = f"{place} ({item['name']})" + (f".{error.place}" if error.place else "")
                raise CaseError(error.problem, place=inner, remedy=error.remedy) from error
        plan = Plan(
            self.document["id"],
            self.document["title"],
            tuple(self.parts),
            tuple(_chart(item) for item in self.document.get("charts", ())),
            self.document.get("part", 0),
            tuple(self.document.get("about", ())),
            tuple(self.document.get("try", ())),
            self._sources(),
        )
        check_charts(plan)
        return plan

    def _sources(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for case in self.cases.values():
            found.update(dict.fromkeys(case.source.paragraphs()))
        return tuple(found)

    def _check_name(self, name: str) -> None:
        taken = {sheet.casefold() for part in self.parts for sheet in sheets_of(part)}
        taken |= {"guide", "map", "charts"}
        if name.casefold() in taken or name.endswith((" ", ".")):
            raise CaseError(f"the name {name!r} is taken", remedy="choose another name")

    def _case(self, name: str) -> Case:
        if name not in self.cases:
            beside = self.path.parent / f"{name}.json"
            shipped_file = shipped.folder("reference") / "cases" / f"{name}.json"
            self.cases[name] = read_case(beside if beside.is_file() else shipped_file)
        return self.cases[name]

    def _earlier(self, name: str, *kinds: str) -> Part:
        for part in self.parts:
            if part.name == name and part.kind in kinds:
                return part
        raise CaseError(
            f"{name!r} is no earlier {' or '.join(kinds)}", remedy="name a part that stands above"
        )

    # one method a kind of part

    def _step(self, item: Document) -> Part:
        case = self._case(item["case"])
        if "learning_rate" in item:
            case = replace(case, learning_rate=float(item["learning_rate"]))
        return _part(item, StepShape(case.structure()), case)

    def _run(self, item: Document) -> Part:
        case = _changed(self._case(item["case"]), item)
        shape = RunShape.of(case, evaluate=item.get("evaluate", False))
        name, data = item["name"], item.get("data", "")
        other = self._linked(item, "start", shape.step)
        if other and other.biases != shape.step.biases:
            raise _other_network(item, "start")
        self._check_data(data, case, len(case.samples), "run", "rule", "validation", "sweep")
        return _part(
            item,
            shape,
            case,
            samples=() if data else case.samples,
            validation=case.validation if shape.evaluated else (),
            data_sheet="" if data else f"{name} data",
            validation_sheet=f"{name} unseen" if shape.evaluated else "",
        )

    def _linked(self, item: Document, word: str, own: Structure) -> Structure | None:
        """Return the network of the run that a part names, if it names one."""
        if not item.get(word):
            return None
        other = self._earlier(item[word], "run").shape.pictured()
        if other is None or other.nodes != own.nodes:
            raise _other_network(item, word)
        return other

    def _check_data(self, data: str, case: Case, count: int, *kinds: str) -> None:
        if not data:
            return
        part = self._earlier(data, *kinds)
        nodes = case.network.nodes
        network = part.shape.pictured()
        assert network is not None  # noqa: S101 - these kinds have one
        samples = part.shape.data if isinstance(part.shape, RunShape) else network.samples
        has = (samples, network.nodes[0], network.outputs)
        if has != (count, nodes[0], nodes[-1]):
            raise CaseError(
                f"{data!r} has {has[0]} samples with {has[1]} inputs and {has[2]} outputs, "
                f"this part takes {count} with {nodes[0]} and {nodes[-1]}",
                place="data",
            )

    def _samples(self, case: Case, item: Document) -> tuple[Sample, ...]:
        samples = case.validation if item.get("samples") == "validation" else case.samples
        if not samples:
            raise CaseError("the case has no validation samples", place="samples")
        return samples

    def _validation(self, item: Document) -> Part:
        case = self._case(item["case"])
        samples, data = self._samples(case, item), item.get("data", "")
        if item.get("weights") and item.get("start"):
            raise CaseError("takes its weights from one place only", place="weights")
        step = case.structure_of(1 if case.update == "online" else len(samples))
        for word in ("weights", "start"):
            self._linked(item, word, step)
        self._check_data(data, case, len(samples), "run", "rule", "validation")
        line = item.get("boundary", ())
        return _part(
            item,
            ClassificationShape.of(step, len(samples), boundary="boundary" in item),
            case,
            samples=() if data else samples,
            values=(_vector(line),) if line else (),
            constants=class_constants(case),
        )

    def _rule(self, item: Document) -> Part:
        case = self._case(item["case"])
        samples = self._samples(case, item)
        shape = RuleShape.of(case.structure_of(1), len(samples))
        return _part(item, shape, case, samples=samples)

    def _sweep(self, item: Document) -> Part:
        case = self._case(item["case"])
        swept: list[Parameter] = []
        for one in item["sweep"]:
            name = "weights" if "weights" in one else "biases"
            layer, *index = one[name]
            swept.append((name, layer, tuple(index)))
        step = replace(case.structure_of(1), update="batch_sum", samples=len(case.samples))
        values = tuple(_vector(one["values"]) for one in item["sweep"])
        counts = tuple(len(v) for v in values)
        shape = SweepShape(step, tuple(swept), counts, item.get("backward", False))
        data_sheet = f"{item['name']} data"
        return _part(item, shape, case, samples=case.samples, data_sheet=data_sheet, values=values)

    def _function(self, item: Document) -> Part:
        values = _vector(item["values"])
        shape = FunctionShape(item.get("activation", "logistic"), len(values))
        epsilon = float(item.get("epsilon", _EPSILON))
        return _part(item, shape, values=(values,), constants={"epsilon": epsilon})

    def _comparison(self, item: Document) -> Part:
        runs = [self._earlier(name, "run").shape for name in item["runs"]]
        updates = tuple(run.updates for run in runs if isinstance(run, RunShape))
        return _part(item, ComparisonShape(tuple(item["runs"]), updates))

    def _table(self, item: Document) -> Part:
        from cellgrad_series.train.experiment import read_experiment  # noqa: PLC0415 - rarely needed

        experiment = read_experiment(item["data"])
        rows = experiment.accuracies
        return _part(
            item | {"data": ""},
            TableShape(len(rows), len(rows[0])),
            values=(_vector(experiment.counts), *rows),
            headings=("hidden nodes", "seed"),
        )


def _part(item: Document, shape: Shape, case: Case | None = None, **own: Any) -> Part:
    links = {word: item.get(word, "") for word in ("start", "data", "weights")}
    return Part(item["name"], shape, case, item.get("caption", ""), **links, **own)


def _other_network(item: Document, word: str) -> CaseError:
    return CaseError(f"{item[word]!r} is another network", place=word)


def _changed(case: Case, item: Document) -> Case:
    """Return the case with what a part of the book overrides."""
    if "optimizer" in item:
        numbers: dict[str, Any] = {
            name: value if isinstance(value, str) else float(value)
            for name, value in item["optimizer"].items()
        }
        case = replace(case, optimizer=Optimizer(**numbers))
    for name in ("epochs", "update", "batch_size"):
        if name in item:
            case = replace(case, **{name: item[name]})
    rate = item.get("learning_rate")
    if rate is not None:
        case = replace(case, learning_rate=_vector(rate) if isinstance(rate, list) else float(rate))
    check_rates(case, remedy="")
    return case


def _vector(values: Sequence[float]) -> Vector:
    return tuple(float(value) for value in values)


def sheets_of(part: Part) -> list[str]:
    """Return the sheets of a part: its samples', if they have their own, then its own."""
    return [name for name in (part.data_sheet, part.validation_sheet) if name] + [part.name]


def _reference(item: Document) -> Reference:
    rows = item.get("rows")
    return Reference(
        item["part"],
        item["quantity"],
        item.get("layer"),
        tuple(item.get("index", ())),
        (rows[0], rows[1]) if rows else None,
    )


def _chart(item: Document) -> Chart:
    series = []
    for one in item["series"]:
        y = _reference(one)
        x = replace(_reference(one["x"]), rows=y.rows) if "x" in one else None
        series.append(Series(y, one.get("label", ""), x, one.get("points")))
    return Chart(
        item["title"],
        item["kind"],
        tuple(series),
        _reference(item["x"]) if "x" in item else None,
        item.get("x_title", ""),
        item.get("y_title", ""),
        item.get("points", False),
        item.get("log_y", False),
    )
