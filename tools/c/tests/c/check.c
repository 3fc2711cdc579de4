/* What the C interface is held to, on a host and on a core in emulation:
 *
 *     check digests ROWS BLOB...    a line per blob: a digest of outputs and gate weights of so many rows
 *     check faults BLOB OTHER       what C programs do wrong gives its code, and never anything else
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmoe.h"

#define FAIL(...) (fprintf(stderr, __VA_ARGS__), fprintf(stderr, "\n"), exit(1))
#define IS(call, code)                                                                            \
    do {                                                                                          \
        mmoe_status is = (call);                                                                  \
        if (is != (code)) FAIL("line %d: %s, and not %s", __LINE__, mmoe_error_name(is), #code);  \
    } while (0)

/* A file in memory of its own size, so that a sanitizer sees each byte beyond it. */
static unsigned char *file(const char *path, size_t *bytes) {
    FILE *f = fopen(path, "rb");
    if (!f) FAIL("%s does not open", path);
    fseek(f, 0, SEEK_END);
    *bytes = (size_t)ftell(f);
    rewind(f);
    unsigned char *memory = malloc(*bytes);
    if (!memory || fread(memory, 1, *bytes, f) != *bytes) FAIL("%s is not read", path);
    fclose(f);
    return memory;
}

/* The rows that every machine makes alike: xorshift, and 24 bits of it as a number in -2..2. */
static float feature(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (float)((int32_t)(*state >> 8) - (1 << 23)) * (1.0f / 4194304.0f);
}

static void digest(uint64_t *sum, const float *numbers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, &numbers[i], 4);
        for (int byte = 0; byte < 4; byte++) *sum = (*sum ^ (word >> 8 * byte & 255)) * 0x100000001b3u;
    }
}

static void digests(int rows, const char *path) {
    size_t bytes;
    unsigned char *blob = file(path, &bytes);
    mmoe_model model;
    IS(mmoe_open(&model, blob, bytes), MMOE_OK);
    size_t inputs = mmoe_inputs(&model), outputs = mmoe_outputs(&model), weights = mmoe_gate_count(&model);
    size_t scratch_size = mmoe_scratch_size(&model);
    float *x = malloc(inputs * sizeof *x), *y = malloc(outputs * sizeof *y), *z = malloc(outputs * sizeof *z);
    float *gates = malloc(weights * sizeof *gates);
    void *scratch = malloc(scratch_size);
    uint32_t state = 2018;
    uint64_t sum = 0xcbf29ce484222325u;
    for (int row = 0; row < rows; row++) {
        for (size_t i = 0; i < inputs; i++) x[i] = feature(&state);
        IS(mmoe_predict_gates(&model, x, inputs, scratch, scratch_size, y, outputs, gates, weights), MMOE_OK);
        digest(&sum, y, outputs);
        digest(&sum, gates, weights);
        /* The same numbers by the other calls: all at once, and task after task. */
        IS(mmoe_predict(&model, x, inputs, scratch, scratch_size, z, outputs), MMOE_OK);
        if (memcmp(y, z, outputs * sizeof *y)) FAIL("row %d of %s: two calls, two answers", row, path);
        memset(z, 0, outputs * sizeof *z);
        for (size_t task = 0; task < mmoe_task_count(&model); task++) {
            mmoe_task_info info;
            mmoe_run run;
            IS(mmoe_task(&model, task, &info), MMOE_OK);
            if (info.start + info.width > outputs || info.name_length == 0) FAIL("task %d", (int)task);
            IS(mmoe_predict_tasks(&model, (uint64_t)1 << task, x, inputs, scratch, scratch_size, z, outputs, &run), MMOE_OK);
            if (run.experts == 0) FAIL("no expert ran");
        }
        if (memcmp(y, z, outputs * sizeof *y)) FAIL("row %d of %s: tasks one by one", row, path);
    }
    printf("%08lx%08lx\n", (unsigned long)(sum >> 32), (unsigned long)(sum & 0xffffffffu));
    free(blob), free(x), free(y), free(z), free(gates), free(scratch);
}

static void faults(const char *path, const char *other_path) {
    size_t bytes, other_bytes;
    unsigned char *blob = file(path, &bytes), *other = file(other_path, &other_bytes);
    mmoe_model model, second, copy;
    memset(&model, 0, sizeof model);

    /* A handle that was never opened, and what cannot be opened. */
    float *x = calloc(64, sizeof *x), y[8], gates[64];
    uint32_t one[1];
    IS(mmoe_predict(&model, x, 64, one, sizeof one, y, 3), MMOE_E_NOT_OPEN);
    if (mmoe_inputs(&model) || mmoe_scratch_size(0)) FAIL("a closed handle has numbers");
    IS(mmoe_open(0, blob, bytes), MMOE_E_NULL);
    IS(mmoe_open(&model, 0, bytes), MMOE_E_NULL);
    IS(mmoe_open(&model, blob, 0), MMOE_E_TRUNCATED);
    IS(mmoe_open(&model, blob, bytes - 1), MMOE_E_TRUNCATED);
    IS(mmoe_open(&model, blob, (size_t)-1), MMOE_E_LENGTH);
    IS(mmoe_open(&model, "MMOX and more bytes", 19), MMOE_E_MAGIC);
    blob[4] ^= 2;
    IS(mmoe_open(&model, blob, bytes), MMOE_E_VERSION);
    blob[4] ^= 2;
    /* Each byte of the header's first part, and some of the weights, damaged. */
    for (size_t at = 14; at < bytes; at += at < 600 ? 7 : 997) {
        blob[at] ^= 1;
        IS(mmoe_open(&model, blob, bytes), MMOE_E_CHECKSUM);
        blob[at] ^= 1;
    }
    IS(mmoe_predict(&model, x, 64, one, sizeof one, y, 3), MMOE_E_NOT_OPEN);

    /* A blob in RAM at a wrong address, and at a right one behind other bytes. */
    unsigned char *shifted = malloc(bytes + 4);
    for (size_t shift = 1; shift < 4; shift++) {
        memcpy(shifted + shift, blob, bytes);
        IS(mmoe_open(&model, shifted + shift, bytes), MMOE_E_BLOB_ALIGNMENT);
    }
    memcpy(shifted + 4, blob, bytes);
    IS(mmoe_open(&model, shifted + 4, bytes), MMOE_OK);

    /* Buffers that are wrong. */
    size_t inputs = mmoe_inputs(&model), outputs = mmoe_outputs(&model), room = mmoe_scratch_size(&model);
    unsigned char *scratch = malloc(room + 4);
    x = realloc(x, (inputs + 1) * sizeof *x);
    for (size_t i = 0; i < inputs; i++) x[i] = 0.25f;
    IS(mmoe_predict(&model, x, inputs, scratch, room, y, outputs), MMOE_OK);
    IS(mmoe_predict(&model, x, inputs - 1, scratch, room, y, outputs), MMOE_E_INPUTS);
    IS(mmoe_predict(&model, x, inputs + 1, scratch, room, y, outputs), MMOE_E_INPUTS);
    IS(mmoe_predict(&model, x, inputs, scratch, room - 4, y, outputs), MMOE_E_SCRATCH);
    IS(mmoe_predict(&model, x, inputs, scratch + 1, room, y, outputs), MMOE_E_MISALIGNED);
    IS(mmoe_predict(&model, x, inputs, scratch, room, y, outputs - 1), MMOE_E_OUTPUTS);
    IS(mmoe_predict(&model, 0, inputs, scratch, room, y, outputs), MMOE_E_NULL);
    IS(mmoe_predict(&model, x, inputs, 0, room, y, outputs), MMOE_E_NULL);
    IS(mmoe_predict(&model, x, inputs, scratch, room, 0, outputs), MMOE_E_NULL);
    IS(mmoe_predict(0, x, inputs, scratch, room, y, outputs), MMOE_E_NULL);
    IS(mmoe_predict(&model, x, inputs, scratch, room, x, outputs), MMOE_E_OVERLAP);
    IS(mmoe_predict(&model, x, inputs, x, room, y, outputs), MMOE_E_OVERLAP);
    IS(mmoe_predict_gates(&model, x, inputs, scratch, room, y, outputs, gates, 1), MMOE_E_GATES);
    IS(mmoe_predict_record(&model, 0, 0, scratch, room, y, outputs), MMOE_E_FIELDS);
    mmoe_task_info info;
    IS(mmoe_task(&model, 64, &info), MMOE_E_TASK);
    mmoe_value number = mmoe_number(1);
    IS(mmoe_predict_record(&model, &number, 1, scratch, room, y, outputs), MMOE_E_FIELDS);

    /* Two models in one program; a swap at run time; a copy of a handle. */
    float first[8], again[8];
    IS(mmoe_open(&model, blob, bytes), MMOE_OK);
    IS(mmoe_open(&second, other, other_bytes), MMOE_OK);
    IS(mmoe_predict(&model, x, inputs, scratch, room, first, outputs), MMOE_OK);
    size_t other_inputs = mmoe_inputs(&second), other_outputs = mmoe_outputs(&second);
    size_t other_room = mmoe_scratch_size(&second);
    float *other_x = calloc(other_inputs, sizeof *other_x), *other_y = calloc(other_outputs, sizeof *other_y);
    void *other_scratch = malloc(other_room);
    IS(mmoe_predict(&second, other_x, other_inputs, other_scratch, other_room, other_y, other_outputs), MMOE_OK);
    copy = model;
    IS(mmoe_open(&model, other, other_bytes), MMOE_OK);
    if (other_inputs != inputs) IS(mmoe_predict(&model, x, inputs, scratch, room, y, outputs), MMOE_E_INPUTS);
    IS(mmoe_predict(&copy, x, inputs, scratch, room, again, outputs), MMOE_OK);
    if (memcmp(first, again, outputs * sizeof *first)) FAIL("a second model changed the first one's answer");
    mmoe_identity a, b;
    IS(mmoe_id(&copy, &a), MMOE_OK);
    IS(mmoe_id(&second, &b), MMOE_OK);
    if (a.bytes != bytes || b.bytes != other_bytes || a.checksum == b.checksum) FAIL("identities");

    /* The best two of four; a NaN is none of them. */
    mmoe_ranked best[2];
    size_t taken = 0;
    const float scores[] = {0.25f, 0.75f, NAN, 0.75f, 0.5f};
    for (uint32_t i = 0; i < 5; i++) IS(mmoe_rank_offer(best, 2, &taken, i, scores[i]), MMOE_OK);
    if (taken != 2 || best[0].index != 1 || best[1].index != 3) FAIL("ranking");

    /* Rows that the blob stores. */
    IS(mmoe_self_test(&copy, scratch, 4, 0), MMOE_E_SELF_TEST_SCRATCH);
    size_t test_room = mmoe_self_test_scratch_size(&copy);
    void *test = malloc(test_room);
    uint32_t rows = 0;
    IS(mmoe_self_test(&copy, test, test_room, &rows), MMOE_OK);
    if (rows == 0) FAIL("no rows");
    if (strncmp(mmoe_error_name(0xffff), "unknown", 7)) FAIL("the name of no code");
    free(blob), free(other), free(shifted), free(scratch), free(x), free(test);
    free(other_x), free(other_y), free(other_scratch);
    printf("faults ok\n");
}

int main(int count, char **words) {
    if (count >= 3 && !strcmp(words[1], "digests")) {
        for (int i = 3; i < count; i++) digests(atoi(words[2]), words[i]);
        return 0;
    }
    if (count == 4 && !strcmp(words[1], "faults")) {
        faults(words[2], words[3]);
        return 0;
    }
    FAIL("check digests ROWS BLOB... | check faults BLOB OTHER");
}
