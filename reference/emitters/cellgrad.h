/* Reads a case from standard input into arrays and writes a trace: all but the training. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef REAL
#define REAL double
#endif
#define IS(text, word) (strcmp(text, word) == 0)

enum { LAYERS = 8, NODES = 64, SAMPLES = 512, UPDATES = 1 << 16 }; /* what is larger is declined */
static int layers, nodes[LAYERS + 1], has_biases, samples, batch_size, updates;
static REAL weights[LAYERS][NODES + 1][NODES]; /* [layer][from][to]; from = nodes[layer]: biases */
static REAL inputs[SAMPLES][NODES], targets[SAMPLES][NODES], rates[UPDATES];
static REAL momentum, weight_decay, leaky_slope;
static char activation[LAYERS][32], loss[32], update[32], optimizer[32];

static char text[1 << 20], *at = text; /* the case, and how far it has been read */

static void unsupported(const char *why) {
  printf("{\"unsupported\": \"%s\"}\n", why);
  exit(0);
}

static int find(char *from, const char *key) { /* go to the value behind a key */
  char *found = strstr(from, key);
  if (found == NULL) return 0;
  at = found + strlen(key);
  at += strspn(at, " \r\n\t");
  return 1;
}

static int more(void) { /* whether a list goes on */
  at += strspn(at, " \r\n\t");
  return *at != ']' && *at != '\0';
}

static REAL number(void) {
  at += strcspn(at, "-0123456789");
  return strtod(at, &at);
}

static void numbers(REAL *into, int n) {
  while (n-- > 0) *into++ = number();
}

static void word(char into[32]) {
  at += strcspn(at, "\"") + 1;
  snprintf(into, 32, "%.*s", (int)strcspn(at, "\""), at);
  at += strcspn(at, "\"") + 1;
}

static REAL option(const char *key, REAL usual) { return find(text, key) ? number() : usual; }

static void read_network(void) {
  for (find(text, "\"nodes\":"), layers = -1; more(); nodes[layers] = number()) {
    if (layers >= 0 && nodes[layers] > NODES) unsupported("a layer is too wide");
    if (++layers > LAYERS) unsupported("too many layers");
  }
  if (layers < 1) fputs("there is no case on standard input\n", stderr), exit(1);
  if (nodes[layers] > NODES) unsupported("a layer is too wide");
  find(text, "\"activations\":");
  for (int k = 0; k < layers; k++) word(activation[k]);
  find(text, "\"weights\":");
  for (int k = 0; k < layers; k++)
    for (int i = 0; i < nodes[k]; i++) numbers(weights[k][i], nodes[k + 1]);
  find(text, "\"biases\":");
  has_biases = *at == '[';
  for (int k = 0; has_biases && k < layers; k++) numbers(weights[k][nodes[k]], nodes[k + 1]);
  leaky_slope = option("\"leaky_slope\":", 0.01);
}

static void read_samples(void) {
  for (find(text, "\"samples\":"); more(); samples++) {
    char *start = at, *end = strchr(at, '}');
    if (samples == SAMPLES || end == NULL) unsupported("too many samples");
    find(start, "\"input\":");
    numbers(inputs[samples], nodes[0]);
    find(start, "\"target\":");
    numbers(targets[samples], nodes[layers]);
    at = end + 1;
  }
}

static void read_case(void) {
  if (fread(text, 1, sizeof text - 1, stdin) == sizeof text - 1) unsupported("a case too large");
  if (find(text, "\"conventions\":")) unsupported("conventions");
  read_network();
  read_samples();
  find(text, "\"loss\":"), word(loss);
  find(text, "\"update\":"), word(update);
  find(text, "\"name\":"), word(optimizer);
  if (IS(loss, "perceptron") || IS(optimizer, "adam")) unsupported("the perceptron rule, or Adam");
  momentum = option("\"momentum\":", 0);
  weight_decay = option("\"weight_decay\":", 0);
  batch_size = IS(update, "online") ? 1 : option("\"batch_size\":", samples);
  double epochs = option("\"epochs\":", 1), batches = (samples + batch_size - 1) / batch_size;
  if (epochs * batches > UPDATES) unsupported("too many updates");
  updates = epochs * batches;
  find(text, "\"learning_rate\":");
  for (int u = 0, one = *at != '['; u < updates; u++) rates[u] = one && u ? rates[0] : number();
}

static void write_row(const REAL *row, int n, int first) { /* hexadecimal: no bit is lost */
  for (int j = 0; j < n; j++) printf("%s\"%a\"", j ? ", " : first ? "[" : ", [", (double)row[j]);
  printf("]");
}

static void write_trace(void) {
  printf("{\"schema\": \"cellgrad-trace/1\", \"weights\": [");
  for (int k = 0; k < layers; k++) {
    printf(k ? ", [" : "[");
    for (int i = 0; i < nodes[k]; i++) write_row(weights[k][i], nodes[k + 1], i == 0);
    printf("]");
  }
  printf("], \"biases\": %s", has_biases ? "[" : "null");
  for (int k = 0; has_biases && k < layers; k++)
    write_row(weights[k][nodes[k]], nodes[k + 1], k == 0);
  printf("%s}\n", has_biases ? "]" : "");
}
