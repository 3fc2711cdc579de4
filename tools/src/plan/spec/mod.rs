//! The sidecar spec: a TOML file that says what a weights file cannot (`docs/spec.md`).
//!
//! [`Spec::parse`] reads it, [`Spec::plan`] fills in its patterns. A spec that says nothing of
//! experts, gates and towers is *partial*: it names and completes what recognition finds
//! ([`Spec::complete`]).

mod expand;
mod fields;
mod gates;
mod layers;
mod pattern;
mod raw;

mod words;
pub mod write;

use std::ops::Range;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::error::ModelError;
use crate::graph::Input;
use crate::import::Tensor;
use crate::plan::recognise::Found;
use crate::plan::{ActivationPlan, OutputPlan, Plan, TaskPlan};

/// A spec that was read, its patterns not yet filled in.
#[derive(Debug)]
pub struct Spec {
    raw: raw::Spec,
    lines: Lines,
    /// Where the files that it names lie.
    dir: PathBuf,
}

/// Where the blob starts, if the file of the weights says how its input is made of raw fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordWord {
    /// At the record, as the file has it.
    File,
    /// At the vector that enters the first layers.
    Vector,
}

impl Spec {
    /// Reads the text of a spec. Files that it names are looked for in the current folder;
    /// [`parse_in`](Self::parse_in) says another.
    ///
    /// # Errors
    ///
    /// As [`parse_in`](Self::parse_in).
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        Self::parse_in(text, Path::new(""))
    }

    /// Reads the text of a spec that lies in this folder.
    ///
    /// # Errors
    ///
    /// Text that is not TOML; unknown, missing and mistyped keys, with their lines; tasks that
    /// contradict themselves.
    pub fn parse_in(text: &str, dir: &Path) -> Result<Self, ModelError> {
        let raw: raw::Spec = toml::from_str(text)
            .map_err(|e| ModelError::Toml(e.to_string().trim_end().to_owned()))?;
        let spec = Self {
            raw,
            lines: Lines(text.to_owned()),
            dir: dir.to_owned(),
        };
        spec.tasks()?;
        Ok(spec)
    }

    /// Whether it leaves experts, gates and towers to recognition.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let raw = &self.raw;
        let units = [&raw.experts, &raw.towers];
        units.into_iter().flatten().all(|u| u.as_ref().is_partial())
            && raw.gates.as_ref().is_none_or(|g| g.as_ref().is_partial())
            && raw.levels.is_empty()
    }

    /// Where the blob starts; `None`: the spec does not say it.
    ///
    /// # Errors
    ///
    /// A word that is none.
    pub fn record(&self) -> Result<Option<RecordWord>, ModelError> {
        let Some(word) = &self.raw.record else {
            return Ok(None);
        };
        match word.as_ref().as_str() {
            "file" => Ok(Some(RecordWord::File)),
            "vector" => Ok(Some(RecordWord::Vector)),
            other => Err(ModelError::Invalid {
                place: self.place("the spec", word.span()),
                what: format!("record = \"{other}\""),
                remedy: "write \"file\" for a blob that takes records as the file of the weights \
                         has them, or \"vector\" for one that starts at the vector"
                    .into(),
            }),
        }
    }

    /// What it says of fields that a file of features describes.
    #[must_use]
    pub fn features(&self) -> &crate::features::Spec {
        &self.raw.features
    }

    /// Patterns of tensors that take part in nothing.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.raw.ignore
    }

    /// Fills in the patterns of a whole spec; `tensors` decides how a norm's prefix is spelled.
    ///
    /// # Errors
    ///
    /// Keys that are missing or contradict each other, patterns without a meaning.
    pub fn plan(&self, tensors: &IndexMap<String, Tensor>) -> Result<Plan, ModelError> {
        expand::expand(self, tensors)
    }

    /// Answers with the spec's words what a whole spec's layers leave open.
    ///
    /// # Errors
    ///
    /// Words that are none.
    pub fn answer(&self, found: &mut Found) -> Result<(), ModelError> {
        words::apply(self, found, false)
    }

    /// Names and completes what recognition found; the spec's word counts.
    ///
    /// # Errors
    ///
    /// Tasks that do not fit the towers that were found.
    pub fn complete(&self, found: &mut Found) -> Result<(), ModelError> {
        words::apply(self, found, true)?;
        let plan = &mut found.plan;
        if let Some(name) = &self.raw.name {
            plan.name.clone_from(name);
        }
        if let Some(version) = self.raw.version {
            plan.version = version;
        }
        let inputs = self.inputs();
        if !inputs.is_empty() {
            plan.inputs = inputs;
        }
        if let Some(fields) = fields::plan(self)? {
            plan.fields = Some(fields);
        }
        let tasks = self.tasks()?;
        if tasks.is_empty() {
            return Ok(());
        }
        let new: Vec<&TaskPlan> = tasks.iter().filter(|t| !t.is_product()).collect();
        let old: Vec<&TaskPlan> = plan.tasks.iter().filter(|t| !t.is_product()).collect();
        let wrong = |what: String, remedy: &str| ModelError::Invalid {
            place: "[[tasks]]".into(),
            what,
            remedy: remedy.into(),
        };
        let file = || {
            old.iter()
                .map(|t| format!("`{}`", t.name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        if new.len() != plan.towers.len() {
            let names = if found.tasks_named {
                format!(": {}", file())
            } else {
                String::new()
            };
            return Err(wrong(
                format!(
                    "the spec lists {} tasks that need a tower, the file has {} towers{names}",
                    new.len(),
                    plan.towers.len()
                ),
                "list one [[tasks]] per tower",
            ));
        }
        let at: Vec<Option<usize>> = new
            .iter()
            .map(|t| {
                old.iter()
                    .position(|o| found.tasks_named && o.name == t.name)
            })
            .collect();
        let mut at = at;
        if let [Some(_), ..] | [.., Some(_)] = at.as_slice()
            && at.iter().filter(|a| a.is_none()).count() == 1
        {
            // The one name that is left is the one tower that is left.
            let free = (0..old.len()).find(|i| !at.contains(&Some(*i)));
            at.iter_mut()
                .filter(|a| a.is_none())
                .for_each(|a| *a = free);
        }
        if at.iter().all(Option::is_some) {
            // The same names, perhaps in another order: the outputs stand in the spec's.
            let mut towers: Vec<Option<_>> = std::mem::take(&mut plan.towers)
                .into_iter()
                .map(Some)
                .collect();
            plan.towers = at
                .iter()
                .flatten()
                .filter_map(|i| towers.get_mut(*i).and_then(Option::take))
                .collect();
        } else if at.iter().any(Option::is_some) {
            return Err(wrong(
                format!(
                    "the file calls its tasks {}, the spec only some of them so",
                    file()
                ),
                "use the file's names, or new names for all in the file's order",
            ));
        } else {
            let pair = |(i, t): (usize, &&TaskPlan)| {
                let known = old
                    .get(i)
                    .filter(|_| found.tasks_named)
                    .map_or_else(String::new, |o| format!(" (`{}` in the file)", o.name));
                format!("`{}` is tower {i}{known}", t.name)
            };
            let pairs = new
                .iter()
                .enumerate()
                .map(pair)
                .collect::<Vec<_>>()
                .join(", ");
            found.assumptions.push(format!(
                "the spec's tasks stand in the order of the file's towers: {pairs}"
            ));
        }
        // What the file says of an output, and the spec says otherwise, is a question.
        let said: Vec<Option<OutputPlan>> = match at.iter().copied().collect::<Option<Vec<_>>>() {
            Some(at) => at
                .iter()
                .map(|i| old.get(*i).and_then(|t| t.output))
                .collect(),
            None => old.iter().map(|t| t.output).collect(),
        };
        let mut said = said.into_iter();
        let mut tasks = tasks;
        for task in tasks.iter_mut().filter(|t| !t.is_product()) {
            let file = said.next().flatten();
            task.differs = file.filter(|f| task.output.is_some_and(|o| o != *f));
        }
        plan.tasks = tasks;
        Ok(())
    }

    fn inputs(&self) -> Vec<Input> {
        let input = |i: &raw::Input| Input {
            name: i.name.clone(),
            count: i.count,
            min: i.min,
            max: i.max,
            mean: i.mean,
            std: i.std,
            folded: false,
            codes: (i.one_hot == Some(true)).then_some(1),
        };
        self.raw.inputs.iter().map(input).collect()
    }

    fn tasks(&self) -> Result<Vec<TaskPlan>, ModelError> {
        let mut tasks: Vec<TaskPlan> = Vec::new();
        for raw in &self.raw.tasks {
            let task = raw.as_ref();
            let place = || self.place(&format!("task `{}`", task.name), task.activation.span());
            if tasks.iter().any(|t| t.name == task.name) {
                return Err(ModelError::DuplicateTask(task.name.clone()));
            }
            let output = match task.activation.as_ref().as_str() {
                "linear" => OutputPlan::Linear,
                "sigmoid" => OutputPlan::Sigmoid,
                "softmax" => OutputPlan::Softmax,
                "product" => self.product(task, &tasks)?,
                // A draft's question.
                "?" => {
                    let name = task.name.clone();
                    tasks.push(TaskPlan::new(name, None));
                    continue;
                }
                "relu" => OutputPlan::Relu,
                "softplus" => OutputPlan::Softplus,
                "exp" => OutputPlan::Exp,
                "tanh" => OutputPlan::Tanh,
                "clip" => match (task.min, task.max) {
                    (Some(min), Some(max)) if min < max => OutputPlan::Clip { min, max },
                    _ => {
                        return Err(ModelError::MissingKey {
                            place: place(),
                            key: "min and max".into(),
                            remedy: "a clipped output has both, min below max: min = 0.0, max = \
                                     5.0"
                            .into(),
                        });
                    }
                },
                other => {
                    let near = ActivationPlan::near(other)
                        .map_or_else(String::new, |n| format!("did you mean `{n}`? "));
                    return Err(ModelError::Invalid {
                        place: place(),
                        what: format!("activation = \"{other}\" makes no output"),
                        remedy: format!(
                            "{near}write \"sigmoid\", \"softmax\", \"linear\", \"relu\", \
                             \"softplus\", \"exp\", \"tanh\", \"clip\" with min and max, or \
                             \"product\" with of = [\"a\", \"b\"]"
                        ),
                    });
                }
            };
            let clip = matches!(output, OutputPlan::Clip { .. });
            if (task.min.is_some() || task.max.is_some()) && !clip {
                return Err(ModelError::Invalid {
                    place: place(),
                    what: "`min` and `max` belong to a clipped output".into(),
                    remedy: "write activation = \"clip\", or remove them".into(),
                });
            }
            if task.of.is_some() && !matches!(output, OutputPlan::Product(..)) {
                return Err(ModelError::Invalid {
                    place: place(),
                    what: "`of` belongs to a product".into(),
                    remedy: "write activation = \"product\" or remove `of`".into(),
                });
            }
            tasks.push(TaskPlan::new(task.name.clone(), Some(output)));
        }
        Ok(tasks)
    }

    fn product(&self, task: &raw::Task, before: &[TaskPlan]) -> Result<OutputPlan, ModelError> {
        let wrong = |what: String| ModelError::Invalid {
            place: self.place(&format!("task `{}`", task.name), task.activation.span()),
            what,
            remedy: "write of = [\"a\", \"b\"] with two tasks that stand before it".into(),
        };
        let Some([a, b]) = task.of.as_deref() else {
            return Err(wrong("a product needs two factors".into()));
        };
        let index = |name: &String| {
            before
                .iter()
                .position(|t| t.name == *name)
                .ok_or_else(|| wrong(format!("no task `{name}` stands before it")))
        };
        Ok(OutputPlan::Product(index(a)?, index(b)?))
    }

    /// `what (spec line 7)`.
    fn place(&self, what: &str, span: Range<usize>) -> String {
        format!("{what} (spec line {})", self.lines.of(span.start))
    }
}

/// The text of the spec, to tell lines.
#[derive(Debug)]
struct Lines(String);

impl Lines {
    /// The line of a byte offset, counted from 1.
    fn of(&self, offset: usize) -> usize {
        1 + self.0.bytes().take(offset).filter(|b| *b == b'\n').count()
    }
}
