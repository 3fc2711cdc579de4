//! A type, the records of its blob, and the oracle on the same rows.

use crate::seeded::integer::{self, Wide};
use crate::seeded::{self, Rng, close};
use mmoe::{Dynamic, Element, InPlace, InputStage, Model, Pair, Q15, Towers, Trunk};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::read;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::Graph;

/// Outputs or gate weights, one after the other.
pub(crate) trait Flat {
    fn flat(&self, to: &mut Vec<f32>);
}
impl Flat for f32 {
    fn flat(&self, to: &mut Vec<f32>) {
        to.push(*self);
    }
}
impl Flat for Q15 {
    fn flat(&self, to: &mut Vec<f32>) {
        to.push(self.to_f32());
    }
}
impl Flat for i16 {
    fn flat(&self, _: &mut Vec<f32>) {}
}
impl<T: Flat, const N: usize> Flat for [T; N] {
    fn flat(&self, to: &mut Vec<f32>) {
        self.iter().for_each(|v| v.flat(to));
    }
}
impl<X: Flat, Y: Flat> Flat for Pair<X, Y> {
    fn flat(&self, to: &mut Vec<f32>) {
        self.0.flat(to);
        self.1.flat(to);
    }
}
macro_rules! tuples {
    ($($T:ident)*) => {
        impl<$($T: Flat),*> Flat for ($($T,)*) {
            #[allow(non_snake_case)]
            fn flat(&self, to: &mut Vec<f32>) {
                let ($($T,)*) = self;
                $($T.flat(to);)*
            }
        }
    };
}
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E F G H);

/// What a typed model gave for one row.
pub(crate) struct Ran {
    pub(crate) outputs: Vec<f32>,
    pub(crate) gates: Vec<f32>,
    pub(crate) experts: u32,
}

/// A model that is a type.
pub(crate) trait Spelled {
    fn run(bytes: &[u8], x: &[f32]) -> Ran;
}

impl<S, L, T, A: Element, const I: usize> Spelled for Model<S, L, T>
where
    Self: InPlace,
    S: InputStage<From = [f32; I], Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I], Gates: Flat>,
    T: Towers<Act = A, In = L::H, Count = L::Count, Shown: Flat>,
{
    fn run(bytes: &[u8], x: &[f32]) -> Ran {
        let model = Self::load(bytes).unwrap_or_else(|e| panic!("{e}"));
        let x: &[f32; I] = x.try_into().unwrap();
        let traced = model.predict_traced(x);
        let mut ran = Ran {
            outputs: vec![],
            gates: vec![],
            experts: traced.experts_run,
        };
        traced.tasks.flat(&mut ran.outputs);
        traced.gates.flat(&mut ran.gates);
        let (mut plain, mut raw) = (vec![], vec![]);
        model.predict(x).flat(&mut plain);
        model
            .input
            .with(x, |q| model.show(&model.predict_q(q)).flat(&mut raw));
        assert_eq!(bits(&plain), bits(&ran.outputs));
        assert_eq!(bits(&raw), bits(&ran.outputs));
        ran
    }
}

pub(crate) fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

/// A float model: typed, erased and in f64.
pub(crate) fn float<M: Spelled>(graph: &Graph, to: impl Into<Conversion>, rng: &mut Rng) {
    let conversion = to.into();
    let bytes = seeded::blob(graph, conversion.clone());
    // What int8 weights mean is read back from the bytes.
    let stored = if conversion.precision == Precision::F32 {
        graph.clone()
    } else {
        read::graph(&bytes).unwrap()
    };
    agrees::<M>(&bytes, Some(&stored), rng);
}

/// An integer model: typed and erased.
pub(crate) fn integer<M: Spelled>(graph: &Graph, wide: Wide, packing: Packing, rng: &mut Rng) {
    agrees::<M>(&integer::blob(graph, wide, packing, rng), None, rng);
}

fn agrees<M: Spelled>(bytes: &BlobBytes, oracle: Option<&Graph>, rng: &mut Rng) {
    let erased = Dynamic::load(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut scratch = vec![0x7fc0_dead; erased.scratch_words()];
    let mut outputs = vec![0.0; erased.outputs()];
    let mut seen = Vec::new();
    for row in 0..20 {
        let x = rng.row(erased.inputs());
        let typed = M::run(bytes, &x);
        let run = erased.predict(&x, &mut scratch, &mut outputs).unwrap();
        assert_eq!(
            bits(&typed.outputs),
            bits(&outputs),
            "row {row}: {:?} typed, {outputs:?} erased",
            typed.outputs
        );
        assert_eq!(typed.experts, run.experts, "row {row}");
        let gates: Vec<Vec<f32>> = erased
            .gates()
            .enumerate()
            .map(|(g, _)| weights(&erased, &scratch, g))
            .collect();
        // A typed gate has a weight, 0, for experts that it does not see.
        let nonzero =
            |g: &[f32]| bits(&g.iter().copied().filter(|g| *g != 0.0).collect::<Vec<_>>());
        assert_eq!(nonzero(&typed.gates), nonzero(&gates.concat()), "row {row}");
        if let Some(graph) = oracle {
            let wanted = evaluate(graph, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
            let what = |i: usize| format!("row {row}, number {i}");
            outputs
                .iter()
                .zip(wanted.tasks.concat())
                .enumerate()
                .for_each(|(i, (y, w))| close(&what(i), *y, w));
            gates
                .concat()
                .iter()
                .zip(wanted.gates.concat())
                .enumerate()
                .for_each(|(i, (g, w))| close(&what(i), *g, w));
        }
        seen.push(bits(&outputs));
    }
    seen.dedup();
    assert!(
        seen.len() > 8,
        "{} of 20 rows: the outputs hardly depend on the row",
        seen.len()
    );
}

fn weights(erased: &Dynamic<'_>, scratch: &[u32], gate: usize) -> Vec<f32> {
    let mut weights = [0.0; 32];
    let n = erased.gate_weights(scratch, gate, &mut weights);
    weights[..n].to_vec()
}
