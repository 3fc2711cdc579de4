//! Judging predictions by labels, and by those of a reference model.

use std::path::Path;

use mmoe::blob::OutputKind;
use thiserror::Error;

use crate::data::{Data, DataError, Samples};
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
        /// Labels that were there.
        labels: Labelled,
    },
    /// The figures of a task with numbers.
    Numbers {
        /// The mean squared difference.
        mse: f64,
        /// `Σ predicted / Σ observed`.
        calibration: Option<f64>,
        /// Labels that were there.
        labels: Labelled,
    },
}

/// How many labels there are: a label that is NaN (an empty cell of CSV) is missing, and counts for
/// no figure of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labelled {
    /// Labels that are numbers.
    pub present: usize,
    /// Labels in all.
    pub all: usize,
}

impl Quality {
    /// How many labels the figures rest on.
    #[must_use]
    pub const fn labels(&self) -> Labelled {
        match self {
            Self::Classes { labels, .. } | Self::Numbers { labels, .. } => *labels,
        }
    }
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
        "labels of `{task}`: row {row} has {found}; they are whole numbers from 0 to {most}, and \
         NaN where there is none"
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
    /// Nothing to judge by.
    #[error("labels of `{task}`: {why}, so nothing can be said of this task")]
    Nothing {
        /// Whose.
        task: String,
        /// Why.
        why: &'static str,
    },
    /// A weight that no row can have.
    #[error("weights: row {row} has {found}; a weight is a number from 0 on")]
    Weight {
        /// Which row, from 0.
        row: usize,
        /// What it has.
        found: f32,
    },
    /// A label that is no number.
    #[error("labels of `{task}`: row {row} has {found}; where there is no label, write NaN")]
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

/// The rows of a data file for a model; columns of labels may stand beside them.
///
/// # Errors
///
/// Columns or arrays that do not fit the model.
pub fn features(runner: &Runner<'_>, data: &Data) -> Result<Samples, DataError> {
    let (names, labels) = (runner.feature_names(), label_columns(&runner.tasks));
    match &runner.elements {
        None => data.samples(runner.front(), runner.model.inputs(), &names, &labels),
        Some(elements) => data.elements(elements, &names, &labels).map(Samples::from),
    }
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

/// The labels of so many rows, task by task.
///
/// # Errors
///
/// Labels that are missing: a file without some is the wrong file, whatever its other labels are.
pub fn labels(tasks: &[Task], data: &Data, rows: usize) -> Result<Vec<Vec<f32>>, DataError> {
    tasks
        .iter()
        .map(|t| data.labels(&t.name, rows, label_width(t)))
        .collect()
}

/// Judges every task by its [`labels`]; rows count by their weights, or all the same.
///
/// # Errors
///
/// Labels that are not what the task predicts; weights that are no weights.
pub fn judge(
    tasks: &[Task],
    predictions: &Predictions,
    labels: &[Vec<f32>],
    weights: Option<&[f32]>,
) -> Result<Vec<Quality>, QualityError> {
    if let Some((row, found)) = weights
        .unwrap_or_default()
        .iter()
        .enumerate()
        .find(|(_, w)| !(w.is_finite() && **w >= 0.0))
    {
        return Err(QualityError::Weight { row, found: *found });
    }
    let weights: Vec<f64> = match weights {
        Some(weights) => weights.iter().map(|w| f64::from(*w)).collect(),
        None => vec![1.0; predictions.rows],
    };
    tasks
        .iter()
        .zip(labels)
        .map(|(t, labels)| one(t, &predictions.task(t), labels, &weights))
        .collect()
}

/// Judges one task: `y` are its outputs, row by row.
fn one(t: &Task, y: &[f64], labels: &[f32], weights: &[f64]) -> Result<Quality, QualityError> {
    let all = labels.len();
    let per_row = label_width(t).max(1);
    // Outputs, labels and weights of what has a label.
    let width = y.len() / all.max(1);
    let present: Vec<usize> = (0..all).filter(|i| !labels[*i].is_nan()).collect();
    let y: Vec<f64> = present
        .iter()
        .flat_map(|i| y[i * width..(i + 1) * width].iter().copied())
        .collect();
    let weights: Vec<f64> = present
        .iter()
        .map(|i| weights.get(i / per_row).copied().unwrap_or_default())
        .collect();
    let at = |i: usize| present[i] / per_row;
    let labels: Vec<f32> = present.iter().map(|i| labels[*i]).collect();
    let nothing = |why| QualityError::Nothing {
        task: t.name.clone(),
        why,
    };
    if labels.is_empty() {
        return Err(nothing("all are NaN"));
    }
    if weights.iter().all(|w| *w == 0.0) {
        return Err(nothing("all rows with a label have the weight 0"));
    }
    let labelled = Labelled {
        present: labels.len(),
        all,
    };
    let labels64: Vec<f64> = labels.iter().map(|l| f64::from(*l)).collect();
    if matches!(t.output, OutputKind::Linear) {
        if let Some(i) = labels.iter().position(|l| !l.is_finite()) {
            return Err(QualityError::Number {
                task: t.name.clone(),
                row: at(i),
                found: labels[i],
            });
        }
        return Ok(Quality::Numbers {
            mse: metrics::weighted_mse(&y, &labels64, &weights),
            calibration: metrics::calibration(&y, &labels64, &weights),
            labels: labelled,
        });
    }
    let classes = t.width.max(2);
    let is_class = |l: &f32| l.fract() == 0.0 && (0.0..classes as f32).contains(l);
    if let Some(i) = labels.iter().position(|l| !is_class(l)) {
        return Err(QualityError::Class {
            task: t.name.clone(),
            row: at(i),
            found: labels[i],
            most: classes - 1,
        });
    }
    if classes == 2 {
        let p: Vec<f64> = if t.width == 1 {
            y
        } else {
            y.chunks_exact(2).map(|p| p[1]).collect()
        };
        let positive: Vec<bool> = labels.iter().map(|l| *l == 1.0).collect();
        let given = p.iter().zip(&positive);
        return Ok(Quality::Classes {
            auc: metrics::weighted_auc(&p, &positive, &weights),
            log_loss: metrics::log_loss(
                given.map(|(p, l)| if *l { *p } else { 1.0 - p }),
                &weights,
            ),
            calibration: metrics::calibration(&p, &labels64, &weights),
            rmse: Some(metrics::weighted_mse(&p, &labels64, &weights).sqrt()),
            labels: labelled,
        });
    }
    // More classes: each against the rest, on average over those that occur.
    let aucs: Vec<f64> = (0..classes)
        .filter_map(|c| {
            let p: Vec<f64> = y.chunks_exact(classes).map(|p| p[c]).collect();
            let is_it: Vec<bool> = labels.iter().map(|l| *l as usize == c).collect();
            metrics::weighted_auc(&p, &is_it, &weights)
        })
        .collect();
    let given: Vec<f64> = y
        .chunks_exact(classes)
        .zip(&labels)
        .map(|(p, l)| p[*l as usize])
        .collect();
    Ok(Quality::Classes {
        auc: (!aucs.is_empty()).then(|| aucs.iter().sum::<f64>() / aucs.len() as f64),
        log_loss: metrics::log_loss(given.into_iter(), &weights),
        calibration: None,
        rmse: None,
        labels: labelled,
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
