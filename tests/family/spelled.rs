//! A type, the records of its blob, and the oracle on the same rows.

use mmoe::bytes::InPlace;
use mmoe::input::InputStage;
use mmoe::level::LevelGates;
use mmoe::math::Micromath;
use mmoe::number::Element;
use mmoe::tower::Towers;
use mmoe::trunk::Trunk;
use mmoe::{Dynamic, Model, ProductOutput, Q15, Run, SkipBelow, TaskMask};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::read;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::Graph;
use testkit::Rng;
use testkit::graphs::{self as seeded, close};
use testkit::integer::{self, Wide};

/// Outputs or gate weights, one after the other.
pub(crate) trait Flat {
    fn flat(&self, to: &mut Vec<f32>);
    /// Overwrites every number that is an f32.
    fn fill(&mut self, _: f32) {}
}
impl Flat for f32 {
    fn flat(&self, to: &mut Vec<f32>) {
        to.push(*self);
    }
    fn fill(&mut self, v: f32) {
        *self = v;
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
    fn fill(&mut self, v: f32) {
        self.iter_mut().for_each(|t| t.fill(v));
    }
}
impl<X: Flat, Y: Flat> Flat for LevelGates<X, Y> {
    fn flat(&self, to: &mut Vec<f32>) {
        self.0.flat(to);
        self.1.flat(to);
    }
}
impl<X: Flat, Y: Flat> Flat for ProductOutput<X, Y> {
    fn flat(&self, to: &mut Vec<f32>) {
        self.towers.flat(to);
        self.product.flat(to);
    }
    fn fill(&mut self, v: f32) {
        self.towers.fill(v);
        self.product.fill(v);
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
            #[allow(non_snake_case)]
            fn fill(&mut self, v: f32) {
                let ($($T,)*) = self;
                $($T.fill(v);)*
            }
        }
    };
}
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E F G H);

/// What a prediction gave, in numbers that both views have.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    /// The bits of the outputs.
    outputs: Vec<u32>,
    /// The bits of the gate weights that are not 0: a typed gate has a weight, 0, for experts that
    /// it does not see, and an erased one has none.
    gates: Vec<u32>,
    run: Run,
}

/// What is asked of a prediction.
#[derive(Debug)]
pub(crate) enum Way {
    Traced,
    Skipping(SkipBelow),
    /// With the value that outputs have before; gate weights are not compared.
    Tasks(TaskMask, f32),
    /// Neither gate weights nor experts are compared.
    Micromath,
}

/// A model that is a type.
pub(crate) trait Spelled {
    fn run(bytes: &[u8], x: &[f32], way: &Way) -> Ran;
    /// The words of `predict_q` on the quantized row.
    fn words(bytes: &[u8], x: &[f32]) -> Vec<u32>;
    /// The bits of the outputs of each row of a batch.
    fn batch(bytes: &[u8], x: &[Vec<f32>]) -> Vec<Vec<u32>>;
}

impl<S, L, T, A: Element, const I: usize> Spelled for Model<S, L, T>
where
    Self: InPlace,
    S: for<'a> InputStage<From<'a> = &'a [f32; I], Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I], GateWeights: Flat>,
    T: Towers<Act = A, In = L::Stream, Count = L::Count, Shown: Flat>,
{
    fn run(bytes: &[u8], x: &[f32], way: &Way) -> Ran {
        let model = Self::load(bytes).unwrap_or_else(|e| panic!("{e}"));
        let x: &[f32; I] = x.try_into().unwrap();
        let (mut outputs, mut gates, mut run) = (vec![], vec![], Run::default());
        match way {
            Way::Traced => {
                let traced = model.predict_traced(x);
                traced.tasks.flat(&mut outputs);
                traced.gates.flat(&mut gates);
                run = traced.run;
                let mut plain = vec![];
                model.predict(x).flat(&mut plain);
                assert_eq!(bits(&plain), bits(&outputs));
            }
            Way::Skipping(skip) => {
                let traced = model.predict_skipping(x, *skip);
                traced.tasks.flat(&mut outputs);
                traced.gates.flat(&mut gates);
                run = traced.run;
            }
            Way::Tasks(tasks, before) => {
                let mut y = model.predict(&[0.0; I]);
                y.fill(*before);
                run = model.predict_tasks(x, *tasks, &mut y);
                y.flat(&mut outputs);
            }
            Way::Micromath => model.predict_with::<Micromath>(x).flat(&mut outputs),
        }
        Ran {
            outputs: bits(&outputs),
            gates: nonzero(&gates),
            run,
        }
    }

    fn words(bytes: &[u8], x: &[f32]) -> Vec<u32> {
        let model = Self::load(bytes).unwrap_or_else(|e| panic!("{e}"));
        let x: &[f32; I] = x.try_into().unwrap();
        let mut q = [A::default(); I];
        let counts = model.quantize(x, &mut q);
        assert_eq!(counts, model.predict_traced(x).run.input);
        let raw = model.predict_q(&q);
        let (mut words, mut shown, mut plain) = (vec![], vec![], vec![]);
        T::words(&raw, &mut |w| words.push(w));
        model.show(&raw).flat(&mut shown);
        model.predict(x).flat(&mut plain);
        assert_eq!(bits(&shown), bits(&plain));
        words
    }

    fn batch(bytes: &[u8], x: &[Vec<f32>]) -> Vec<Vec<u32>> {
        let model = Self::load(bytes).unwrap_or_else(|e| panic!("{e}"));
        let x: Vec<[f32; I]> = x.iter().map(|x| x[..].try_into().unwrap()).collect();
        let mut y: Vec<T::Shown> = x.iter().map(|_| model.predict(&[0.0; I])).collect();
        model.predict_batch(&x, &mut y);
        let row = |y: &T::Shown| {
            let mut outputs = vec![];
            y.flat(&mut outputs);
            bits(&outputs)
        };
        y.iter().map(row).collect()
    }
}

/// The erased view of a blob with its buffers.
struct Erased<'a> {
    model: Dynamic<'a>,
    scratch: Vec<u32>,
}

impl Erased<'_> {
    fn run(&mut self, x: &[f32], way: &Way) -> Ran {
        let Self { model, scratch } = self;
        let mut y = vec![0.0; model.outputs()];
        let mut run = match way {
            Way::Traced => model.predict(x, scratch, &mut y),
            Way::Skipping(skip) => model.predict_skipping(x, *skip, scratch, &mut y),
            Way::Tasks(tasks, before) => {
                y.fill(*before);
                model.predict_tasks(x, *tasks, scratch, &mut y)
            }
            Way::Micromath => model.predict_with::<Micromath>(x, scratch, &mut y),
        }
        .unwrap();
        let mut gates = self.gates().concat();
        match way {
            Way::Tasks(..) => gates.clear(),
            Way::Micromath => (gates, run) = (vec![], Run::default()),
            _ => {}
        }
        Ran {
            outputs: bits(&y),
            gates: nonzero(&gates),
            run,
        }
    }

    /// The weights of each gate after a prediction.
    fn gates(&self) -> Vec<Vec<f32>> {
        let weights = |gate| {
            let mut weights = [0.0; 128];
            let n = self.model.gate_weights(&self.scratch, gate, &mut weights);
            weights[..n].to_vec()
        };
        (0..self.model.gates().count()).map(weights).collect()
    }

    /// The words of `predict_q`, of an integer model.
    fn words(&mut self, x: &[f32]) -> Vec<u32> {
        let (mut q, mut raw) = (vec![0; x.len()], vec![0; self.model.outputs()]);
        self.model.quantize(x, &mut q).unwrap();
        self.model
            .predict_q(&q, &mut self.scratch, &mut raw)
            .unwrap();
        raw
    }
}

/// The masks of `n` tasks: all of them where they are few, else some.
fn masks(n: usize, rng: &mut Rng) -> Vec<TaskMask> {
    if n <= 4 {
        return (0..1 << n).map(TaskMask::from_bits).collect();
    }
    let step = n.div_ceil(8);
    let mut masks: Vec<_> = (0..n).step_by(step).map(TaskMask::only).collect();
    masks.extend((0..8).map(|_| TaskMask::from_bits(rng.bits())));
    masks
}

fn nonzero(g: &[f32]) -> Vec<u32> {
    bits(&g.iter().copied().filter(|g| *g != 0.0).collect::<Vec<_>>())
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

/// Runs both views and compares all that they give.
#[track_caller]
fn same<M: Spelled>(bytes: &BlobBytes, erased: &mut Erased<'_>, x: &[f32], way: &Way) -> Ran {
    let (typed, found) = (M::run(bytes, x, way), erased.run(x, way));
    assert_eq!(typed, found, "{way:?} on {x:?}: typed, erased");
    typed
}

/// Every operation of both views on the same rows: the same bits.
fn agrees<M: Spelled>(bytes: &BlobBytes, oracle: Option<&Graph>, rng: &mut Rng) {
    let model = Dynamic::load(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut erased = Erased {
        model,
        scratch: vec![0x7fc0_dead; model.scratch_words()],
    };
    let tasks = model.tasks().count();
    let (mut seen, mut rows) = (Vec::new(), Vec::new());
    for row in 0..20 {
        let x = rng.row(model.inputs());
        rows.push(x.clone());
        for mask in masks(tasks, rng) {
            same::<M>(bytes, &mut erased, &x, &Way::Tasks(mask, 7.0));
        }
        for least in [0.0, 0.1, 0.4, 0.9] {
            same::<M>(
                bytes,
                &mut erased,
                &x,
                &Way::Skipping(SkipBelow::new(least).unwrap()),
            );
        }
        same::<M>(bytes, &mut erased, &x, &Way::Micromath);
        let mut spoilt = x.clone();
        spoilt[row % x.len()] = [f32::NAN, 1e30, f32::NEG_INFINITY][row % 3];
        if model.is_integer() {
            let counted = same::<M>(bytes, &mut erased, &spoilt, &Way::Traced)
                .run
                .input;
            assert_eq!(counted.nan + counted.saturated, 1, "row {row}");
            assert_eq!(M::words(bytes, &spoilt), erased.words(&spoilt));
        } else {
            assert_eq!(M::words(bytes, &x).len(), model.outputs());
        }
        let all = same::<M>(bytes, &mut erased, &x, &Way::Traced);
        if let Some(graph) = oracle {
            let wanted = evaluate(graph, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
            let what = |i: usize| format!("row {row}, number {i}");
            for (i, (y, w)) in all.outputs.iter().zip(wanted.tasks.concat()).enumerate() {
                close(&what(i), f32::from_bits(*y), w);
            }
            let (gates, wanted) = (erased.gates().concat(), wanted.gates.concat());
            assert_eq!(gates.len(), wanted.len());
            for (i, (g, w)) in gates.iter().zip(wanted).enumerate() {
                close(&what(i), *g, w);
            }
        }
        seen.push(all.outputs);
    }
    // A whole block of rows, a part of one, and all lengths of a short one.
    let lengths = [1, 2, 3, 5, 8, 39].map(|n| (0..n).map(|i| i % 20));
    for at in lengths {
        let x: Vec<_> = at.clone().map(|i| rows[i].clone()).collect();
        let alone: Vec<_> = at.map(|i| seen[i].clone()).collect();
        assert_eq!(M::batch(bytes, &x), alone, "a batch of {}", x.len());
        // With scratch for whole blocks, for two rows at once, and for one.
        for block in [32, 2, 1] {
            let mut scratch = vec![0x7fc0_dead; block * model.scratch_words()];
            let mut y = vec![7.0; x.len() * model.outputs()];
            model
                .predict_batch(&x.concat(), &mut scratch, &mut y)
                .unwrap();
            assert_eq!(bits(&y), alone.concat(), "{} rows by {block}", x.len());
        }
    }
    seen.dedup();
    assert!(
        seen.len() > 8,
        "{} of 20 rows: the outputs hardly depend on the row",
        seen.len()
    );
}
