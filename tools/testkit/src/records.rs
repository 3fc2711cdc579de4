//! Raw records of a fixture, and the framework's own outputs on them.

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::{Data, Sample, Samples};
use mmoe_tools::engine::Runner;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Graph, Output};
use mmoe_tools::readback;

use crate::fixtures::fixture;

/// Rows of raw fields with the framework's outputs beside them, `p_<task>`.
#[derive(Debug)]
pub struct Records {
    /// As a model takes them.
    pub rows: Samples,
    /// Task by task.
    pub outputs: Vec<Vec<f32>>,
}

/// How far a model is off the framework.
#[derive(Debug, Clone, Copy)]
pub struct Off {
    /// The largest difference.
    pub worst: f64,
    /// The mean difference.
    pub mean: f64,
}

impl Records {
    /// Reads `tests/fixtures/<path>` as the model takes it.
    #[must_use]
    pub fn read(path: &str, graph: &Graph) -> Self {
        let data = Data::read(&fixture(path)).unwrap();
        let beside = graph.tasks.iter().flat_map(|task| {
            let width = match task.output {
                Output::Linear { value }
                | Output::Sigmoid { value }
                | Output::Softmax { value } => graph.width(value),
                Output::Product { .. } => 1,
            };
            Data::label_columns(&format!("p_{}", task.name), width)
        });
        let beside: Vec<String> = beside.collect();
        let names = &graph.feature_names;
        let rows = data.samples(graph.front.as_ref(), graph.width(0), names, &beside);
        let rows = rows.unwrap();
        let outputs = beside.iter().map(|name| data.labels(name, rows.len(), 1));
        Self {
            outputs: outputs.collect::<Result<_, _>>().unwrap(),
            rows,
        }
    }

    fn off(&self, mut predict: impl FnMut(Sample<'_>) -> Vec<f64>) -> Off {
        let (mut worst, mut sum) = (0.0f64, 0.0);
        for (row, sample) in self.rows.iter().enumerate() {
            for (y, golden) in predict(sample).into_iter().zip(&self.outputs) {
                let off = (y - f64::from(golden[row])).abs();
                assert!(!off.is_nan(), "row {row}");
                worst = worst.max(off);
                sum += off;
            }
        }
        let count = self.rows.len() * self.outputs.len();
        let mean = sum / count as f64;
        Off { worst, mean }
    }

    /// Holds a graph, evaluated in f64, against the framework.
    #[must_use]
    pub fn graph(&self, graph: &Graph) -> Off {
        let front = graph.front.as_ref();
        self.off(|sample| {
            evaluate(graph, &sample.vector(front).unwrap())
                .tasks
                .concat()
        })
    }

    /// Holds a blob of the graph against the framework, through the engine: calibrated on the first half
    /// of the rows, and read back as every conversion is.
    #[must_use]
    pub fn blob(&self, graph: &Graph, precision: Precision) -> Off {
        let half = match &self.rows {
            Samples::Records(records) => Samples::Records(records[..records.len() / 2].to_vec()),
            Samples::Vectors(_) => panic!("the model takes no records"),
        };
        let conversion = Conversion {
            calibration: (precision == Precision::I8).then_some(half),
            ..Conversion::new(precision)
        };
        let made = conversion.details(graph).unwrap();
        let bytes = made.blob.bytes();
        match &made.quantized {
            None => {
                readback::float(&bytes, &graph.inputs, |_, _| ()).unwrap();
            }
            Some(quantized) => {
                let rows = conversion.calibration.as_ref();
                readback::integer(&bytes, &made.graph, quantized, rows, |_, _| ()).unwrap();
            }
        }
        let mut runner = Runner::load(&bytes).unwrap();
        self.off(|sample| {
            let (y, _) = runner.predict_sample(sample, None).unwrap();
            y.iter().map(|y| f64::from(*y)).collect()
        })
    }
}
