//! The two wirings that frameworks have: one level, and progressive layered extraction.

use super::names::{softmax_gate, unit};
use crate::plan::{GatePlan, LayerPlan, Level, Plan, Reads, TaskPlan, Unit};

/// One level of experts and softmax gates on the input, then towers. One gate serves all towers; without gates the one
/// expert does.
pub(super) fn one_level(
    experts: Vec<Vec<LayerPlan>>,
    gates: Vec<Vec<LayerPlan>>,
    towers: Vec<Vec<LayerPlan>>,
    tasks: Vec<TaskPlan>,
) -> Plan {
    let sees: Vec<usize> = (0..experts.len()).collect();
    let own = gates.len() > 1;
    let experts = experts.into_iter().enumerate().map(|(i, layers)| unit(format!("expert {i}"), layers));
    let gates = gates.into_iter().enumerate().map(|(t, layers)| softmax_gate(unit(format!("gate {t}"), layers), sees.clone()));
    let level = Level { experts: experts.collect(), gates: gates.collect() };
    Plan { name: "model".into(), levels: vec![level], towers: towers_on(towers, |t| if own { t } else { 0 }), tasks, ..Plan::default() }
}

/// Towers, each on a stream of the last level.
pub(super) fn towers_on(towers: Vec<Vec<LayerPlan>>, stream: impl Fn(usize) -> usize) -> Vec<Unit> {
    let tower = |(t, layers)| Unit { reads: Reads::Stream(stream(t)), ..unit(format!("tower {t}"), layers) };
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
pub(super) struct Habits {
    /// A task's gate weighs shared experts before its own.
    pub(super) shared_first: bool,
    /// The shared gate mixes shared experts only (the paper: all).
    pub(super) shared_sees_shared: bool,
}

/// The levels of an extraction: task `t` reads stream `t`, shared experts and the shared gate the last stream.
pub(super) fn levels(extractions: Vec<Extraction>, habits: Habits) -> Vec<Level> {
    let mut levels: Vec<Level> = Vec::new();
    for extraction in extractions {
        let number = levels.len();
        let tasks = extraction.specific.len();
        let first = number == 0;
        let reads = |stream: usize| if first { Reads::Input } else { Reads::Stream(stream) };
        let mut level = Level::default();
        let mut own = Vec::new();
        for (t, experts) in extraction.specific.into_iter().enumerate() {
            let from = level.experts.len();
            for (j, layers) in experts.into_iter().enumerate() {
                level.experts.push(Unit { reads: reads(t), ..unit(format!("level {number}, expert {j} of task {t}"), layers) });
            }
            own.push((from..level.experts.len()).collect::<Vec<_>>());
        }
        let from = level.experts.len();
        for (k, layers) in extraction.shared.into_iter().enumerate() {
            level.experts.push(Unit { reads: reads(tasks), ..unit(format!("level {number}, shared expert {k}"), layers) });
        }
        let shared: Vec<usize> = (from..level.experts.len()).collect();
        let gate =
            |name: String, stream, layers, sees| -> GatePlan { softmax_gate(Unit { reads: reads(stream), ..unit(name, layers) }, sees) };
        for (t, layers) in extraction.gates.into_iter().enumerate() {
            let specific = own.get(t).cloned().unwrap_or_default();
            let sees = if habits.shared_first { [shared.clone(), specific] } else { [specific, shared.clone()] }.concat();
            level.gates.push(gate(format!("level {number}, gate {t}"), t, layers, sees));
        }
        if let Some(layers) = extraction.shared_gate {
            let sees = if habits.shared_sees_shared { shared } else { (0..level.experts.len()).collect() };
            level.gates.push(gate(format!("level {number}, shared gate"), tasks, layers, sees));
        }
        levels.push(level);
    }
    levels
}
