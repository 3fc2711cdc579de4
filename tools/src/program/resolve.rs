//! A file that holds a program becomes one that holds named weights and a plan.

use super::{recognise, verify};
use crate::error::ModelError;
use crate::graph::assemble::assemble;
use crate::import::Weights;

impl Weights {
    /// Recognises the model in an exported graph, and holds it against the graph itself; the
    /// weights then stand among the tensors, and [`crate::model::find`] gives the plan. Nothing
    /// happens to a file that is no graph, or a second time.
    ///
    /// `tasks` names the tasks where the file's outputs do not; empty: the outputs' names.
    ///
    /// # Errors
    ///
    /// The operation that keeps the graph from being a model, by its name in the file; a model
    /// that computes something else than its graph.
    pub fn resolve(&mut self, tasks: &[String]) -> Result<(), ModelError> {
        let Some(program) = self.program.as_mut().filter(|_| self.recognised.is_none()) else {
            return Ok(());
        };
        program.tasks = tasks.to_vec();
        let mut made = recognise(program)?;
        made.found.plan.align_gates();
        let weights = Self {
            tensors: made.tensors.clone(),
            ..Self::default()
        };
        let graph = assemble(&made.found.plan, weights, false)?.graph;
        let verified = verify(program, &graph, &made)?;
        // The order of sums and the processor's functions decide about anything smaller.
        let worst = if verified.worst < 1e-12 {
            "below 1e-12".into()
        } else {
            format!("{:.1e}", verified.worst)
        };
        self.notes.push(format!(
            "{} operations; the model recognised in them gives what they compute on {} made rows, \
             worst {worst}",
            program.nodes.len(),
            verified.rows,
        ));
        self.tensors = made.tensors;
        self.recognised = Some(made.found);
        Ok(())
    }
}
