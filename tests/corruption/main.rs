//! Damaged and hostile blobs: each is refused with its own error, or accepted and safe to run.

mod damage;
mod documented;
mod front;
mod hostile;
mod rules;

use mmoe::blob::Blob;
use mmoe::{
    Binary, Dense, Dynamic, F32, Gate, Head, Hot, I8, LoadError, Logits, Mmoe, Regression, Seq,
    SkipBelow, TaskMask, W8,
    gate::SoftmaxGate,
    precision::{Packing, Pairs, Precision, Quad},
};
use mmoe_tools::blob::encode;
use mmoe_tools::convert::{self, Conversion};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{GateKind, Input, Output};
use testkit::graphs as seeded;
use testkit::{Rng, integer};

type Expert<P> = Seq<Dense<5, 6, P>, Dense<6, 3, P>>;
type Tower<P> = Seq<Dense<3, 4, P>, Head<4, 1, P>>;
type Pair<P> = mmoe::parallel::List2<Binary<Tower<P>>, Regression<Tower<P>>>;
/// The type of [`seeded::small`].
type Small<P> = Mmoe<[Expert<P>; 2], [Gate<5, 2, P>; 2], Pair<P>>;

/// The same on two numbers and three codes, for 11 columns.
type HotExpert<P> = Seq<Hot<5, 2, Dense<11, 6, P>>, Dense<6, 3, P>>;
type HotSmall<P> = Mmoe<[HotExpert<P>; 2], [SoftmaxGate<Hot<5, 2, Logits<11, 2, P>>>; 2], Pair<P>>;

/// A blob of [`HotSmall`].
fn hot(precision: convert::Precision, packing: encode::Packing) -> BlobBytes {
    let r = &mut Rng::new(2);
    let nodes = vec![
        seeded::expert(r, 0, &[11, 6, 3]),
        seeded::expert(r, 0, &[11, 6, 3]),
        seeded::gate(r, GateKind::Softmax, 0, 11, vec![1, 2], 3),
        seeded::gate(r, GateKind::Softmax, 0, 11, vec![1, 2], 3),
        seeded::tower(r, 3, &[3, 4, 1]),
        seeded::tower(r, 4, &[3, 4, 1]),
    ];
    let outputs = [Output::Sigmoid { value: 5 }, Output::Linear { value: 6 }];
    let mut graph = seeded::graph(11, nodes, &outputs);
    graph.inputs = vec![
        Input {
            min: Some(-2.0),
            max: Some(2.0),
            ..Input::new("x", 2)
        },
        Input::one_hot("a", 4),
        Input::one_hot("b", 2),
        Input::one_hot("c", 3),
    ];
    let conversion = Conversion {
        packing,
        max_loss: Some(1.0),
        ..Conversion::new(precision)
    };
    conversion.run(&graph).unwrap().bytes()
}

/// Blobs of [`seeded::small`] and of its like on codes, each with what loads it and runs it.
fn subjects() -> [(&'static str, BlobBytes, Load); 9] {
    use convert::Precision;
    use encode::Packing::{Pairs as InPairs, Panels, Quad as InQuad};
    let mut rng = Rng::new(1);
    let graph = seeded::small(&mut rng);
    [
        (
            "F32",
            seeded::blob(&graph, convert::Precision::F32),
            typed::<F32>,
        ),
        (
            "W8",
            seeded::blob(&graph, convert::Precision::W8),
            typed::<W8>,
        ),
        (
            "I8",
            integer::blob(
                &graph,
                integer::Wide::Heads,
                encode::Packing::Panels,
                &mut rng,
            ),
            typed::<I8>,
        ),
        (
            "I8, quad",
            integer::blob(
                &graph,
                integer::Wide::Heads,
                encode::Packing::Quad,
                &mut rng,
            ),
            typed::<I8<Quad>>,
        ),
        (
            "I8, pairs",
            integer::blob(
                &graph,
                integer::Wide::Heads,
                encode::Packing::Pairs,
                &mut rng,
            ),
            typed::<I8<Pairs>>,
        ),
        ("F32, hot", hot(Precision::F32, Panels), typed_hot::<F32>),
        ("W8, hot", hot(Precision::W8, Panels), typed_hot::<W8>),
        ("I8, hot", hot(Precision::I8, InQuad), typed_hot::<I8<Quad>>),
        (
            "I8, hot, pairs",
            hot(Precision::I8, InPairs),
            typed_hot::<I8<Pairs>>,
        ),
    ]
}

/// Loads a blob as a type, runs it in every way, and gives the outputs.
type Load = fn(&[u8]) -> Result<[f32; 2], LoadError>;

/// Numbers, of which some are codes where there are codes.
const X: [f32; 5] = [0.5, -1.0, 1.0, 4.0, -0.125];

macro_rules! typed {
    ($name:ident, $model:ident) => {
        fn $name<P: Precision>(bytes: &[u8]) -> Result<[f32; 2], LoadError> {
            let model = $model::<P>::load(bytes)?;
            let (a, b) = model.predict(&X);
            let _ = model.predict_traced(&X);
            let _ = model.predict_skipping(&X, SkipBelow::new(0.3).unwrap());
            let _ = model.predict(&[
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                f32::MAX,
                f32::MIN,
            ]);
            let _ = model.predict_in(&model.context(&[0.5, f32::NAN, 3.0]), &[1e30, 8.0]);
            let _ = model.predict_tasks(&X, TaskMask::only(1), &mut (0.0, 0.0));
            Ok([a, b])
        }
    };
}
typed!(typed, Small);
typed!(typed_hot, HotSmall);

/// Loads a blob by its records, runs it in every way, and gives the outputs.
fn erased(bytes: &[u8]) -> Result<Vec<f32>, LoadError> {
    let model = Dynamic::load(bytes)?;
    let mut x = vec![0.5; model.inputs()];
    for (x, v) in x.iter_mut().zip(X) {
        *x = v;
    }
    let mut scratch = vec![0xffff_ffff; model.scratch_words()];
    let mut y = vec![0.0; model.outputs()];
    model.predict(&x, &mut scratch, &mut y).unwrap();
    let mut more = y.clone();
    for (k, _) in model.tasks().enumerate() {
        model
            .predict_tasks(&x, TaskMask::only(k), &mut scratch, &mut more)
            .unwrap();
    }
    for (g, info) in model.gates().enumerate() {
        let mut weights = [0.0; 128];
        assert_eq!(
            model.gate_weights(&scratch, g, &mut weights),
            info.experts().count()
        );
    }
    model
        .predict_skipping(&x, SkipBelow::new(0.3).unwrap(), &mut scratch, &mut more)
        .unwrap();
    let mut words = vec![0; model.outputs()];
    if model.is_integer() {
        let mut q = vec![0; model.inputs()];
        model.quantize(&x, &mut q).unwrap();
        model.predict_q(&q, &mut scratch, &mut words).unwrap();
        model
            .predict_q(&vec![i16::MIN; model.inputs()], &mut scratch, &mut words)
            .unwrap();
    } else {
        let mut h = vec![0.0; 0xffff];
        for node in 0..model.blob().nodes.len() {
            let _ = model.expert(node, &x, &mut scratch, &mut h);
        }
    }
    model.show(&words, &mut more);
    x.fill(f32::NAN);
    model.predict(&x, &mut scratch, &mut more).unwrap();
    let _ = (
        model.macs(),
        model.blob().id(),
        model.blob().feature_names().count(),
        model.blob().section_of(9),
    );
    Ok(y)
}

/// Runs whatever accepts these bytes; what the type accepts the records accept too, with the same
/// outputs. Says whether either did.
fn survives(bytes: &[u8], load: Load) -> bool {
    let _ = Blob::open(bytes);
    let (typed, erased) = (load(bytes), erased(bytes));
    if let Ok(typed) = typed {
        let erased = erased
            .as_ref()
            .unwrap_or_else(|e| panic!("the type accepts what its records refuse: {e}"));
        for (t, e) in typed.iter().zip(erased) {
            assert!(
                t.to_bits() == e.to_bits() || (t.is_nan() && e.is_nan()),
                "{t} typed, {e} erased"
            );
        }
    }
    typed.is_ok() || erased.is_ok()
}

/// The error of a blob that neither the type nor its records accept.
#[track_caller]
fn both(bytes: &[u8], load: Load) -> LoadError {
    let error = load(bytes).expect_err("the type refuses it");
    assert_eq!(erased(bytes).expect_err("the records refuse it"), error);
    error
}

fn packing_of<K: Packing>() -> u32 {
    u32::from(K::CODE.code())
}
