/* $id: $title
   Written by cellgrad; README.txt says what to do with it. Every number is exact:
   a hexadecimal float, and the same as a decimal in the comment beside it. */
#ifndef $guard
#define $guard

#ifdef PROBE_NAME
#error "one probe at a time: build the program once for each header"
#endif
#define PROBE_NAME "$id"

#define PROBE_LAYERS $layers /* layers of weights */
$node_counts
#define PROBE_MOST_NODES $most_nodes /* of any layer */
#define PROBE_SAMPLES $samples
#define PROBE_EPOCHS $epochs /* times through the samples, in their order */
#define PROBE_BATCH $batch /* samples an update; the last of an epoch may have fewer */
#define PROBE_UPDATES $updates /* in all */
#define PROBE_HAS_BIASES $has_biases

/* what the words below stand for; macros, so that #if can compare them */
$words

$rule
#define PROBE_UPDATE_BIASES $update_biases /* 0: they keep their values */
#define PROBE_DECAY_BIASES $decay_biases /* 1: weight decay acts on them too */
#define PROBE_RATE_IN_VELOCITY $rate_in_velocity /* 1: v = momentum v + LR g */
#define PROBE_ERROR_SIGN $error_sign /* 1: FE = output - target; -1: target - output */

static const int probe_nodes[PROBE_LAYERS + 1] = {$nodes};
static const int probe_activations[PROBE_LAYERS] = {$activations};
static const char *const probe_activation_names[PROBE_LAYERS] = {$activation_names};

/* probe_weights_k[i][j] goes from node i of layer k to node j of layer k+1; the same
   is probe_weights[k][i * probe_nodes[k + 1] + j]. probe_biases_k[j] belongs to node j
   of layer k+1. */
$parameters

static const double probe_inputs[PROBE_SAMPLES][PROBE_NODES_0] = {
$inputs
};
static const double probe_targets[PROBE_SAMPLES][PROBE_NODES_$layers] = {
$targets
};
/* LR of each update */
static const double probe_rates[PROBE_UPDATES] = {
$rates
};

#endif /* $guard */
