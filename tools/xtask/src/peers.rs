//! What other engines take for the same models, measured once and kept as numbers.

use anyhow::{Context, Result};
use mmoe_tools::cost::cores::{Inference, Measurements};
use mmoe_tools::text::grouped;
use std::fmt::Write as _;

const INTRODUCTION: &str = "
## Beside other engines

Instructions of one inference of *census*, *edge* and *autoencoder* (MLPerf Tiny's anomaly detection). The others' figures were measured once, by the same method
on the same emulated cores, and are not measured again by this command: GCC 12.2 at -O3, CMSIS-NN's int8 kernels in the best C program we could write around them, and TFLite Micro
with CMSIS-NN on models of the same shapes, both with int8 activations where `mmoe` has int16; f32 with CMSIS-DSP. `mmoe` at opt-level 3 from activations (`predict_q`), each core with the
packing that suits it. In brackets estimated cycles: a count of every executed instruction with the cores' published timing tables and no wait states, good to about 10 %, no
measurement; `mmoe`'s stand for the kernels of this version and are not counted again by this command.

| core | model | `mmoe` | CMSIS-NN, CMSIS-DSP | TFLite Micro |
|---|---|---|---|---|
";

/// Core, model, precision of ours, estimated cycles of ours, instructions and estimated cycles of the
/// two others. 0: not measured.
type Peer = (
    &'static str,
    &'static str,
    &'static str,
    u64,
    (u64, u64),
    (u64, u64),
);

const PEERS: [Peer; 10] = [
    (
        "m4f",
        "census",
        "I8-pairs",
        40_000,
        (61_637, 82_000),
        (84_767, 114_000),
    ),
    (
        "m4f",
        "edge",
        "I8-pairs",
        54_000,
        (86_585, 105_000),
        (163_368, 204_000),
    ),
    (
        "m4f",
        "autoencoder",
        "I8-pairs",
        405_000,
        (579_182, 704_000),
        (595_921, 717_000),
    ),
    ("m4f", "census", "F32", 91_000, (69_000, 0), (0, 0)),
    ("m4f", "edge", "F32", 110_000, (83_000, 0), (0, 0)),
    ("m4f", "autoencoder", "F32", 917_000, (749_000, 0), (0, 0)),
    (
        "m3",
        "census",
        "I8-quad",
        102_000,
        (99_806, 162_000),
        (134_909, 0),
    ),
    (
        "m3",
        "edge",
        "I8-quad",
        120_000,
        (122_342, 196_000),
        (199_774, 0),
    ),
    (
        "m0",
        "census",
        "I8-quad",
        111_000,
        (197_851, 279_000),
        (234_076, 0),
    ),
    (
        "m0",
        "edge",
        "I8-quad",
        138_000,
        (247_919, 350_000),
        (366_919, 0),
    ),
];

/// An instruction count, with cycles where they were estimated.
fn cell((instructions, cycles): (u64, u64)) -> String {
    match (instructions, cycles) {
        (0, _) => "–".into(),
        (n, 0) => grouped(n),
        (n, cycles) => format!("{} [{}k]", grouped(n), cycles / 1000),
    }
}

/// The section, with the figures just measured beside the others'.
pub(crate) fn section(all: &Measurements) -> Result<String> {
    let mut text = INTRODUCTION.to_owned();
    for (core, model, precision, cycles, cmsis, tflite) in PEERS {
        let is = |i: &&Inference| {
            i.core == core && i.level == "3" && i.model == model && i.precision == precision
        };
        let ours = all.inferences.iter().find(is);
        let ours = ours.with_context(|| format!("{model} in {precision} on {core}"))?;
        let name = mmoe_tools::cost::cores::CORES
            .iter()
            .find(|(known, _)| *known == core)
            .map_or(core, |(_, name)| name);
        writeln!(
            text,
            "| {name} | {model}, {precision} | {} | {} | {} |",
            cell((ours.predict_q, cycles)),
            cell(cmsis),
            cell(tflite)
        )?;
    }
    Ok(text)
}
