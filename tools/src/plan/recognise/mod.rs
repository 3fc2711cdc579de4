//! Recognising the framework that wrote a file from the names and shapes of its tensors.
//!
//! One small file per framework; each is asked in turn and answers with a [`Found`] if the file has
//! its signature.

mod deepctr;
mod deepctr_torch;
mod fuxictr;
mod hub_recsys;
mod keras;
mod keras_mmoe;
mod libmtl;
mod mtreclib;
mod names;
mod plain;
mod pytorch_mmoe;
mod torch_rechub;
mod torcheasyrec;
mod wiring;

use std::collections::HashSet;

use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::Plan;

/// What recognition found: a plan, and what a person should know about it.
#[derive(Debug, Default)]
pub struct Found {
    /// The framework's name.
    pub framework: &'static str,
    /// The model. Tasks without an output are those that the file does not explain.
    pub plan: Plan,
    /// Whether the tasks' names are the file's own.
    pub tasks_named: bool,
    /// What the framework's defaults supplied.
    pub assumptions: Vec<String>,
    /// Prefix of tensors that inference does not need, and why.
    pub dead: Vec<(String, String)>,
    /// Embedding tables, which stand before the model's input.
    pub tables: HashSet<String>,
    /// The same in words.
    pub embeddings: Option<String>,
}

impl Found {
    /// What a whole spec says.
    #[must_use]
    pub fn by_spec(plan: Plan) -> Self {
        Self {
            framework: "spec",
            plan,
            ..Self::default()
        }
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

    fn assume_relu(&mut self, whose: &str) {
        self.assumptions.push(format!(
            "hidden layers are relu ({whose}), gates softmax: a state dict has no activations"
        ));
    }

    /// Says which epsilon the norms got, if there are any.
    fn assume_epsilon(&mut self, epsilon: f64) {
        if self
            .plan
            .units()
            .flat_map(|u| &u.layers)
            .any(|l| l.before.is_some() || l.after.is_some())
        {
            self.assumptions.push(format!(
                "norms stand before the activation, with epsilon {epsilon} (the default): files \
                 do not store it"
            ));
        }
    }
}

/// Asks a file for one framework: `None` if it is not its signature.
type Recogniser = fn(&Weights) -> Option<Result<Found, ModelError>>;

/// In order: the more particular signature first.
const RECOGNISERS: &[Recogniser] = &[
    deepctr_torch::recognise,
    torch_rechub::recognise,
    fuxictr::recognise,
    mtreclib::recognise,
    torcheasyrec::recognise,
    libmtl::recognise,
    pytorch_mmoe::recognise,
    deepctr::recognise,
    hub_recsys::recognise,
    keras_mmoe::recognise,
    plain::recognise,
];

/// Finds the model in a file of a known framework.
///
/// # Errors
///
/// [`ModelError::Unsupported`] for DBMTL, [`ModelError::Unrecognised`] if no signature fits,
/// [`ModelError::Recognition`] if one does and the file breaks it.
pub fn recognise(weights: &Weights) -> Result<Found, ModelError> {
    // EasyRec's and TorchEasyRec's names for what joins a tower to those before it.
    if let Some(name) = weights
        .tensors
        .keys()
        .find(|n| n.contains("relation_dnn/") || n.starts_with("relation_mlps."))
    {
        return Err(ModelError::Unsupported {
            place: format!("`{name}`"),
            what: "DBMTL, a tower that reads another tower's hidden output,".into(),
            remedy: "towers read mixtures, or the input; a task may be the product of two others \
                     (ESMM)"
                .into(),
        });
    }
    RECOGNISERS
        .iter()
        .find_map(|r| r(weights))
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
