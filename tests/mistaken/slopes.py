"""fA′ of a node, as the backward pass uses it."""

from mistaken.activations import activation, derivative, from_value
from mistaken.network import within


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
        return from_value(name, z, net.slope, wrong)
    if within(wrong.how("derivative-of-post-activation"), k, net.last):
        return derivative(name, s, net.slope, wrong)
    if name in ("logistic", "tanh") and within(wrong.how("derivative-sign"), k, net.last):
        return -derivative(name, z, net.slope, wrong)
    if name == "logistic" and within(wrong.how("derivative-precedence"), k, net.last):
        return s * 1 - s
    if wrong.makes("low-precision"):
        # what is rounded is what is stored, and fA′ = s · (1 − s) is computed from it
        return from_value(name, s, net.slope, wrong)
    return derivative(name, z, net.slope, wrong)


def _activation_stands_there(net, k, wrong):
    return (
        wrong.makes("activation-for-derivative-everywhere")
        or (wrong.makes("activation-for-derivative-output") and k == net.last)
        or (wrong.makes("activation-for-derivative-hidden") and k < net.last)
    )


def _from_the_sum_itself(net, k, wrong):
    """Whether the short form gets S_preA: by mistake, or because that is its S_postA now."""
    if k < net.last and wrong.how("no-hidden-activation") == "fA′ from that S_postA":
        return True
    if k == net.last and wrong.how("no-output-activation") == "fA′ from that y":
        return True
    return net.names[k] in ("logistic", "tanh") and within(
        wrong.how("derivative-from-pre"), k, net.last
    )


def neighbour_above(net, p, k, h, wrong):
    """Return fA′ of the node of the same number in the layer above, around the end."""
    names, above = net.names[k + 1], p.pre[k + 1]
    j = h % len(above)
    if names == "softmax":
        return from_value(names, p.post[k + 1][j], net.slope, wrong)
    return derivative(names, above[j], net.slope, wrong)
