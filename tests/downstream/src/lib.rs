//! A user's own layer, gate, tower and input stage, as the examples on the traits have them: the
//! same files. They compile here, where nothing but `mmoe` can be named, and a model of them runs.
#![allow(
    missing_docs,
    missing_debug_implementations,
    reason = "the text of examples"
)]

#[path = "../../../docs/own/gate.rs"]
pub mod gate;
#[path = "../../../docs/own/input.rs"]
pub mod input;
#[path = "../../../docs/own/layer.rs"]
pub mod layer;
#[path = "../../../docs/own/tower.rs"]
pub mod tower;

use mmoe::{Dense, F32, Linear, Mmoe, Seq};

mmoe::tasks! {
    /// The towers.
    pub struct Towers => Outputs { demand, returns }
}

/// Two experts that end in a layer of one's own, gates and towers of one's own, and an embedding.
pub type Model = Mmoe<
    [Seq<Dense<3, 2, F32, Linear>, layer::Bent<2>>; 2],
    [gate::Leader<3, 2>; 2],
    Towers<tower::Forecast<2>, tower::Forecast<2>>,
    input::Embedding<2, 1, 2, 3>,
>;

#[cfg(test)]
mod tests {
    use super::{Model, gate, input, layer, tower};
    use mmoe::precision::MatrixF32;
    use mmoe::{Dense, F32, Logits, TaskMask};

    fn logits<const I: usize, const O: usize>(
        bias: [f32; O],
        weights: [[f32; I]; O],
    ) -> Logits<I, O, F32> {
        Logits {
            matrix: MatrixF32 { bias, weights },
        }
    }

    /// Every weight is 0 but the ones that are given; panels of fewer than four rows lie column by
    /// column.
    fn model() -> Model {
        let expert = |bend| {
            mmoe::Seq(
                Dense {
                    matrix: MatrixF32 {
                        bias: [1.0, 2.0],
                        weights: [[0.0; 3]; 2],
                    },
                    activation: [],
                },
                layer::Bent { bend },
            )
        };
        let gate = |bias| gate::Leader {
            logits: logits(bias, [[0.0; 3]; 2]),
        };
        let tower = |bias| tower::Forecast {
            layers: logits(bias, [[0.5; 2]; 2]),
        };
        Model {
            input: input::Embedding {
                table: [[5.0], [6.0]],
            },
            trunk: mmoe::MmoeLevel {
                experts: [expert([1.0, 0.0]), expert([0.0, 1.0])],
                gates: [gate([1.0, -1.0]), gate([1.0, 3.0])],
            },
            towers: super::Towers {
                demand: tower([0.0, -2.0]),
                returns: tower([1.0, 0.0]),
            },
        }
    }

    #[test]
    fn a_model_of_ones_own_parts_runs() {
        let (model, x) = (
            model(),
            input::Query {
                id: 1,
                numbers: [0.5, -0.5],
            },
        );
        let traced = model.predict_traced(&x);
        assert_eq!(traced.gates, [[1.0, 0.0], [0.25, 0.75]]);
        // The experts give (2, 2) and (1, 6).
        assert_eq!(traced.tasks.demand, [2.0, 1.0]);
        let [mean, scale] = traced.tasks.returns;
        assert_eq!(mean, 1.0 + 0.5 * (1.25 + 5.0));
        assert!((scale - f32::exp(3.125)).abs() < 1e-4);
        let mut y = super::Outputs::default();
        model.predict_tasks(&x, TaskMask::only(1), &mut y);
        assert_eq!((y.demand, y.returns), ([0.0; 2], traced.tasks.returns));
    }
}
