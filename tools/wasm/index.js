// mmoe in JavaScript: the C interface of the engine, compiled to WebAssembly. The engine allocates nothing;
// each model has an instance, and so a memory, of its own, in which this file decides what lies where.

/** The size of `mmoe_model`, which `mmoe.h` states in words. */
const MODEL_BYTES = 28 * 4;
/** Blobs are written for weights at multiples of 64. */
const ALIGN = 64;
const PAGE = 65536;
/** The size of `mmoe_value`: kind, count, and a word. */
const VALUE_BYTES = 12;
const KIND = { missing: 0, number: 1, integer: 2, id: 3, text: 4, numbers: 5, integers: 6, ids: 7, texts: 8 };

const value = (kind, content) => Object.freeze({ kind, content });
export const missing = value(KIND.missing, null);
export const number = (content) => value(KIND.number, content);
export const integer = (content) => value(KIND.integer, content);
export const id = (content) => value(KIND.id, content);
export const text = (content) => value(KIND.text, content);
export const numbers = (items) => value(KIND.numbers, [...items]);
export const integers = (items) => value(KIND.integers, [...items]);
export const ids = (items) => value(KIND.ids, [...items]);
export const texts = (items) => value(KIND.texts, [...items]);

export class MmoeError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "MmoeError";
    this.code = code;
  }
}

let beside;

/** `mmoe.wasm` beside this module: a file in Node, something to fetch elsewhere. */
function compileBeside() {
  const url = new URL("mmoe.wasm", import.meta.url);
  beside ??= url.protocol === "file:"
    ? import("node:fs/promises").then(({ readFile }) => readFile(url)).then((bytes) => WebAssembly.compile(bytes))
    : WebAssembly.compileStreaming(fetch(url));
  return beside;
}

export class Model {
  #engine;
  #model;
  /** Where what a call brings begins; everything before it lives as long as the model. */
  #free;
  #scratch;
  #scratchBytes;
  #y;
  #outputs;

  static async open(blob, wasm) {
    const module = wasm === undefined ? await compileBeside()
      : wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    const instance = await WebAssembly.instantiate(module, {});
    return new Model(instance.exports, new Uint8Array(blob));
  }

  /** Use `Model.open`. */
  constructor(engine, blob) {
    this.#engine = engine;
    this.#free = engine.__heap_base.value;
    const at = this.#take(blob.length);
    new Uint8Array(engine.memory.buffer).set(blob, at);
    this.#model = this.#take(MODEL_BYTES);
    this.#check(engine.mmoe_open(this.#model, at, blob.length));
    const of = (count) => count(this.#model) >>> 0;
    this.inputs = of(engine.mmoe_inputs);
    this.fields = of(engine.mmoe_fields);
    this.#outputs = of(engine.mmoe_outputs);
    this.#scratchBytes = Math.max(of(engine.mmoe_scratch_size), of(engine.mmoe_self_test_scratch_size));
    this.#scratch = this.#take(this.#scratchBytes);
    this.#y = this.#take(4 * this.#outputs);
    const answer = this.#take(32);
    this.#check(engine.mmoe_id(this.#model, answer));
    const [name, length, version, checksum] = this.#words(answer, 4);
    Object.assign(this, { name: this.#string(name, length), version, checksum });
    this.tasks = Array.from({ length: of(engine.mmoe_task_count) }, (_, index) => {
      this.#check(engine.mmoe_task(this.#model, index, answer));
      const [name, length, start, width] = this.#words(answer, 4);
      return Object.freeze({ name: this.#string(name, length), start, width });
    });
  }

  predict(features) {
    return this.#call((take) => {
      const x = this.#floats(features, take);
      return this.#engine.mmoe_predict(
        this.#model, x, features.length, this.#scratch, this.#scratchBytes, this.#y, this.#outputs);
    });
  }

  predictRecord(record) {
    return this.#call((take) => {
      const at = this.#values(record, take);
      return this.#engine.mmoe_predict_record(
        this.#model, at, record.length, this.#scratch, this.#scratchBytes, this.#y, this.#outputs);
    });
  }

  gates(features) {
    const count = this.#engine.mmoe_gate_count(this.#model) >>> 0;
    let weights;
    this.#call((take) => {
      const x = this.#floats(features, take);
      weights = take(4 * count);
      return this.#engine.mmoe_predict_gates(this.#model, x, features.length, this.#scratch, this.#scratchBytes,
        this.#y, this.#outputs, weights, count);
    });
    return new Float32Array(this.#engine.memory.buffer, weights, count).slice();
  }

  named(outputs) {
    const one = ({ start, width }) => width === 1 ? outputs[start] : outputs.slice(start, start + width);
    return Object.fromEntries(this.tasks.map((task) => [task.name, one(task)]));
  }

  selfTest() {
    let rows;
    this.#call((take) => {
      rows = take(4);
      return this.#engine.mmoe_self_test(this.#model, this.#scratch, this.#scratchBytes, rows);
    });
    return this.#words(rows, 1)[0];
  }

  /** Runs a call with memory that is free again after it, and returns the outputs. */
  #call(run) {
    const before = this.#free;
    try {
      this.#check(run((bytes) => this.#take(bytes)));
    } finally {
      this.#free = before;
    }
    return new Float32Array(this.#engine.memory.buffer, this.#y, this.#outputs).slice();
  }

  #check(status) {
    if (status !== 0) throw new MmoeError(status, this.#line(this.#engine.mmoe_error_name(status)));
  }

  /** Memory for so many bytes. A memory that grows has another buffer from then on. */
  #take(bytes) {
    const at = Math.ceil(this.#free / ALIGN) * ALIGN;
    this.#free = at + bytes;
    const lacks = this.#free - this.#engine.memory.buffer.byteLength;
    if (lacks > 0) this.#engine.memory.grow(Math.ceil(lacks / PAGE));
    return at;
  }

  #words(at, count) {
    return new Uint32Array(this.#engine.memory.buffer, at, count).slice();
  }

  #string(at, length) {
    return new TextDecoder().decode(new Uint8Array(this.#engine.memory.buffer, at, length));
  }

  #line(at) {
    return this.#string(at, new Uint8Array(this.#engine.memory.buffer, at).indexOf(0));
  }

  #floats(items, take) {
    const at = take(4 * items.length);
    new Float32Array(this.#engine.memory.buffer, at, items.length).set(items);
    return at;
  }

  #bytes(words, take) {
    const bytes = new TextEncoder().encode(words);
    const at = take(bytes.length);
    new Uint8Array(this.#engine.memory.buffer, at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  #values(record, take) {
    const table = take(VALUE_BYTES * record.length);
    record.forEach(({ kind, content }, index) => {
      let [count, word] = [0, 0];
      const whole = (items, Kind) => {
        const at = take(4 * items.length);
        new Kind(this.#engine.memory.buffer, at, items.length).set(items);
        return [items.length, at];
      };
      if (kind === KIND.number) word = new Uint32Array(Float32Array.of(content).buffer)[0];
      if (kind === KIND.integer || kind === KIND.id) word = content;
      if (kind === KIND.text) [word, count] = this.#bytes(content, take);
      if (kind === KIND.numbers) [count, word] = [content.length, this.#floats(content, take)];
      if (kind === KIND.integers) [count, word] = whole(content, Int32Array);
      if (kind === KIND.ids) [count, word] = whole(content, Uint32Array);
      if (kind === KIND.texts) [count, word] = whole(content.flatMap((item) => this.#bytes(item, take)), Uint32Array);
      if (kind === KIND.texts) count = content.length;
      new Uint32Array(this.#engine.memory.buffer, table + VALUE_BYTES * index, 3).set([kind, count, word]);
    });
    return table;
  }
}
