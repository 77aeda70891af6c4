"""A cellgrad case on standard input, a trace on standard output: PyTorch (float64, or float32)."""

import json
import sys
from functools import partial

import torch
from torch import nn

case = json.load(sys.stdin)
network, rule, rates = case["network"], case["optimizer"], case["learning_rate"]
if case.get("conventions") or case["loss"] == "perceptron" or rule["name"] != "sgd":
    sys.exit(print('{"unsupported": "a convention, the perceptron rule, or Adam"}'))
torch.set_default_dtype(torch.float32 if "float32" in sys.argv else torch.float64)
tensor = partial(torch.tensor, dtype=torch.get_default_dtype())

activations = {
    "logistic": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(network.get("leaky_slope", 0.01)),
    "identity": nn.Identity(),
    "softmax": nn.Softmax(dim=1),
}
losses = {  # summed over outputs and samples; the entropies take the last pre-activations
    "half_squared_error": lambda y, t: nn.functional.mse_loss(y, t, reduction="sum") / 2,
    "squared_error": nn.MSELoss(reduction="sum"),
    "mean_squared_error": lambda y, t: nn.functional.mse_loss(y, t, reduction="sum") / t.shape[1],
    "binary_cross_entropy": nn.BCEWithLogitsLoss(reduction="sum"),
    "categorical_cross_entropy": nn.CrossEntropyLoss(reduction="sum"),
}
linear, layers = [], []
for w, name in zip(network["weights"], network["activations"]):
    linear.append(nn.Linear(len(w), len(w[0]), bias=network["biases"] is not None))
    layers += [linear[-1], activations[name]]
    linear[-1].weight.data = tensor(w).T.contiguous()
for layer, b in zip(linear, network["biases"] or []):
    layer.bias.data = tensor(b)
model = nn.Sequential(*(layers[:-1] if "entropy" in case["loss"] else layers))

weights, biases = [p.weight for p in linear], [p.bias for p in linear if p.bias is not None]
groups = [{"params": weights, "weight_decay": rule.get("weight_decay", 0)}]
groups += [{"params": biases}] if biases else []  # biases do not decay
optimizer = torch.optim.SGD(groups, lr=0.0, momentum=rule.get("momentum", 0))
inputs, targets = (tensor([s[of] for s in case["samples"]]) for of in ("input", "target"))
size = 1 if case["update"] == "online" else case.get("batch_size", len(inputs))
batches = [*zip(inputs.split(size), targets.split(size))] * case["epochs"]
for (x, t), rate in zip(batches, rates if isinstance(rates, list) else [rates] * len(batches)):
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss = losses[case["loss"]](model(x), t)
    (loss / len(x) if case["update"] == "batch_mean" else loss).backward()
    optimizer.step()
answer = {"schema": "cellgrad-trace/1", "weights": [w.T.tolist() for w in weights]}
print(json.dumps({**answer, "biases": [b.tolist() for b in biases] or None}))
