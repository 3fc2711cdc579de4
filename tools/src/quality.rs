//! Judging predictions by labels, and by those of a reference model.

use std::path::Path;

use mmoe::blob::OutputKind;
use thiserror::Error;

use crate::data::{Data, DataError, Rows};
use crate::engine::{Runner, Task};
use crate::graph::{self, Graph, Output};
use crate::metrics::{self, RankingChange};
use crate::predictions::Predictions;
use crate::text::count;

/// How good one task's predictions are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quality {
    /// The figures of a task with classes.
    Classes {
        /// Area under the ROC curve; `None` where only one class occurs.
        auc: Option<f64>,
        /// Mean of `−ln p(label)`.
        log_loss: f64,
        /// `Σ predicted / Σ observed`, for two classes.
        calibration: Option<f64>,
        /// Root of the mean squared difference, for two classes.
        rmse: Option<f64>,
    },
    /// The figures of a task with numbers.
    Numbers {
        /// The mean squared difference.
        mse: f64,
        /// `Σ predicted / Σ observed`.
        calibration: Option<f64>,
    },
}

/// Why predictions cannot be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QualityError {
    /// The labels are missing, or of another shape.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A label that is no class.
    #[error(
        "labels of `{task}`: row {row} has {found}; they are whole numbers from 0 to {most}, and a \
         row without one has to be left out"
    )]
    Class {
        /// Whose.
        task: String,
        /// Which row, from 0.
        row: usize,
        /// What it has.
        found: f32,
        /// The last class.
        most: usize,
    },
    /// A label that is no number.
    #[error("labels of `{task}`: row {row} has {found}; leave rows without a label out")]
    Number {
        /// Whose.
        task: String,
        /// Which row, from 0.
        row: usize,
        /// What it has.
        found: f32,
    },
}

/// Two blobs that cannot stand side by side.
#[derive(Debug, Error)]
#[error("{0}: blobs are compared task by task, so give those of one model")]
pub struct Unlike(String);

/// Blobs stand side by side if they have the same inputs and tasks: `one` and what is known of
/// `other`, its path, tasks and number of inputs.
///
/// # Errors
///
/// What either has, if that is not the same.
pub fn comparable(one: (&Path, &Runner<'_>), other: (&Path, &[Task], usize)) -> Result<(), Unlike> {
    let about = |path: &Path, tasks: &[Task], inputs: usize| {
        let width = |t: &Task| match t.width {
            1 => String::new(),
            n => format!(", {n} values"),
        };
        let tasks: Vec<String> = tasks
            .iter()
            .map(|t| format!("{} ({}{})", t.name, t.output.name(), width(t)))
            .collect();
        let what = format!("{}, tasks {}", count(inputs, "input"), tasks.join(", "));
        (path.display().to_string(), what)
    };
    let (one_path, one) = about(one.0, &one.1.tasks, one.1.model.inputs());
    let (other_path, other) = about(other.0, other.1, other.2);
    if one == other {
        return Ok(());
    }
    Err(Unlike(format!("{one_path}: {one}; {other_path}: {other}")))
}

/// Columns of labels that a task has: classes are one number.
#[must_use]
pub fn label_width(task: &Task) -> usize {
    if task.output == OutputKind::Softmax {
        1
    } else {
        task.width
    }
}

/// The columns of a data file that hold labels of these tasks, and so no features.
#[must_use]
pub fn label_columns(tasks: &[Task]) -> Vec<String> {
    tasks
        .iter()
        .flat_map(|t| Data::label_columns(&t.name, label_width(t)))
        .collect()
}

/// The same for a model that is no blob yet.
#[must_use]
pub fn label_columns_of(graph: &Graph) -> Vec<String> {
    let width = |t: &graph::Task| match t.output {
        Output::Linear { value } | Output::Sigmoid { value } => graph.width(value),
        Output::Softmax { .. } | Output::Product { .. } => 1,
    };
    graph
        .tasks
        .iter()
        .flat_map(|t| Data::label_columns(&t.name, width(t)))
        .collect()
}

/// The features of a data file for a model; columns of labels may stand beside them.
///
/// # Errors
///
/// Columns or arrays that do not fit the model.
pub fn features(runner: &Runner<'_>, data: &Data) -> Result<Rows, DataError> {
    data.features(
        runner.model.inputs(),
        &runner.feature_names(),
        &label_columns(&runner.tasks),
    )
}

/// What of a task's outputs ranks rows: the probability of class 1, or the number itself; `None`
/// where there are several.
#[must_use]
pub fn scores(predictions: &Predictions, task: &Task) -> Option<Vec<f64>> {
    let at = match (task.output, task.width) {
        (_, 1) => task.start,
        (OutputKind::Softmax, 2) => task.start + 1,
        _ => return None,
    };
    Some(predictions.each().map(|r| f64::from(r[at])).collect())
}

/// Judges every task by its labels.
///
/// # Errors
///
/// Labels that are missing or are not what the task predicts.
pub fn judge(
    tasks: &[Task],
    predictions: &Predictions,
    data: &Data,
) -> Result<Vec<Quality>, QualityError> {
    // All labels first: a file without some is the wrong file, whatever its other labels are.
    let labels = tasks
        .iter()
        .map(|t| data.labels(&t.name, predictions.rows, label_width(t)))
        .collect::<Result<Vec<_>, _>>()?;
    tasks
        .iter()
        .zip(labels)
        .map(|(t, labels)| one(t, &predictions.task(t), &labels))
        .collect()
}

/// Judges one task: `y` are its outputs, row by row.
fn one(t: &Task, y: &[f64], labels: &[f32]) -> Result<Quality, QualityError> {
    let labels64: Vec<f64> = labels.iter().map(|l| f64::from(*l)).collect();
    if matches!(t.output, OutputKind::Linear) {
        if let Some(at) = labels.iter().position(|l| !l.is_finite()) {
            return Err(QualityError::Number {
                task: t.name.clone(),
                row: at / t.width.max(1),
                found: labels[at],
            });
        }
        return Ok(Quality::Numbers {
            mse: metrics::mse(y, &labels64),
            calibration: metrics::calibration(y, &labels64),
        });
    }
    let classes = t.width.max(2);
    let is_class = |l: &f32| l.fract() == 0.0 && (0.0..classes as f32).contains(l);
    if let Some(row) = labels.iter().position(|l| !is_class(l)) {
        return Err(QualityError::Class {
            task: t.name.clone(),
            row,
            found: labels[row],
            most: classes - 1,
        });
    }
    if classes == 2 {
        let p: Vec<f64> = if t.width == 1 {
            y.to_vec()
        } else {
            y.chunks_exact(2).map(|p| p[1]).collect()
        };
        let positive: Vec<bool> = labels.iter().map(|l| *l == 1.0).collect();
        let given = p.iter().zip(&positive);
        return Ok(Quality::Classes {
            auc: metrics::auc(&p, &positive),
            log_loss: metrics::log_loss(given.map(|(p, l)| if *l { *p } else { 1.0 - p })),
            calibration: metrics::calibration(&p, &labels64),
            rmse: Some(metrics::mse(&p, &labels64).sqrt()),
        });
    }
    // More classes: each against the rest, on average over those that occur.
    let aucs: Vec<f64> = (0..classes)
        .filter_map(|c| {
            let p: Vec<f64> = y.chunks_exact(classes).map(|p| p[c]).collect();
            let is_it: Vec<bool> = labels.iter().map(|l| *l as usize == c).collect();
            metrics::auc(&p, &is_it)
        })
        .collect();
    let given: Vec<f64> = y
        .chunks_exact(classes)
        .zip(labels)
        .map(|(p, l)| p[*l as usize])
        .collect();
    Ok(Quality::Classes {
        auc: (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64),
        log_loss: metrics::log_loss(given.into_iter()),
        calibration: None,
        rmse: None,
    })
}

/// How far a task's outputs are from a reference's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apart {
    /// The worst difference.
    pub worst: f64,
    /// The mean difference.
    pub mean: f64,
    /// What became of the ranking, for a task whose outputs rank rows.
    pub ranking: Option<RankingChange>,
}

impl Apart {
    /// Compares the outputs of one task.
    #[must_use]
    pub fn of(task: &Task, predictions: &Predictions, reference: &Predictions) -> Self {
        let (worst, mean) = metrics::difference(&predictions.task(task), &reference.task(task));
        let ranking = scores(reference, task)
            .zip(scores(predictions, task))
            .map(|(r, s)| metrics::ranking_change(&r, &s));
        Self {
            worst,
            mean,
            ranking,
        }
    }
}
