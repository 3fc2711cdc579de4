//! One pass over rows, of which everything is kept that a command may show.
//!
//! Running a model is the slow part of `eval` and `report`, so it is done once and not for each figure.

use std::ops::Range;

use mmoe::blob::NodeOp;
use mmoe::{RunError, SkipBelow};
use rayon::prelude::*;

use crate::cost::NodeWork;
use crate::data::{Sample, Samples};
use crate::describe;
use crate::engine::{Runner, Task};
use crate::gate_stats::{GateStats, Gating};

/// A core takes so many rows at a time: enough that sharing them out costs nothing beside them.
const ROWS_AT_ONCE: usize = 256;

/// The outputs of a model for many rows, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// How many rows there are.
    pub rows: usize,
    /// How many outputs a row has.
    pub width: usize,
    /// All outputs, row by row.
    pub outputs: Vec<f32>,
    /// The weights of each gate, row by row.
    pub gates: Vec<Vec<f32>>,
    /// Experts that ran, over all rows.
    pub experts: u64,
    /// Features that were NaN and taken as 0, as integer models do.
    pub nan: u64,
    /// Features beyond what the integers hold, which were taken as the largest that they do.
    pub saturated: u64,
}

impl Predictions {
    /// Predicts every row on all cores, with `skip` without the experts that no gate weighs that
    /// much. What is made stands in the order of the rows, and has the same bits on any number of cores.
    /// `progress` is called with the number of rows that a core has just finished.
    ///
    /// # Errors
    ///
    /// [`RunError`], if the rows have another width than the model takes.
    pub fn make(
        runner: &Runner<'_>,
        x: &Samples,
        skip: Option<SkipBelow>,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Self, RunError> {
        Self::make_by(runner, x, progress, |runner, rows| {
            Self::part(runner, rows.map(|row| x.row(row)), skip)
        })
    }

    /// The same without gate weights. Rows of plain numbers are predicted in blocks, which is faster and
    /// gives the same bits.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make).
    pub fn outputs_alone(
        runner: &Runner<'_>,
        x: &Samples,
        progress: impl Fn(u64) + Sync,
    ) -> Result<Self, RunError> {
        let Samples::Vectors(vectors) = x else {
            let mut made = Self::make(runner, x, None, progress)?;
            made.gates.clear();
            return Ok(made);
        };
        Self::make_by(runner, x, progress, |runner, rows| {
            let mut made = Self::none(runner);
            made.rows = rows.len();
            made.gates.clear();
            made.outputs = vec![0.0; rows.len() * made.width];
            let range = rows.start * vectors.width..rows.end * vectors.width;
            let run = runner.predict_batch(
                vectors.data.get(range).unwrap_or_default(),
                &mut made.outputs,
            )?;
            made.experts = u64::from(run.experts);
            made.nan = u64::from(run.input.nan);
            made.saturated = u64::from(run.input.saturated);
            Ok(made)
        })
    }

    /// Predicts every row on all cores, some rows at once by `part`.
    fn make_by<'b>(
        runner: &Runner<'b>,
        x: &Samples,
        progress: impl Fn(u64) + Sync,
        part: impl Fn(&mut Runner<'b>, Range<usize>) -> Result<Self, RunError> + Sync,
    ) -> Result<Self, RunError> {
        let starts: Vec<usize> = (0..x.len()).step_by(ROWS_AT_ONCE).collect();
        let parts: Vec<Self> = starts
            .into_par_iter()
            .map_init(
                || runner.clone(),
                |runner, start| {
                    let end = x.len().min(start + ROWS_AT_ONCE);
                    let part = part(runner, start..end)?;
                    progress(part.rows as u64);
                    Ok(part)
                },
            )
            .collect::<Result<_, _>>()?;
        let mut made = Self::none(runner);
        for part in parts {
            for (all, weights) in made.gates.iter_mut().zip(&part.gates) {
                all.extend(weights);
            }
            made.extend(part);
        }
        Ok(made)
    }

    /// Adds the outputs of more rows, and what they did; their gate weights are not kept.
    pub fn extend(&mut self, rows: Self) {
        self.rows += rows.rows;
        self.outputs.extend(rows.outputs);
        self.experts += rows.experts;
        self.nan += rows.nan;
        self.saturated += rows.saturated;
    }

    /// Of no rows.
    #[must_use]
    pub fn none(runner: &Runner<'_>) -> Self {
        Self {
            rows: 0,
            width: runner.model.outputs(),
            outputs: Vec::new(),
            gates: vec![Vec::new(); runner.gates.len()],
            experts: 0,
            nan: 0,
            saturated: 0,
        }
    }

    /// Of these rows, one after the other.
    fn part<'r>(
        runner: &mut Runner<'_>,
        rows: impl Iterator<Item = Sample<'r>>,
        skip: Option<SkipBelow>,
    ) -> Result<Self, RunError> {
        let mut made = Self::none(runner);
        for row in rows {
            let (y, run) = runner.predict_sample(row, skip)?;
            made.rows += 1;
            made.outputs.extend(y);
            made.experts += u64::from(run.experts);
            made.nan += u64::from(run.input.nan);
            made.saturated += u64::from(run.input.saturated);
            for (gate, weights) in made.gates.iter_mut().enumerate() {
                weights.extend(runner.gate_weights(gate));
            }
        }
        Ok(made)
    }

    /// One task's outputs, row by row.
    #[must_use]
    pub fn task(&self, task: &Task) -> Vec<f64> {
        self.each()
            .flat_map(|r| r[task.range()].iter().map(|v| f64::from(*v)))
            .collect()
    }

    /// The outputs of each row.
    pub fn each(&self) -> std::slice::ChunksExact<'_, f32> {
        self.outputs.chunks_exact(self.width.max(1))
    }

    /// How many rows have an output that is NaN or infinite.
    #[must_use]
    pub fn not_finite(&self) -> usize {
        self.each()
            .filter(|r| r.iter().any(|v| !v.is_finite()))
            .count()
    }

    /// How many rows of finite features have an output that is NaN or infinite: the model, and not
    /// the data, is at fault there.
    #[must_use]
    pub fn broken(&self, x: &Samples) -> usize {
        let finite = |v: &[f32]| v.iter().all(|v| v.is_finite());
        let rows = x.iter().zip(self.each());
        rows.filter(|(x, y)| x.is_finite() && !finite(y)).count()
    }

    /// A sum over all rows as a mean of one.
    fn per_row(&self, sum: u64) -> f64 {
        sum as f64 / self.rows.max(1) as f64
    }

    /// Experts that ran for a row, on average.
    #[must_use]
    pub fn experts_run(&self) -> f64 {
        self.per_row(self.experts)
    }

    /// What the gates did.
    #[must_use]
    pub fn gating(&self, runner: &Runner<'_>) -> Gating {
        let stats = (runner.gates.iter().enumerate())
            .map(|(g, gate)| GateStats::new(describe::gate(runner, g), gate.experts.clone()));
        let mut gating = Gating::new(stats.collect(), runner.experts.len());
        for row in 0..self.rows {
            let weights: Vec<&[f32]> = (0..self.gates.len())
                .map(|g| self.weights(g, row))
                .collect();
            gating.add(&weights);
        }
        gating
    }

    /// The weights of a gate on a row.
    fn weights(&self, gate: usize, row: usize) -> &[f32] {
        let all = &self.gates[gate];
        let each = all.len() / self.rows.max(1);
        &all[row * each..(row + 1) * each]
    }

    /// Multiply-accumulates of a row, on average, where experts that every gate weighs less than
    /// `least` are left out. Unless that is asked for, a softmax or a sigmoid that rounds to zero
    /// counts: its expert ran.
    #[must_use]
    pub fn macs(&self, runner: &Runner<'_>, work: &NodeWork, least: f32) -> f64 {
        let total = (0..self.rows)
            .map(|row| {
                let gates = runner.gates.iter().enumerate().map(|(g, gate)| {
                    let runs_at_zero =
                        least == 0.0 && matches!(gate.op, NodeOp::Softmax | NodeOp::Sigmoid);
                    let weights = self.weights(g, row).iter();
                    let runs = weights.map(move |w| runs_at_zero || (*w >= least && *w > 0.0));
                    gate.experts.iter().copied().zip(runs)
                });
                work.macs(gates)
            })
            .sum();
        self.per_row(total)
    }
}
