"""The Check sheet: E with one parameter moved up and down, and E after the step."""

from __future__ import annotations

from cellgrad.case.selection import checked_parameters
from cellgrad_proof.exact.definition.complex_step import Real
from cellgrad_proof.exact.definition.network import Index, Parameters
from cellgrad_proof.exact.definition.update import Found, Update, forward_quantities


def check_quantities(update: Update, after: Parameters, epsilon: Real | None) -> Found:
    """Return every number of the Check sheet.

    Args:
        update: with its quantities computed.
        after: the parameters after it.
        epsilon: by how much a parameter is moved; None where nothing is differentiated.
    """
    found: Found = {}

    def put(name: str, index: Index, value: Real) -> None:
        found.setdefault((name, None), {})[index] = value

    before, later = update.error(update.parameters), update.error(after)
    put("error_before", (), before)
    put("error_after", (), later)
    put("error_change", (), later - before)
    _enter_pass(found, update, after, 0)
    if epsilon is None:
        return found
    for p, slot in enumerate(checked_parameters(update.structure)):
        value = update.parameters.value(slot)
        errors = []
        for side, sign in enumerate((1, -1)):
            moved = update.parameters.copy()
            moved.put(slot, value + sign * epsilon)
            put("moved_value", (2 * p + side,), value + sign * epsilon)
            _enter_pass(found, update, moved, 1 + 2 * p + side)
            errors.append(update.error(moved))
        slope = update.gradient[slot]
        quotient = (errors[0] - errors[1]) / (2 * epsilon)
        put("checked_value", (p,), value)
        put("checked_gradient", (p,), update.sign * slope)
        put("error_plus", (p,), errors[0])
        put("error_minus", (p,), errors[1])
        put("difference_quotient", (p,), quotient)
        put("quotient_gap", (p,), slope - quotient)
    return found


def _enter_pass(found: Found, update: Update, parameters: Parameters, number: int) -> None:
    """Enter a complete forward pass with other parameters."""
    network = update.network
    passes = [network.forward(parameters, x) for x, _ in update.samples]
    quantities = forward_quantities(network, passes, [t for _, t in update.samples], update.sign)
    quantities["error", None] = {(): update.error(parameters)}
    quantities["penalty", None] = {(): update.penalty(parameters)}
    for (name, layer), values in quantities.items():
        kept = found.setdefault((f"pass_{name}", layer), {})
        for index, value in values.items():
            kept[(number, *index)] = value
