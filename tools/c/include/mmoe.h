/* The C interface of mmoe: multi-task mixture-of-experts models in memory that you bring.
 *
 * Made by cbindgen from tools/c/src; do not edit. How to use it: docs/c.md.
 *
 * What you promise: a pointer with a length points to so many elements, and nobody writes to a buffer during a
 * call that uses it. All else is checked: null pointers, lengths, alignment, buffers that share bytes, handles
 * that are not open, and every byte of a blob. A call returns MMOE_OK or a code that says what is wrong; it
 * never aborts, never allocates, and keeps no state but in what you hand it. */
#ifndef MMOE_H
#define MMOE_H

#include <stddef.h>
#include <stdint.h>

// The output of a task is a probability.
#define MMOE_OUTPUT_PROBABILITY 0

// The outputs of a task are the probabilities of classes, which add up to 1.
#define MMOE_OUTPUT_CLASSES 1

// The outputs of a task are numbers of any size.
#define MMOE_OUTPUT_NUMBERS 2

// The output of a task is the product of two other tasks' probabilities.
#define MMOE_OUTPUT_PRODUCT 3

// A field is not there.
#define MMOE_KIND_MISSING 0

// A number, in `as.number`.
#define MMOE_KIND_NUMBER 1

// An integer, in `as.integer`.
#define MMOE_KIND_INTEGER 2

// An id, or the number of an enum's value, in `as.id`.
#define MMOE_KIND_ID 3

// Text: `count` bytes at `as.text`.
#define MMOE_KIND_TEXT 4

// A list of `count` floats at `as.numbers`.
#define MMOE_KIND_NUMBERS 5

// A list of `count` integers at `as.integers`.
#define MMOE_KIND_INTEGERS 6

// A list of `count` ids at `as.ids`.
#define MMOE_KIND_IDS 7

// A list of `count` texts at `as.texts`.
#define MMOE_KIND_TEXTS 8

// How many words of the machine's size a handle has.
#define MMOE_MODEL_WORDS 28

// What a call returns: `MMOE_OK`, or one of the codes below. They never change their meaning.
typedef uint32_t mmoe_status;

// A model that is open: a handle in the caller's memory, of no use to C but to hand it on.
//
// It may be copied. It points to the blob, which must stay where it is.
typedef struct mmoe_model {
    size_t words[MMOE_MODEL_WORDS];
} mmoe_model;

// Who a model is.
typedef struct mmoe_identity {
    // Its name, in the blob: `name_length` bytes of UTF-8 without a zero at the end.
    const char *name;
    // The length of the name.
    size_t name_length;
    // Its version; 0 where none was given.
    uint32_t version;
    // The blob's checksum, which tells two trainings of one model apart.
    uint32_t checksum;
    // The blob's length. What a flash region holds behind it is not the blob's.
    uint32_t bytes;
} mmoe_identity;

// One task of a model.
typedef struct mmoe_task_info {
    // Its name, in the blob: `name_length` bytes of UTF-8 without a zero at the end.
    const char *name;
    // The length of the name.
    size_t name_length;
    // Where its numbers start among all outputs.
    size_t start;
    // How many numbers it has.
    size_t width;
    // What they are: `MMOE_OUTPUT_...`.
    uint32_t output;
} mmoe_task_info;

// What a prediction did.
typedef struct mmoe_run {
    // How many experts ran.
    uint32_t experts;
    // How many features were NaN; they count as 0. Float models do not count.
    uint32_t nan;
    // How many features were beyond the range of calibration and were cut to it. Float models do not count.
    uint32_t saturated;
} mmoe_run;

// Text of a list: bytes and their number. No zero is needed at the end.
typedef struct mmoe_text {
    // The first byte.
    const char *bytes;
    // How many there are.
    size_t length;
} mmoe_text;

// What a field holds; the value's `kind` says which member.
typedef union mmoe_content {
    // Of `MMOE_KIND_NUMBER`.
    float number;
    // Of `MMOE_KIND_INTEGER`.
    int32_t integer;
    // Of `MMOE_KIND_ID`.
    uint32_t id;
    // Of `MMOE_KIND_TEXT`.
    const char *text;
    // Of `MMOE_KIND_NUMBERS`.
    const float *numbers;
    // Of `MMOE_KIND_INTEGERS`.
    const int32_t *integers;
    // Of `MMOE_KIND_IDS`.
    const uint32_t *ids;
    // Of `MMOE_KIND_TEXTS`.
    const struct mmoe_text *texts;
} mmoe_content;

// One field of a record. `mmoe_number(0.5f)` and its kin make one.
typedef struct mmoe_value {
    // `MMOE_KIND_...`
    uint32_t kind;
    // Of texts and lists, how many bytes or items there are.
    uint32_t count;
    // What it holds.
    union mmoe_content as;
} mmoe_value;

// A candidate among the best, with its score.
typedef struct mmoe_ranked {
    // The number of the candidate.
    uint32_t index;
    // Its score.
    float score;
} mmoe_ranked;

// All is well.
#define MMOE_OK 0

// The blob is shorter than it says.
#define MMOE_E_TRUNCATED 0x10

// The bytes are no blob.
#define MMOE_E_MAGIC 0x11

// A blob of another format version.
#define MMOE_E_VERSION 0x12

// The blob is damaged.
#define MMOE_E_CHECKSUM 0x13

// The checksum holds and the header does not parse.
#define MMOE_E_HEADER 0x20

// A section is needed that this library does not know.
#define MMOE_E_SECTION 0x21

// A record of the blob breaks a rule of the format.
#define MMOE_E_RECORD 0x22

// The blob lies at a wrong address.
#define MMOE_E_BLOB_ALIGNMENT 0x23

// The weights have another length than the layers need.
#define MMOE_E_WEIGHTS 0x24

// A typed model: another number of inputs.
#define MMOE_E_TYPE_INPUTS 0x30

// A typed model: another number of experts, gates and towers.
#define MMOE_E_TYPE_NODES 0x31

// A typed model: an expert, a gate or a tower that does something else.
#define MMOE_E_TYPE_WIRING 0x32

// A typed model: a layer of another shape or precision.
#define MMOE_E_TYPE_LAYER 0x33

// A typed model: weights in another packing.
#define MMOE_E_TYPE_PACKING 0x34

// A typed model: a task of another kind.
#define MMOE_E_TYPE_TASK 0x35

// A typed model: another number of tasks.
#define MMOE_E_TYPE_TASKS 0x36

// A typed model: a feature of another kind.
#define MMOE_E_TYPE_FEATURE 0x37

// A typed model: another number of features.
#define MMOE_E_TYPE_FEATURES 0x38

// The blob has no self-test rows.
#define MMOE_E_SELF_TEST_MISSING 0x40

// The self-test rows are not those of this model.
#define MMOE_E_SELF_TEST_SECTION 0x41

// A self-test row gave other bits: do not use this device's predictions.
#define MMOE_E_SELF_TEST_ROW 0x42

// Too little scratch for the self-test.
#define MMOE_E_SELF_TEST_SCRATCH 0x43

// Not as many features as the model takes.
#define MMOE_E_INPUTS 0x50

// Too little room for the outputs.
#define MMOE_E_OUTPUTS 0x51

// Too little scratch.
#define MMOE_E_SCRATCH 0x52

// There is no such gate or expert.
#define MMOE_E_NODE 0x53

// Floats where the model takes integers, or the other way round.
#define MMOE_E_ELEMENT 0x54

// A field of another kind than the model takes.
#define MMOE_E_VALUE 0x55

// A record of another number of fields.
#define MMOE_E_FIELDS 0x56

// Numbers for a model that takes records.
#define MMOE_E_TAKES_RECORD 0x57

// A pointer is null.
#define MMOE_E_NULL 0x70

// The handle was never opened, or opening it failed.
#define MMOE_E_NOT_OPEN 0x71

// A buffer lies at an address that its type does not allow.
#define MMOE_E_MISALIGNED 0x72

// Two buffers share bytes.
#define MMOE_E_OVERLAP 0x73

// A `mmoe_value` of a kind that there is not.
#define MMOE_E_KIND 0x74

// A length beyond the address space.
#define MMOE_E_LENGTH 0x75

// There is no such task or output.
#define MMOE_E_TASK 0x76

// Too little room for the gate weights.
#define MMOE_E_GATES 0x77

// The blob is not the model that the generated header was made for.
#define MMOE_E_OTHER_MODEL 0x78

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Checks a blob, and opens the model in it: length, checksum, and every rule of the format. Nothing is copied:
// the blob must stay where it is, unchanged, as long as the model is used. It must lie at a multiple of 4 bytes.
//
// Where it fails, the handle is closed: every call with it returns `MMOE_E_NOT_OPEN`.
//
// You promise: `model` points to a handle, and `blob` to `bytes` bytes.
mmoe_status mmoe_open(struct mmoe_model *model, const void *blob, size_t bytes);

// How many features a row has; of a model that takes records, how many numbers its front end makes. 0 where
// the handle is not open, as of all functions that return a number.
//
// You promise: `model` points to a handle.
size_t mmoe_inputs(const struct mmoe_model *model);

// How many numbers all tasks have together.
//
// You promise: `model` points to a handle.
size_t mmoe_outputs(const struct mmoe_model *model);

// How many fields a record has; 0 where the model takes features.
//
// You promise: `model` points to a handle.
size_t mmoe_fields(const struct mmoe_model *model);

// How many of a record's fields are the context that candidates share; all where the model does not rank.
//
// You promise: `model` points to a handle.
size_t mmoe_context_fields(const struct mmoe_model *model);

// How many tasks there are.
//
// You promise: `model` points to a handle.
size_t mmoe_task_count(const struct mmoe_model *model);

// How many weights all gates have together.
//
// You promise: `model` points to a handle.
size_t mmoe_gate_count(const struct mmoe_model *model);

// How many bytes of scratch a prediction needs, at an address that is a multiple of 4.
//
// You promise: `model` points to a handle.
size_t mmoe_scratch_size(const struct mmoe_model *model);

// How many bytes of scratch `mmoe_self_test` needs.
//
// You promise: `model` points to a handle.
size_t mmoe_self_test_scratch_size(const struct mmoe_model *model);

// Tells a model's name, version and checksum.
//
// You promise: `model` points to a handle, and `id` to memory for the answer.
mmoe_status mmoe_id(const struct mmoe_model *model, struct mmoe_identity *id);

// Tells what task number `index` is, from 0.
//
// You promise: `model` points to a handle, and `task` to memory for the answer.
mmoe_status mmoe_task(const struct mmoe_model *model, size_t index, struct mmoe_task_info *task);

// Computes all outputs of one row of features and writes them to `y`, task after task.
//
// The buffers must not share bytes; that is checked.
//
// You promise: `model` points to a handle, `x` to `inputs` floats, `scratch` to `scratch_size` bytes and `y` to `outputs`
// floats.
mmoe_status mmoe_predict(const struct mmoe_model *model,
                         const float *x,
                         size_t inputs,
                         void *scratch,
                         size_t scratch_size,
                         float *y,
                         size_t outputs);

// Does what `mmoe_predict` does for some tasks: bit k of `tasks` stands for task k. Outputs of other tasks
// stay as they are, and what only they need is not computed. `run`, which may be null, is told what was done.
//
// You promise: As for `mmoe_predict`, and `run` is null or points to memory for the answer.
mmoe_status mmoe_predict_tasks(const struct mmoe_model *model,
                               uint64_t tasks,
                               const float *x,
                               size_t inputs,
                               void *scratch,
                               size_t scratch_size,
                               float *y,
                               size_t outputs,
                               struct mmoe_run *run);

// Does what `mmoe_predict` does, and writes to `gates` the weights that the gates gave to the experts, gate
// after gate: `mmoe_gate_count` floats.
//
// You promise: As for `mmoe_predict`, and `gates` points to `gate_room` floats.
mmoe_status mmoe_predict_gates(const struct mmoe_model *model,
                               const float *x,
                               size_t inputs,
                               void *scratch,
                               size_t scratch_size,
                               float *y,
                               size_t outputs,
                               float *gates,
                               size_t gate_room);

// Runs the rows that `mmoe convert --self-test N` stored in the blob, and compares the bits of every output
// with the stored ones. `rows`, which may be null, is told how many there are.
//
// You promise: `model` points to a handle, `scratch` to `scratch_size` bytes; `rows` is null or points to a number.
mmoe_status mmoe_self_test(const struct mmoe_model *model, void *scratch, size_t scratch_size, uint32_t *rows);

// A line on a code that a function returned, which names it and the remedy. It ends in a zero and is never null.
const char *mmoe_error_name(mmoe_status code);

// Computes all outputs of one record, whose values are in the order of the model's fields.
//
// You promise: `model` points to a handle, `record` to `fields` values with all that they point to, `scratch` to
// `scratch_size` bytes and `y` to `outputs` floats.
mmoe_status mmoe_predict_record(const struct mmoe_model *model,
                                const struct mmoe_value *record,
                                size_t fields,
                                void *scratch,
                                size_t scratch_size,
                                float *y,
                                size_t outputs);

// Takes the fields that many candidates share: the first `mmoe_context_fields` of a record. What the front
// end makes of them stays in `scratch` until something else is predicted there.
//
// You promise: As for `mmoe_predict_record`.
mmoe_status mmoe_rank_context(const struct mmoe_model *model,
                              const struct mmoe_value *context,
                              size_t fields,
                              void *scratch,
                              size_t scratch_size);

// Computes all outputs of one candidate, given by its own fields, in the context that `mmoe_rank_context` left
// in `scratch`. The outputs are those of `mmoe_predict_record` for all fields, to the last bit.
//
// You promise: As for `mmoe_predict_record`.
mmoe_status mmoe_rank_candidate(const struct mmoe_model *model,
                                const struct mmoe_value *candidate,
                                size_t fields,
                                void *scratch,
                                size_t scratch_size,
                                float *y,
                                size_t outputs);

// Adds a candidate to the best so far, best first, if it is one of them: `best` has room for `top` of which
// `*count` are taken (0 at the beginning). Ties go to the lower index; NaN is never chosen.
//
// You promise: `best` points to `top` candidates, the first `*count` of which earlier calls wrote, and `count` to a number.
mmoe_status mmoe_rank_offer(struct mmoe_ranked *best, size_t top, size_t *count, uint32_t index, float score);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* Values of a record, for mmoe_predict_record and the two calls that rank. */
static inline mmoe_value mmoe_value_of(uint32_t kind, uint32_t count) {
    mmoe_value v;
    v.kind = kind;
    v.count = count;
    v.as.text = 0;
    return v;
}
static inline mmoe_value mmoe_missing(void) { return mmoe_value_of(MMOE_KIND_MISSING, 0); }
static inline mmoe_value mmoe_number(float x) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_NUMBER, 0);
    v.as.number = x;
    return v;
}
static inline mmoe_value mmoe_integer(int32_t x) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_INTEGER, 0);
    v.as.integer = x;
    return v;
}
static inline mmoe_value mmoe_ident(uint32_t x) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_ID, 0);
    v.as.id = x;
    return v;
}
static inline mmoe_value mmoe_bytes(const char *text, uint32_t length) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_TEXT, length);
    v.as.text = text;
    return v;
}
static inline mmoe_value mmoe_string(const char *text) {
    uint32_t length = 0;
    while (text && text[length]) {
        length++;
    }
    return mmoe_bytes(text, length);
}
static inline mmoe_value mmoe_number_list(const float *items, uint32_t count) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_NUMBERS, count);
    v.as.numbers = items;
    return v;
}
static inline mmoe_value mmoe_integer_list(const int32_t *items, uint32_t count) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_INTEGERS, count);
    v.as.integers = items;
    return v;
}
static inline mmoe_value mmoe_ident_list(const uint32_t *items, uint32_t count) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_IDS, count);
    v.as.ids = items;
    return v;
}
static inline mmoe_value mmoe_text_list(const mmoe_text *items, uint32_t count) {
    mmoe_value v = mmoe_value_of(MMOE_KIND_TEXTS, count);
    v.as.texts = items;
    return v;
}

#endif /* MMOE_H */
