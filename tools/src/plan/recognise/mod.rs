//! Recognising the framework that wrote a file from the names and shapes of its tensors.
//!
//! The classes of the PyTorch frameworks are data (`torch.rs`); what cannot be said so has a small
//! file each. All are asked in turn and answer with a [`Found`] if the file has their signature.

mod deepctr;
mod deepctr_numbered;
mod draft;
mod hub_recsys;
mod keras;
mod keras_mmoe;
pub(crate) mod leftovers;
mod libmtl;
mod modules;
mod names;
mod plain;
mod pytorch_mmoe;
mod tables;
mod torch;
mod transfer;
mod wiring;

use std::collections::HashSet;

use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::Plan;
use crate::plan::open::{Habits, Question, questions};

pub use draft::draft;

/// What recognition found: a plan, and what a person should know about it.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The framework's name.
    pub framework: &'static str,
    /// The model. Tasks without an output are those that the file does not explain.
    pub plan: Plan,
    /// Whether the tasks' names are the file's own.
    pub tasks_named: bool,
    /// What a person should know of what was taken: names, orders, copies.
    pub assumptions: Vec<String>,
    /// Where the answers to what the plan leaves open come from.
    pub habits: Habits,
    /// Prefix of tensors that inference does not need, and why.
    pub dead: Vec<(String, String)>,
    /// Embedding tables, which stand before the model's input.
    pub tables: HashSet<String>,
    /// The same in words.
    pub embeddings: Option<String>,
    /// What keeps the file from saying how its input is made of raw fields, where it means to.
    pub unread: Option<Unread>,
}

/// Why a part of what makes the model's input of raw fields is not read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// Where it stands.
    pub place: String,
    /// What it is that is not read.
    pub what: String,
    /// What to do instead.
    pub remedy: String,
}

impl Found {
    /// What stands for the framework where a spec says everything.
    pub const SPEC: &'static str = "spec";

    /// What a whole spec says.
    #[must_use]
    pub fn by_spec(plan: Plan) -> Self {
        Self {
            framework: Self::SPEC,
            plan,
            ..Self::default()
        }
    }

    /// Leaves out what makes the vector of a record, and what was said of its fields.
    pub fn start_at_vector(&mut self) {
        if let Some(record) = self.plan.record.take() {
            self.assumptions.retain(|said| !record.notes.contains(said));
        }
    }

    /// What neither the file nor a spec settles: the outputs' kinds, activations, norms.
    #[must_use]
    pub fn open(&self) -> Vec<Question> {
        questions(&self.plan, &self.habits)
    }

    /// What the file leaves open, each with the key of the spec that says it.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let unknown = self.plan.tasks.iter().filter(|t| t.output.is_none());
        unknown
            .map(|t| {
                format!(
                    "how output `{}` is made: [[tasks]] with name and activation (sigmoid, \
                     softmax, linear)",
                    t.name
                )
            })
            .collect()
    }
}

/// Asks a file for one framework: `None` if it is not its signature.
type Recogniser = fn(&Weights) -> Option<Result<Found, ModelError>>;

/// What no table says, in order: the more particular signature first.
const RECOGNISERS: &[Recogniser] = &[
    keras::recognise,
    libmtl::recognise,
    pytorch_mmoe::recognise,
    deepctr::recognise,
    deepctr_numbered::recognise,
    hub_recsys::recognise,
    keras_mmoe::recognise,
    keras::plain,
    plain::recognise,
];

/// Finds the model in a file of a known framework.
///
/// # Errors
///
/// [`ModelError::Unsupported`] for DBMTL, [`ModelError::Unrecognised`] if no signature fits,
/// [`ModelError::Recognition`] if one does and the file breaks it.
pub fn recognise(weights: &Weights) -> Result<Found, ModelError> {
    if let Some(name) = weights.tensors.keys().find(|n| n.contains("relation_dnn/")) {
        return Err(ModelError::Unsupported {
            place: format!("`{name}`"),
            what: "DBMTL, a tower that reads another tower's hidden output,".into(),
            remedy: "towers read mixtures, or the input; a task may be the product of two others \
                     (ESMM)"
                .into(),
        });
    }
    torch::TABLES
        .iter()
        .find_map(|t| tables::recognise(t, weights))
        .or_else(|| RECOGNISERS.iter().find_map(|r| r(weights)))
        .unwrap_or_else(|| {
            let names: Vec<String> = weights
                .tensors
                .iter()
                .take(4)
                .map(|(n, t)| format!("`{n}` {:?}", t.shape))
                .collect();
            Err(ModelError::Unrecognised(format!(
                "{} tensors: {}, …",
                weights.tensors.len(),
                names.join(", ")
            )))
        })
}
