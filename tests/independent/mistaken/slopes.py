"""fA′ of a node, as the backward pass uses it."""

from mistaken.activations import activation, derivative, from_value
from mistaken.network import layers_of, within


def slopes(net, p, k, wrong, rounding):
    """Return fA′ of the nodes above weight layer k; None where it is not used."""
    if k == net.last:
        if net.crossed or _output_lacks_it(wrong):
            return None
    elif _hidden_lacks_it(net, k, wrong):
        return None
    found = []
    for j in range(net.nodes[k + 1]):
        s = _slope(net, p, k, j, wrong)
        if wrong.makes("derivative-plus-a-tenth"):
            s += 0.1
        found.append(rounding.value(s))
    return found


def _output_lacks_it(wrong):
    return (
        wrong.makes("no-output-derivative") or wrong.how("no-output-activation") == "no fA′ either"
    )


def _hidden_lacks_it(net, k, wrong):
    return (
        within(wrong.how("no-hidden-derivative"), k, net.last)
        or wrong.how("no-hidden-activation") == "no fA′ either"
    )


def _slope(net, p, k, j, wrong):
    name, z, s = net.names[k], p.pre[k][j], p.post[k][j]
    if _activation_stands_there(net, k, wrong):
        return activation(name, z, net.slope, wrong)
    if _from_the_sum_itself(net, k, wrong):
        return from_value(name, z, net.declared_slope, wrong)
    if within(wrong.how("derivative-of-post-activation"), k, net.last):
        return derivative(name, s, net.declared_slope, wrong)
    if _sign_is_wrong(net, k, wrong):
        return -derivative(name, z, net.declared_slope, wrong)
    if name == "logistic" and within(wrong.how("derivative-precedence"), k, net.last):
        return s * 1 - s
    how = wrong.how("bias-after-activation")
    if "fA′ from that" in (how or "") and within(layers_of(how), k, net.last):
        return from_value(name, s, net.declared_slope, wrong)
    how = wrong.how("low-precision")
    if how is not None and "not in fA′" not in how:
        # what is rounded is what is stored, and fA′ = s · (1 − s) is computed from it
        return from_value(name, s, net.declared_slope, wrong)
    return derivative(name, z, net.declared_slope, wrong)


def _activation_stands_there(net, k, wrong):
    part = "output" if k == net.last else "hidden"
    for how in (
        wrong.how("activation-for-derivative-everywhere"),
        wrong.how(f"activation-for-derivative-{part}"),
    ):
        if how is not None and (not how or net.names[k] in how):
            return True
    return False


def _sign_is_wrong(net, k, wrong):
    how = wrong.how("derivative-sign")
    if not within(layers_of(how), k, net.last):
        return False
    if how.endswith("every activation"):
        return True
    return net.names[k] == "logistic" or (net.names[k] == "tanh" and "only" not in how)


def _from_the_sum_itself(net, k, wrong):
    """Whether the short form gets S_preA: by mistake, or because that is its S_postA now."""
    if k < net.last and wrong.how("no-hidden-activation") == "fA′ from that S_postA":
        return True
    if k == net.last and wrong.how("no-output-activation") == "fA′ from that y":
        return True
    return net.names[k] in ("logistic", "tanh") and within(
        wrong.how("derivative-from-pre"), k, net.last
    )


def of_the_layer_above(net, p, k, j, wrong):
    """Return fA′ of node j in the layer above layer k's nodes, counted around the end."""
    names, above = net.names[k + 1], p.pre[k + 1]
    j %= len(above)
    if "of a softmax" in (wrong.how("hidden-uses-output-derivative") or ""):
        y = p.post[k + 1][j]
        return (
            y * (1 - y)
            if names == "softmax"
            else derivative(names, above[j], net.declared_slope, wrong)
        )
    # a softmax has no fA′ of its own: as for identity, 1
    return derivative(names, above[j], net.declared_slope, wrong)
