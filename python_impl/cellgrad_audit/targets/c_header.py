"""A case as a self-contained C99 header, for code that reads no files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cellgrad.case import vocabulary
from cellgrad.case.model import Case
from cellgrad.errors import printable

_WORDS = (
    ("ACTIVATION", vocabulary.ACTIVATIONS),
    ("LOSS", vocabulary.LOSSES),
    ("UPDATE", vocabulary.UPDATES),
    ("OPTIMIZER", vocabulary.OPTIMIZERS),
)


def c_header(case: Case) -> str:
    """Return the header of a case: sizes and words as macros, numbers as constant arrays.

    Numbers are hexadecimal floats, which a compiler reads without rounding, with the same
    number as a decimal in a comment.
    """
    guard = "CELLGRAD_" + "".join(c if c.isalnum() else "_" for c in case.id.upper()) + "_H"
    blocks = [
        _opening(case, guard),
        _sizes(case),
        _words(),
        _rule(case),
        _network(case),
        _samples(case),
        [f"#endif /* {guard} */"],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _opening(case: Case, guard: str) -> list[str]:
    return [
        f"/* {_comment(case.id)}: {_comment(case.title)}",
        "   Written by cellgrad; README.txt says what to do with it. Every number is exact:",
        "   a hexadecimal float, and the same as a decimal in the comment beside it. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#ifdef PROBE_NAME",
        '#error "one probe at a time: build the program once for each header"',
        "#endif",
        f'#define PROBE_NAME "{_comment(case.id)}"',
    ]


def _sizes(case: Case) -> list[str]:
    nodes = case.network.nodes
    last = len(nodes) - 1
    told = {0: "inputs", last: "outputs"}
    return [
        _macro("LAYERS", last, "layers of weights"),
        *(_macro(f"NODES_{k}", n, told.get(k, "hidden nodes")) for k, n in enumerate(nodes)),
        _macro("MOST_NODES", max(nodes), "of any layer"),
        _macro("SAMPLES", len(case.samples)),
        _macro("EPOCHS", case.epochs, "times through the samples, in their order"),
        _macro("BATCH", case.batch(), "samples an update; the last of an epoch may have fewer"),
        _macro("UPDATES", case.updates(), "in all"),
        _macro("HAS_BIASES", int(case.network.biases is not None)),
    ]


def _words() -> list[str]:
    lines = ["/* what the words below stand for; macros, so that #if can compare them */"]
    for _, words in _WORDS:
        lines += [_macro(word.upper(), n) for n, word in enumerate(words, start=1)]
    return lines


def _rule(case: Case) -> list[str]:
    optimizer, conventions = case.optimizer, case.conventions
    lines = []
    for name, word in (
        ("LOSS", case.loss),
        ("UPDATE", case.update),
        ("OPTIMIZER", optimizer.name),
    ):
        lines += [
            f"#define PROBE_{name} PROBE_{word.upper()}",
            f'#define PROBE_{name}_NAME "{word}"',
        ]
    numbers = {"WEIGHT_DECAY": optimizer.weight_decay}
    if optimizer.name == "adam":
        numbers |= {"BETA1": optimizer.beta1, "BETA2": optimizer.beta2}
        numbers |= {"EPSILON": optimizer.epsilon}
    else:
        numbers |= {"MOMENTUM": optimizer.momentum}
    if "leaky_relu" in case.network.activations:
        numbers |= {"LEAKY_SLOPE": case.network.leaky_slope}
    lines += [f"#define PROBE_{n} {_hexadecimal(x)} /* {x!r} */" for n, x in numbers.items()]
    flips = conventions.error_sign == "target_minus_output"
    return [
        *lines,
        _macro("UPDATE_BIASES", int(conventions.update_biases), "0: they keep their values"),
        _macro("DECAY_BIASES", int(conventions.decay_biases), "1: weight decay acts on them too"),
        _macro("RATE_IN_VELOCITY", int(conventions.rate_in_velocity), "1: v = momentum v + LR g"),
        _macro("ERROR_SIGN", -1 if flips else 1, "1: FE = output - target; -1: target - output"),
    ]


def _network(case: Case) -> list[str]:
    network = case.network
    layers = len(network.weights)
    lines = [
        f"static const int probe_nodes[PROBE_LAYERS + 1] = {{{_list(map(str, network.nodes))}}};",
        "static const int probe_activations[PROBE_LAYERS] = {"
        + _list(f"PROBE_{word.upper()}" for word in network.activations)
        + "};",
        "static const char *const probe_activation_names[PROBE_LAYERS] = {"
        + _list(f'"{word}"' for word in network.activations)
        + "};",
        "",
        "/* probe_weights_k[i][j] goes from node i of layer k to node j of layer k+1; the same",
        "   is probe_weights[k][i * probe_nodes[k + 1] + j]. probe_biases_k[j] belongs to node j",
        "   of layer k+1. */",
    ]
    for k, layer in enumerate(network.weights):
        lines += _matrix(f"probe_weights_{k}[PROBE_NODES_{k}][PROBE_NODES_{k + 1}]", layer)
    lines += _pointers("probe_weights", [f"&probe_weights_{k}[0][0]" for k in range(layers)])
    if network.biases is not None:
        for k, biases in enumerate(network.biases):
            lines += _vector(f"probe_biases_{k}[PROBE_NODES_{k + 1}]", biases)
        lines += _pointers("probe_biases", [f"probe_biases_{k}" for k in range(layers)])
    return lines


def _samples(case: Case) -> list[str]:
    rate = case.learning_rate
    rates = rate if isinstance(rate, tuple) else (rate,) * case.updates()
    inputs = [sample.input for sample in case.samples]
    targets = [sample.target for sample in case.samples]
    return [
        *_matrix("probe_inputs[PROBE_SAMPLES][PROBE_NODES_0]", inputs),
        *_matrix(f"probe_targets[PROBE_SAMPLES][PROBE_NODES_{len(case.network.weights)}]", targets),
        "/* LR of each update */",
        *_vector("probe_rates[PROBE_UPDATES]", rates),
    ]


def _macro(name: str, value: int, told: str = "") -> str:
    return f"#define PROBE_{name} {value}" + (f" /* {told} */" if told else "")


def _vector(name: str, values: Sequence[float]) -> list[str]:
    lines = [f"    {_hexadecimal(x)}, /* {x!r} */" for x in values]
    return [f"static const double {name} = {{", *lines, "};"]


def _matrix(name: str, rows: Iterable[Sequence[float]]) -> list[str]:
    lines = [f"    {{{_list(map(_hexadecimal, r))}}}, /* {_list(map(repr, r))} */" for r in rows]
    return [f"static const double {name} = {{", *lines, "};"]


def _pointers(name: str, targets: list[str]) -> list[str]:
    return [f"static const double *const {name}[PROBE_LAYERS] = {{{_list(targets)}}};"]


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _hexadecimal(value: float) -> str:
    """Return a C99 hexadecimal float without needless zeros: ``0x1.8p-1``."""
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}"


def _comment(text: str) -> str:
    """Return a text that neither ends a comment nor means anything to a preprocessor."""
    plain = printable(text).encode("ascii", "replace").decode()
    for mark in ("*/", "/*", "??", "\\", '"'):
        plain = plain.replace(mark, "'" * len(mark))
    return plain
