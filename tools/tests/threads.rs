//! Rows on several cores: everything that is kept of a pass stands in the order of the rows, with the
//! bits of one core.

use std::sync::Mutex;

use mmoe::SkipBelow;
use mmoe_tools::convert::Precision;
use mmoe_tools::data::{Rows, Samples};
use mmoe_tools::engine::Runner;
use mmoe_tools::predictions::Predictions;
use testkit::fixtures::{float, graph, read};

#[test]
fn any_number_of_cores_makes_the_same_predictions() {
    let edge = graph("pytorch-edge/model.safetensors", "pytorch-edge/spec.toml");
    let blob = float(&edge, Precision::F32);
    let mut runner = Runner::load(&blob).unwrap();
    let x = Rows {
        data: read("pytorch-edge/test_set.npz").tensors["x"].data.clone(),
        width: 64,
    };
    let samples = Samples::from(x.clone());
    for skip in [None, SkipBelow::new(0.2)] {
        // What one runner gives, row after row.
        let (mut outputs, mut gates, mut experts) = (Vec::new(), vec![Vec::new(); 3], 0);
        for row in x.iter() {
            let (y, run) = match skip {
                Some(skip) => runner.predict_skipping(row, skip).unwrap(),
                None => runner.predict(row).unwrap(),
            };
            outputs.extend(y.iter().map(|v| v.to_bits()));
            experts += u64::from(run.experts);
            for (gate, weights) in gates.iter_mut().enumerate() {
                weights.extend(runner.gate_weights(gate));
            }
        }
        for cores in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(cores)
                .build()
                .unwrap();
            let steps = Mutex::new(Vec::new());
            let made = pool
                .install(|| {
                    Predictions::make(&runner, &samples, skip, |rows| {
                        steps.lock().unwrap().push(rows)
                    })
                })
                .unwrap();
            let bits: Vec<u32> = made.outputs.iter().map(|v| v.to_bits()).collect();
            assert_eq!(bits, outputs, "{cores} cores");
            assert_eq!(made.gates, gates, "{cores} cores");
            assert_eq!((made.rows, made.experts), (2000, experts), "{cores} cores");
            let steps = steps.into_inner().unwrap();
            assert_eq!(steps.iter().sum::<u64>(), 2000, "every row is counted once");
            assert!(steps.len() > 1, "cores share the rows");
        }
    }
    assert!(
        Predictions::make(&runner, &Rows { width: 63, ..x }.into(), None, |_| ()).is_err(),
        "rows of another width are refused"
    );
}
