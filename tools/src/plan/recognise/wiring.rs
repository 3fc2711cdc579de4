//! The two wirings that frameworks have: one level, and progressive layered extraction.

use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::plan::{GatePlan, LayerPlan, Level, Plan, Reads, TaskPlan, Unit};

/// One level of experts and softmax gates on the input, then towers. One gate serves all towers;
/// without gates the one expert does.
pub(super) fn one_level(
    names: &Names<'_>,
    experts: Vec<Vec<LayerPlan>>,
    gates: Vec<Vec<LayerPlan>>,
    towers: Vec<Vec<LayerPlan>>,
    tasks: Vec<TaskPlan>,
) -> Result<Plan, ModelError> {
    let (e, g, t) = (experts.len(), gates.len(), towers.len());
    if t == 0 || e == 0 || !(g == t || g == 1 || (g == 0 && e == 1)) {
        let what = format!("it has {e} experts, {g} gates and {t} towers");
        return Err(names.wrong(
            &what,
            "there is one gate per tower, or one for all, or a single expert without; the file \
             may be cut, or describe another wiring in a spec",
        ));
    }
    let sees: Vec<usize> = (0..e).collect();
    let experts = experts
        .into_iter()
        .enumerate()
        .map(|(i, layers)| unit(format!("expert {i}"), layers));
    let gates = gates
        .into_iter()
        .enumerate()
        .map(|(t, layers)| softmax_gate(unit(format!("gate {t}"), layers), sees.clone()));
    let level = Level {
        experts: experts.collect(),
        gates: gates.collect(),
    };
    Ok(Plan {
        name: "model".into(),
        levels: vec![level],
        towers: towers_on(towers, |t| if g > 1 { t } else { 0 }),
        tasks,
        ..Plan::default()
    })
}

/// Towers, each on a stream of the last level.
fn towers_on(towers: Vec<Vec<LayerPlan>>, stream: impl Fn(usize) -> usize) -> Vec<Unit> {
    let tower = |(t, layers)| Unit {
        reads: Reads::Stream(stream(t)),
        ..unit(format!("tower {t}"), layers)
    };
    towers.into_iter().enumerate().map(tower).collect()
}

/// One level of progressive layered extraction, layers only.
#[derive(Default)]
pub(super) struct Extraction {
    /// `[task][j]`.
    pub(super) specific: Vec<Vec<Vec<LayerPlan>>>,
    /// Experts that all tasks see.
    pub(super) shared: Vec<Vec<LayerPlan>>,
    /// One per task.
    pub(super) gates: Vec<Vec<LayerPlan>>,
    /// What makes the stream of the next level's shared experts; `None` at the last level.
    pub(super) shared_gate: Option<Vec<LayerPlan>>,
}

/// Which way round a framework wires its extraction.
#[derive(Clone, Copy)]
pub(super) struct Order {
    /// A task's gate weighs shared experts before its own.
    pub(super) shared_first: bool,
    /// The shared gate mixes shared experts only (the paper: all).
    pub(super) shared_sees_shared: bool,
}

/// A whole extraction: each task's tower reads its gate of the last level.
pub(super) fn extraction(
    names: &Names<'_>,
    extractions: Vec<Extraction>,
    order: Order,
    towers: Vec<Vec<LayerPlan>>,
    tasks: Vec<TaskPlan>,
) -> Result<Plan, ModelError> {
    let odd = extractions
        .iter()
        .position(|e| e.specific.len() != towers.len() || e.gates.len() != towers.len());
    if let Some(odd) = odd.or_else(|| (towers.is_empty() || extractions.is_empty()).then_some(0)) {
        let (s, g) = extractions
            .get(odd)
            .map_or((0, 0), |e| (e.specific.len(), e.gates.len()));
        let what = format!(
            "level {odd} has experts of {s} tasks and {g} gates for {} towers",
            towers.len()
        );
        return Err(names.wrong(
            &what,
            "every level serves the same tasks; the file may be cut, or describe another wiring \
             in a spec",
        ));
    }
    Ok(Plan {
        name: "model".into(),
        levels: levels(extractions, order),
        towers: towers_on(towers, |t| t),
        tasks,
        ..Plan::default()
    })
}

/// The levels of an extraction: task `t` reads stream `t`, shared experts and the shared gate the
/// last stream.
fn levels(extractions: Vec<Extraction>, order: Order) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for extraction in extractions {
        let number = levels.len();
        let tasks = extraction.specific.len();
        let first = number == 0;
        let reads = |stream: usize| {
            if first {
                Reads::Input
            } else {
                Reads::Stream(stream)
            }
        };
        let mut level = Level::default();
        let mut own = Vec::new();
        for (t, experts) in extraction.specific.into_iter().enumerate() {
            let from = level.experts.len();
            for (j, layers) in experts.into_iter().enumerate() {
                level.experts.push(Unit {
                    reads: reads(t),
                    ..unit(format!("level {number}, expert {j} of task {t}"), layers)
                });
            }
            own.push((from..level.experts.len()).collect::<Vec<_>>());
        }
        let from = level.experts.len();
        for (k, layers) in extraction.shared.into_iter().enumerate() {
            level.experts.push(Unit {
                reads: reads(tasks),
                ..unit(format!("level {number}, shared expert {k}"), layers)
            });
        }
        let shared: Vec<usize> = (from..level.experts.len()).collect();
        let gate = |name: String, stream, layers, sees| -> GatePlan {
            softmax_gate(
                Unit {
                    reads: reads(stream),
                    ..unit(name, layers)
                },
                sees,
            )
        };
        for (t, layers) in extraction.gates.into_iter().enumerate() {
            let specific = own.get(t).cloned().unwrap_or_default();
            let sees = if order.shared_first {
                [shared.clone(), specific]
            } else {
                [specific, shared.clone()]
            }
            .concat();
            level
                .gates
                .push(gate(format!("level {number}, gate {t}"), t, layers, sees));
        }
        if let Some(layers) = extraction.shared_gate {
            let sees = if order.shared_sees_shared {
                shared
            } else {
                (0..level.experts.len()).collect()
            };
            level.gates.push(gate(
                format!("level {number}, shared gate"),
                tasks,
                layers,
                sees,
            ));
        }
        levels.push(level);
    }
    levels
}
