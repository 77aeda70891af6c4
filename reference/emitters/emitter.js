// A cellgrad case on standard input, a trace on standard output: Node, without packages.
"use strict";
const question = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const { network, loss, optimizer, samples, update } = question;

const sum = (numbers, start = 0) => numbers.reduce((total, x) => total + x, start);
const each = (f, a, ...more) => // f of the numbers that stand at the same place of nested arrays
  Array.isArray(a) ? a.map((part, i) => each(f, part, ...more.map((b) => b[i]))) : f(a, ...more);

function activated(name, z, below) { // fA of a layer's pre-activations, and fA'
  if (name === "softmax") return [z.map((x) => Math.exp(x) / sum(z.map(Math.exp)))];
  if (name === "logistic" || name === "tanh") {
    const a = z.map(name === "tanh" ? Math.tanh : (x) => 1 / (1 + Math.exp(-x)));
    return [a, a.map(name === "tanh" ? (s) => 1 - s * s : (s) => s * (1 - s))];
  }
  const slope = { relu: 0, leaky_relu: below, identity: 1 }[name];
  return [z.map((x) => (x > 0 ? x : slope * x)), z.map((x) => (x > 0 ? 1 : slope))];
}

function gradients(weights, biases, { input, target }) { // of one sample
  const a = [input], slopes = [], last = weights.length - 1;
  weights.forEach((w, k) => {
    const terms = (j) => w.map((row, i) => a[k][i] * row[j]);
    const z = w[0].map((_, j) => sum(terms(j), biases.length ? biases[k][j] : 0));
    [a[k + 1], slopes[k]] = activated(network.activations[k], z, network.leaky_slope ?? 0.01);
  });
  const factor = { squared_error: 2, mean_squared_error: 2 / target.length }[loss] ?? 1;
  const error = each((y, t) => factor * (y - t), a[last + 1], target);
  const delta = [];
  delta[last] = loss.includes("entropy") ? error : each((e, s) => e * s, error, slopes[last]);
  for (let k = last; k > 0; k--) { // from the output layer down
    const back = weights[k].map((row) => sum(each((d, w) => d * w, delta[k], row)));
    delta[k - 1] = each((e, s) => e * s, back, slopes[k - 1]);
  }
  return [delta.map((to, k) => a[k].map((p) => to.map((d) => p * d))), biases.length ? delta : []];
}

function train() {
  const { momentum = 0, weight_decay: decay = 0 } = optimizer;
  const rates = [question.learning_rate].flat();
  let parameters = [network.weights, network.biases ?? []], velocity = each(() => 0, parameters);
  const size = update === "online" ? 1 : question.batch_size ?? samples.length;
  for (let epoch = 0, number = 0; epoch < question.epochs; epoch++)
    for (let start = 0; start < samples.length; start += size, number++) {
      const found = samples.slice(start, start + size).map((s) => gradients(...parameters, s));
      const n = update === "batch_mean" ? found.length : 1, rate = rates[number] ?? rates[0];
      const [ofWeights, ofBiases] = each((...parts) => sum(parts) / n, ...found);
      const decayed = each((g, w) => g + decay * w, ofWeights, parameters[0]);
      velocity = each((v, g) => momentum * v + g, velocity, [decayed, ofBiases]);
      parameters = each((w, v) => w - rate * v, parameters, velocity);
    }
  return { weights: parameters[0], biases: network.biases && parameters[1] };
}

const strange = question.conventions || loss === "perceptron" || optimizer.name !== "sgd";
const answer = strange ? { unsupported: "a convention, the perceptron rule, or Adam" } : train();
console.log(JSON.stringify({ schema: "cellgrad-trace/1", ...answer }));
