/** What a field of a record holds; `number`, `text` and their kin make one. */
export type Value = { readonly kind: number; readonly content: unknown };

/** The field is not there. */
export const missing: Value;
/** A number. */
export function number(value: number): Value;
/** A whole number with a sign. */
export function integer(value: number): Value;
/** An id, or the number of an enum's value. */
export function id(value: number): Value;
/** A text. */
export function text(value: string): Value;
/** A list of numbers. */
export function numbers(items: Iterable<number>): Value;
/** A list of whole numbers with a sign. */
export function integers(items: Iterable<number>): Value;
/** A list of ids. */
export function ids(items: Iterable<number>): Value;
/** A list of texts. */
export function texts(items: Iterable<string>): Value;

/** The engine says no: `code` is the number and `message` the line that `mmoe.h` has of it. */
export class MmoeError extends Error {
  readonly code: number;
}

/** One task of a model, and where its numbers stand among all outputs. */
export interface Task {
  readonly name: string;
  readonly start: number;
  readonly width: number;
}

/** A model in memory of its own. It needs no closing: the memory goes with it. */
export class Model {
  /**
   * Checks a blob and opens it. `wasm` is `mmoe.wasm`, compiled or as bytes; without it the file beside
   * this module is read or fetched, once.
   *
   * @throws {MmoeError} where the blob is damaged, or of another version of the format.
   */
  static open(blob: ArrayBuffer | Uint8Array, wasm?: WebAssembly.Module | BufferSource): Promise<Model>;

  /** How many features a row has; of a model that takes records, how wide the vector is that these make. */
  readonly inputs: number;
  /** How many fields a record has; 0 where the model takes features. */
  readonly fields: number;
  readonly tasks: readonly Task[];
  readonly name: string;
  readonly version: number;
  readonly checksum: number;

  /** All outputs of one row of features, in the order of the tasks. The array is yours. */
  predict(features: ArrayLike<number>): Float32Array;
  /** All outputs of one record: its fields in the order in which `mmoe inspect` lists them. */
  predictRecord(record: readonly Value[]): Float32Array;
  /** The weights of all gates, one after the other, for a row of features. */
  gates(features: ArrayLike<number>): Float32Array;
  /** Outputs by the name of their task: a number, or an array where a task has several. */
  named(outputs: Float32Array): Record<string, number | Float32Array>;
  /** Runs the rows that the blob stores; returns how many gave their bits. */
  selfTest(): number;
}
