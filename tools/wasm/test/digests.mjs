// What `cargo xtask wasm` compares with the engine on its own machine:
//
//     node digests.mjs PACKAGE ROWS BLOB...       a line per blob: a digest of outputs and gate weights
//     node digests.mjs PACKAGE records BLOB NAME...  the outputs of two records, whose fields have these names
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [folder, what, ...files] = process.argv.slice(2);
const mmoe = await import(pathToFileURL(`${folder}/index.js`).href);
const { Model, MmoeError } = mmoe;

/** The bits of floats, as hexadecimal words. */
const words = (floats) => [...new Uint32Array(floats.buffer)].map((word) => word.toString(16).padStart(8, "0"));

/** The rows that every machine makes alike. */
function features(state, count) {
  return Float32Array.from({ length: count }, () => {
    state.value ^= state.value << 13;
    state.value ^= state.value >>> 17;
    state.value ^= state.value << 5;
    return ((state.value >>> 8) - (1 << 23)) / 4194304;
  });
}

async function digest(path) {
  const model = await Model.open(await readFile(path));
  const state = { value: 2018 };
  let sum = 0xcbf29ce484222325n;
  const add = (floats) => {
    for (const byte of new Uint8Array(floats.buffer)) {
      sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
    }
  };
  for (let row = 0; row < Number(what); row++) {
    const x = features(state, model.inputs);
    add(model.predict(x));
    add(model.gates(x));
  }
  console.log(sum.toString(16).padStart(16, "0"));
}

async function records([path, ...names]) {
  const { number, text, id, ids, texts, missing } = mmoe;
  const model = await Model.open(await readFile(path));
  const fields = {
    age: number(38.5), country: text("de"), distance: number(2.25), zip: id(12345), campaign: text("spring"),
    user: text("u-17"), history: ids([4, 1, 7]), item: id(5), interests: texts(["sport"]), motion_0: number(0.5),
    motion_1: number(-0.5), clicks: number(3), price: number(19.99), income: missing, device: text("phone"),
    plan: id(1), site: text("news"), hour: id(13), tags: texts(["new", ""]),
  };
  const record = () => names.map((name) => fields[name]);
  console.log(words(model.predictRecord(record())).join(" "));
  fields.country = missing;
  fields.history = missing;
  console.log(words(model.predictRecord(record())).join(" "));
}

/** A mistake must be an error that says what to do, and must leave the model as it is. */
async function mistakes(path) {
  const bytes = await readFile(path);
  const refuses = async (run, words) => {
    try {
      await run();
    } catch (error) {
      if (error instanceof MmoeError && error.message.includes(words)) return;
      throw error;
    }
    throw new Error(`nothing was said where \`${words}\` is due`);
  };
  const damaged = Uint8Array.from(bytes);
  damaged[damaged.length - 1] ^= 1;
  await refuses(() => Model.open(damaged), "MMOE_E_CHECKSUM");
  await refuses(() => Model.open(bytes.subarray(0, 20)), "MMOE_E_TRUNCATED");
  const model = await Model.open(bytes);
  const x = new Float32Array(model.inputs).fill(0.25);
  const before = words(model.predict(x)).join();
  await refuses(() => model.predict(x.subarray(1)), "MMOE_E_INPUTS");
  if (words(model.predict(x)).join() !== before) throw new Error("another answer after a mistake");
}

if (what === "records") await records(files);
else {
  await mistakes(files[0]);
  for (const path of files) await digest(path);
}
