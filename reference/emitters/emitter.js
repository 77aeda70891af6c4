// A cellgrad case on standard input, a trace on standard output: Node, no packages.
"use strict";
const testCase = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const { network, loss, optimizer, samples } = testCase;

const sum = (numbers, start = 0) => numbers.reduce((total, x) => total + x, start);
const each = (f, a, b) => // f of the numbers that stand at the same place of nested arrays
  Array.isArray(a) ? a.map((part, i) => each(f, part, b[i])) : f(a, b);

function activated(name, z, below) { // fA of a layer's pre-activations, and fA'
  if (name === "softmax") {
    const powers = z.map(Math.exp);
    return [powers.map((p) => p / sum(powers)), null];
  }
  if (name === "logistic" || name === "tanh") {
    const a = z.map(name === "tanh" ? Math.tanh : (x) => 1 / (1 + Math.exp(-x)));
    return [a, a.map((s) => (name === "tanh" ? 1 - s * s : s * (1 - s)))];
  }
  const slope = { relu: 0, leaky_relu: below, identity: 1 }[name];
  return [z.map((x) => (x > 0 ? x : slope * x)), z.map((x) => (x > 0 ? 1 : slope))];
}

function gradients(weights, biases, x, t) { // of one sample
  const a = [x], slopes = [], delta = [];
  weights.forEach((w, k) => {
    const z = w[0].map((_, j) => sum(w.map((row, i) => a[k][i] * row[j]), biases?.[k][j] ?? 0));
    [a[k + 1], slopes[k]] = activated(network.activations[k], z, network.leaky_slope ?? 0.01);
  });
  const last = weights.length - 1, error = each((y, target) => y - target, a[last + 1], t);
  const factor = { squared_error: 2, mean_squared_error: 2 / t.length }[loss] ?? 1;
  delta[last] = loss.endsWith("entropy") ? error : each((e, s) => factor * e * s, error, slopes[last]);
  for (let k = last; k > 0; k--) { // from the output layer down
    const back = weights[k].map((row) => sum(row.map((w, j) => delta[k][j] * w)));
    delta[k - 1] = each((e, s) => e * s, back, slopes[k - 1]);
  }
  const ofWeights = delta.map((to, k) => a[k].map((from) => to.map((d) => from * d)));
  return biases ? [ofWeights, delta] : [ofWeights];
}

function train() {
  const { momentum = 0, weight_decay: decay = 0 } = optimizer, rates = [testCase.learning_rate].flat();
  let parameters = network.biases ? [network.weights, network.biases] : [network.weights];
  let velocity = each(() => 0, parameters, parameters), number = 0;
  const size = testCase.update === "online" ? 1 : testCase.batch_size ?? samples.length;
  for (let epoch = 0; epoch < testCase.epochs; epoch++)
    for (let start = 0; start < samples.length; start += size, number++) {
      const batch = samples.slice(start, start + size), n = testCase.update === "batch_mean" ? batch.length : 1;
      const all = batch.map((s) => gradients(...parameters.concat(...)));
    }
}
