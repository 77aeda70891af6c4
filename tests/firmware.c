/* A training run without files and without input, as firmware has it: everything comes from
   a header, the table of answers goes out. It knows every loss and activation but Adam.
   cc -std=c99 -DPROBE_HEADER='"probe-online.h"' firmware.c -lm */
#include <math.h>
#include <stdio.h>

#include PROBE_HEADER

#if PROBE_OPTIMIZER == PROBE_ADAM
#error "no Adam here"
#endif

#define MOST (PROBE_MOST_NODES * PROBE_MOST_NODES)

static double weights[PROBE_LAYERS][MOST], biases[PROBE_LAYERS][PROBE_MOST_NODES];
static double weight_steps[PROBE_LAYERS][MOST], bias_steps[PROBE_LAYERS][PROBE_MOST_NODES];
static double post[PROBE_LAYERS + 1][PROBE_MOST_NODES], pre[PROBE_LAYERS][PROBE_MOST_NODES];

static double activation(int kind, double x)
{
    if (kind == PROBE_LOGISTIC)
        return 1 / (1 + exp(-x));
    if (kind == PROBE_TANH)
        return tanh(x);
    if (kind == PROBE_RELU)
        return x > 0 ? x : 0;
#ifdef PROBE_LEAKY_SLOPE
    if (kind == PROBE_LEAKY_RELU)
        return x > 0 ? x : PROBE_LEAKY_SLOPE * x;
#endif
    return x;
}

static double slope(int kind, double x)
{
    double y = activation(kind, x);
    if (kind == PROBE_LOGISTIC)
        return y * (1 - y);
    if (kind == PROBE_TANH)
        return 1 - y * y;
    if (kind == PROBE_RELU)
        return x > 0;
#ifdef PROBE_LEAKY_SLOPE
    if (kind == PROBE_LEAKY_RELU)
        return x > 0 ? 1 : PROBE_LEAKY_SLOPE;
#endif
    return 1;
}

static void forward(const double *input)
{
    for (int i = 0; i < probe_nodes[0]; i++)
        post[0][i] = input[i];
    for (int k = 0; k < PROBE_LAYERS; k++) {
        int m = probe_nodes[k + 1];
        double sum = 0;
        for (int j = 0; j < m; j++) {
            pre[k][j] = biases[k][j];
            for (int i = 0; i < probe_nodes[k]; i++)
                pre[k][j] += post[k][i] * weights[k][i * m + j];
            post[k + 1][j] = activation(probe_activations[k], pre[k][j]);
            sum += exp(pre[k][j]);
        }
        for (int j = 0; j < m && probe_activations[k] == PROBE_SOFTMAX; j++)
            post[k + 1][j] = exp(pre[k][j]) / sum;
    }
}

static void backward(const double *target, double share)
{
    double signal[PROBE_LAYERS][PROBE_MOST_NODES];
    for (int k = PROBE_LAYERS - 1; k >= 0; k--) {
        int m = probe_nodes[k + 1];
        for (int j = 0; j < m; j++) {
            double flowing = 0, derivative = slope(probe_activations[k], pre[k][j]);
            if (k == PROBE_LAYERS - 1) {
                flowing = post[k + 1][j] - target[j];
#if PROBE_LOSS == PROBE_SQUARED_ERROR
                flowing *= 2;
#elif PROBE_LOSS == PROBE_MEAN_SQUARED_ERROR
                flowing *= 2.0 / m;
#elif PROBE_LOSS != PROBE_HALF_SQUARED_ERROR
                derivative = 1;
#endif
            } else {
                for (int o = 0; o < probe_nodes[k + 2]; o++)
                    flowing += signal[k + 1][o] * weights[k + 1][j * probe_nodes[k + 2] + o];
            }
            signal[k][j] = flowing * derivative;
            bias_steps[k][j] += share * signal[k][j];
            for (int i = 0; i < probe_nodes[k]; i++)
                weight_steps[k][i * m + j] += share * signal[k][j] * post[k][i];
        }
    }
}

static void update(double rate)
{
    static double weight_speed[PROBE_LAYERS][MOST], bias_speed[PROBE_LAYERS][PROBE_MOST_NODES];
    for (int k = 0; k < PROBE_LAYERS; k++) {
        int n = probe_nodes[k] * probe_nodes[k + 1];
        for (int i = 0; i < n; i++) {
            double gradient = weight_steps[k][i] + PROBE_WEIGHT_DECAY * weights[k][i];
            weight_speed[k][i] = PROBE_MOMENTUM * weight_speed[k][i] + gradient;
            weights[k][i] -= rate * weight_speed[k][i];
            weight_steps[k][i] = 0;
        }
        for (int j = 0; j < probe_nodes[k + 1]; j++) {
            bias_speed[k][j] = PROBE_MOMENTUM * bias_speed[k][j] + bias_steps[k][j];
            if (PROBE_HAS_BIASES && PROBE_UPDATE_BIASES)
                biases[k][j] -= rate * bias_speed[k][j];
            bias_steps[k][j] = 0;
        }
    }
}

int main(void)
{
    int number = 0;
    for (int k = 0; k < PROBE_LAYERS; k++)
        for (int i = 0; i < probe_nodes[k] * probe_nodes[k + 1]; i++)
            weights[k][i] = probe_weights[k][i];
#if PROBE_HAS_BIASES
    for (int k = 0; k < PROBE_LAYERS; k++)
        for (int j = 0; j < probe_nodes[k + 1]; j++)
            biases[k][j] = probe_biases[k][j];
#endif
    for (int epoch = 0; epoch < PROBE_EPOCHS; epoch++)
        for (int start = 0; start < PROBE_SAMPLES; start += PROBE_BATCH) {
            int end = start + PROBE_BATCH < PROBE_SAMPLES ? start + PROBE_BATCH : PROBE_SAMPLES;
            for (int s = start; s < end; s++) {
                forward(probe_inputs[s]);
                backward(probe_targets[s], PROBE_UPDATE == PROBE_BATCH_MEAN ? 1.0 / (end - start) : 1);
            }
            update(probe_rates[number++]);
        }
    printf("quantity,index,value\n");
    for (int k = 0; k < PROBE_LAYERS; k++)
        for (int i = 0; i < probe_nodes[k]; i++)
            for (int j = 0; j < probe_nodes[k + 1]; j++)
                printf("weights,[%d][%d][%d],%a\n", k, i, j, weights[k][i * probe_nodes[k + 1] + j]);
    for (int k = 0; k < PROBE_LAYERS && PROBE_HAS_BIASES; k++)
        for (int j = 0; j < probe_nodes[k + 1]; j++)
            printf("biases,[%d][%d],%a\n", k, j, biases[k][j]);
    return 0;
}
