"""PyTorch: ``nn.Module``, an optimiser and a loss.

A user's function gets the case's document and returns

- ``(module, optimizer, loss)``, the loss called as ``loss(module(inputs), targets)``; or
- ``(module, optimizer)``: the loss is then the case's.

    def make(case):
        n, h, m = case["network"]["nodes"]
        module = nn.Sequential(nn.Linear(n, h), nn.Sigmoid(), nn.Linear(h, m), nn.Sigmoid())
        return module, torch.optim.SGD(module.parameters(), lr=case["learning_rate"])

The weights of the case are loaded into the module's ``nn.Linear`` layers, in the order in which
they were made. An update is ``zero_grad``, ``loss.backward()``, ``optimizer.step()``. Where the
case has a list of learning rates each is set in every parameter group before its update; a
single rate is left as the optimiser has it. Precision and device are the module's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cellgrad.case.model import Case
from cellgrad_audit.adapters import (
    Adapter,
    Parameters,
    changes_rate,
    parameters_of,
    refuse_conventions,
    updates_of,
)

Loss = Callable[[Any, Any], Any]

_ENTROPIES = ("binary_cross_entropy", "categorical_cross_entropy")


class PyTorch(Adapter):
    """PyTorch as a target.

    The natural model is ``nn.Sequential`` of ``nn.Linear`` and activations with
    ``torch.optim.SGD`` or ``Adam``, whose weight decay acts on biases too. Before a
    cross-entropy it ends in logits, as PyTorch's losses want them.
    """

    declared = ("weight-decay-on-biases",)
    framework = "torch"
    remedy = "pip install torch"

    def trained(self, case: Case) -> Parameters:
        """Return the parameters after the case's updates."""
        torch = self.library
        module, optimizer, loss = self._model(case)
        layers = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
        self.check_shapes(case, _read(layers), f"{len(layers)} Linear layers")
        self._load(layers, parameters_of(case))
        like = layers[0].weight
        for update in updates_of(case):
            inputs, targets = (
                torch.tensor(values, dtype=like.dtype, device=like.device)
                for values in (update.inputs, update.targets)
            )
            if changes_rate(case):
                for group in optimizer.param_groups:
                    group["lr"] = update.rate
            optimizer.zero_grad()
            loss(module(inputs), targets).backward()
            optimizer.step()
        return _read(layers)

    def _model(self, case: Case) -> tuple[Any, Any, Loss]:
        if self.builder is None:
            return self._natural(case)
        made = self.built(case)
        nn = self.library.nn
        parts = made if isinstance(made, tuple) else (made,)
        if (
            len(parts) not in (2, 3)
            or not isinstance(parts[0], nn.Module)
            or not hasattr(parts[1], "param_groups")
            or not callable(parts[-1] if len(parts) == 3 else parts[0])
        ):
            kinds = ", ".join(type(part).__name__ for part in parts)
            raise self.wrong(
                f"the function returned ({kinds})",
                "return (module, optimizer) or (module, optimizer, loss)",
            )
        if len(parts) == 2:
            leaves = [m for m in parts[0].modules() if not list(m.children())]
            activated = bool(leaves) and isinstance(leaves[-1], nn.Sigmoid | nn.Softmax)
            return parts[0], parts[1], self._loss(case, logits=not activated)
        return parts

    def _natural(self, case: Case) -> tuple[Any, Any, Loss]:
        """Build the model that comes naturally."""
        torch, network, rule = self.library, case.network, case.optimizer
        refuse_conventions(case, "PyTorch", followed=("decay_biases",))
        nn, parts = torch.nn, []
        activations = {
            "logistic": nn.Sigmoid(),
            "tanh": nn.Tanh(),
            "relu": nn.ReLU(),
            "leaky_relu": nn.LeakyReLU(network.leaky_slope),
            "identity": nn.Identity(),
            "softmax": nn.Softmax(dim=1),
        }
        has_biases, dtype = network.biases is not None, getattr(torch, self.dtype)
        for n, m, name in zip(network.nodes, network.nodes[1:], network.activations, strict=False):
            parts += [nn.Linear(n, m, bias=has_biases, dtype=dtype), activations[name]]
        module = nn.Sequential(*(parts[:-1] if case.loss in _ENTROPIES else parts))
        rate, decay = case.step_learning_rate(), rule.weight_decay
        if rule.name == "adam":
            betas = (rule.beta1, rule.beta2)
            optimizer = torch.optim.Adam(
                module.parameters(), lr=rate, betas=betas, eps=rule.epsilon, weight_decay=decay
            )
        else:
            optimizer = torch.optim.SGD(
                module.parameters(), lr=rate, momentum=rule.momentum, weight_decay=decay
            )
        return module, optimizer, self._loss(case, logits=True)

    def _loss(self, case: Case, *, logits: bool) -> Loss:
        """Return the case's loss: summed over outputs, and over samples or their mean.

        Args:
            case: the case.
            logits: whether the module ends before the activation of a cross-entropy.
        """
        nn = self.library.nn
        squares = nn.MSELoss(reduction="sum")
        summed: dict[str, Loss] = {
            "half_squared_error": lambda y, t: squares(y, t) / 2,
            "squared_error": squares,
            "mean_squared_error": lambda y, t: squares(y, t) / t.shape[1],
            "binary_cross_entropy": (nn.BCEWithLogitsLoss if logits else nn.BCELoss)(
                reduction="sum"
            ),
            "categorical_cross_entropy": nn.CrossEntropyLoss(reduction="sum")
            if logits
            else lambda y, t: -(t * y.log()).sum(),
        }
        chosen = summed[case.loss]
        if case.update == "batch_mean":
            return lambda y, t: chosen(y, t) / len(t)
        return chosen

    def _load(self, layers: list[Any], parameters: Parameters) -> None:
        torch = self.library
        with torch.no_grad():
            for k, layer in enumerate(layers):
                layer.weight.copy_(torch.tensor(parameters.weights[k].T))
                if parameters.biases:
                    layer.bias.copy_(torch.tensor(parameters.biases[k]))


def _read(layers: list[Any]) -> Parameters:
    def array(tensor: Any) -> Any:
        return np.array(tensor.detach().cpu().double().numpy())

    weights = [array(layer.weight).T for layer in layers]
    return Parameters(weights, [array(b.bias) for b in layers if b.bias is not None])
