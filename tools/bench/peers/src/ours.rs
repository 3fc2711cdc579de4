//! The engine in three precisions, and plain loops.

use std::hint::black_box;

use mmoe::{F32, I8, W8};
use mmoe_bench::models::{B, C, W, blobs, rows};
use mmoe_bench::plain::Plain;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::graph::Graph;
use rayon::prelude::*;

use crate::{Contestant, Outputs};

/// A blob that lives as long as the process does: contestants borrow from it.
fn keep(blob: BlobBytes) -> &'static BlobBytes {
    Box::leak(Box::new(blob))
}

/// Calls with a part of the rows on every thread, in the pool that `RAYON_NUM_THREADS` sizes.
macro_rules! ours {
    ($contestants:ident, $name:literal, $Model:ty, $blob:expr, $x:expr) => {{
        let model = <$Model>::load(keep($blob).as_slice()).expect("the blob is of this type");
        let x = $x.clone();
        let mut y = vec![model.predict(&x[0]); x.len()];
        let part = x.len().div_ceil(rayon::current_num_threads());
        $contestants.push((
            $name.to_owned(),
            Box::new(move || {
                if part == x.len() {
                    model.predict_batch(black_box(&x), black_box(&mut y));
                } else {
                    x.par_chunks(part)
                        .zip(y.par_chunks_mut(part))
                        .for_each(|(x, y)| model.predict_batch(black_box(x), black_box(y)));
                }
            }),
        ));
    }};
}

macro_rules! model {
    ($contestants:ident, $Of:ident, $inputs:literal, $graph:ident, $batch:ident) => {{
        let x: Vec<[f32; $inputs]> = rows::<$inputs>($batch.max(256));
        let [f, w, i] = blobs($graph, &x[..256].concat());
        let x = x[..$batch].to_vec();
        let y = outputs(&f, &x.concat(), $inputs);
        let (plain_rows, flat) = (x.clone(), x.concat());
        // Leaked once per preparation: the loops borrow the graph.
        let graph: &'static Graph = Box::leak(Box::new($graph.clone()));
        let mut plain = Plain::new(graph);
        $contestants.push((
            "plain loops".to_owned(),
            Box::new(move || plain_rows.iter().for_each(|x| plain.run(black_box(x)))),
        ));
        ours!($contestants, "mmoe F32", $Of<F32>, f, x);
        ours!($contestants, "mmoe W8", $Of<W8>, w, x);
        ours!($contestants, "mmoe I8", $Of<I8>, i, x);
        (flat, y)
    }};
}

/// The contestants; and the rows and the outputs of our F32 model, row after row.
pub(crate) fn contestants(
    model: &str,
    graph: &Graph,
    batch: usize,
) -> (Vec<Contestant>, Vec<f32>, Outputs) {
    let mut contestants: Vec<Contestant> = Vec::new();
    let (rows, outputs) = match model {
        "B" => model!(contestants, B, 499, graph, batch),
        "C" => model!(contestants, C, 64, graph, batch),
        _ => model!(contestants, W, 512, graph, batch),
    };
    (contestants, rows, outputs)
}

/// What a blob gives for these rows.
pub(crate) fn outputs(blob: &BlobBytes, rows: &[f32], inputs: usize) -> Outputs {
    let mut runner = Runner::load(blob).expect("the blob loads");
    let row = |x: &[f32]| runner.predict(x).expect("a row of this width").0.to_vec();
    rows.chunks(inputs).flat_map(row).collect()
}
