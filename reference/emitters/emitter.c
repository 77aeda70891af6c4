/* A cellgrad case on standard input, a trace on standard output: C99, with cellgrad.h beside it.
   cc -std=c99 -O2 emitter.c -lm -o emitter (single precision: -DREAL=float) */
#include "cellgrad.h"
#include <tgmath.h>
static REAL a[LAYERS + 1][NODES + 1], slope[LAYERS][NODES], d[LAYERS][NODES]; /* d: S_ERROR */
static REAL g[LAYERS][NODES + 1][NODES], v[LAYERS][NODES + 1][NODES]; /* gradient, velocity */

static REAL activated(const char *name, REAL z, REAL *slope) { /* fA, and fA' beside it */
  REAL s = IS(name, "tanh") ? tanh(z) : 1 / (1 + exp(-z));
  *slope = IS(name, "tanh") ? 1 - s * s : s * (1 - s);
  if (IS(name, "tanh") || IS(name, "logistic")) return s;
  *slope = z > 0 || IS(name, "identity") ? 1 : IS(name, "relu") ? 0 : leaky_slope;
  return IS(name, "softmax") ? exp(z) : *slope * z;
}
static void forward(const REAL *input) {
  memcpy(a[0], input, nodes[0] * sizeof *input);
  for (int k = 0; k < layers; k++) {
    REAL total = 0;
    for (int j = 0; j < nodes[k + 1]; j++) {
      REAL z = weights[k][nodes[k]][j]; /* the bias */
      for (int i = 0; i < nodes[k]; i++) z += a[k][i] * weights[k][i][j];
      total += a[k + 1][j] = activated(activation[k], z, &slope[k][j]);
    }
    for (int j = 0; j < nodes[k + 1] && IS(activation[k], "softmax"); j++) a[k + 1][j] /= total;
    a[k][nodes[k]] = 1; /* what the biases multiply */
  }
}
static void backward(const REAL *target) { /* adds a sample's gradients to g */
  int last = layers - 1, half = IS(loss, "half_squared_error"), mean = IS(loss, "mean_squared_error");
  for (int o = 0; o < nodes[layers]; o++) {
    REAL error = a[layers][o] - target[o];
    REAL derivative = (half ? error : 2 * error) / (mean ? nodes[layers] : 1);
    d[last][o] = strstr(loss, "entropy") ? error : derivative * slope[last][o];
  }
  for (int k = layers - 1; k >= 0; k--)
    for (int i = 0; i <= nodes[k]; i++) {
      REAL back = 0;
      for (int j = 0; j < nodes[k + 1]; j++) g[k][i][j] += d[k][j] * a[k][i];
      for (int j = 0; j < nodes[k + 1]; j++) back += d[k][j] * weights[k][i][j];
      if (k > 0 && i < nodes[k]) d[k - 1][i] = back * slope[k - 1][i];
    }
}
int main(void) {
  read_case();
  for (int u = 0, s = 0; u < updates; u++, s %= samples) {
    int n = 0;
    for (; n < batch_size && s < samples; n++, s++) forward(inputs[s]), backward(targets[s]);
    n = IS(update, "batch_mean") ? n : 1;
    for (int k = 0; k < layers; k++)
      for (int i = 0; i < nodes[k] + has_biases; i++)
        for (int j = 0; j < nodes[k + 1]; j++) {
          REAL decay = i < nodes[k] ? weight_decay : 0; /* biases do not decay */
          v[k][i][j] = momentum * v[k][i][j] + (g[k][i][j] / n + decay * weights[k][i][j]);
          weights[k][i][j] -= rates[u] * v[k][i][j];
        }
    memset(g, 0, sizeof g);
  }
  write_trace();
}
