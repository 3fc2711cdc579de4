//! Keras files: a configuration is followed from its inputs to its outputs ([`trace`]); without one
//! the layers behind a mixture are taken in the file's order ([`order`]).

mod config;
mod lambda;
mod layer;
mod order;
mod preprocess;
mod record;
mod trace;
mod wire;

use serde_json::Value;

use super::Found;
use super::names::Names;
use super::{hub_recsys, keras_mmoe};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, GateKindPlan, LayerPlan, Layout, Level, TensorRef};
use config::Model;
use trace::Tracer;

/// A dense layer of the file.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Path of its tensors.
    pub(super) path: String,
    /// The layer's own name.
    pub(super) name: String,
    /// `[inputs, outputs]`.
    pub(super) shape: [usize; 2],
    kernel: String,
    bias: Option<String>,
}

impl Group {
    /// Path of the layer that holds this one; empty for none.
    pub(super) fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    pub(super) fn layer(&self, activation: ActivationPlan) -> LayerPlan {
        LayerPlan {
            weight: Some(TensorRef::name(&self.kernel)),
            layout: Layout::InOut,
            bias: self.bias.as_ref().map(TensorRef::name),
            activation,
            ..LayerPlan::default()
        }
    }
}

/// The dense layers of a file, in its order.
pub(super) fn groups(names: &Names<'_>) -> Vec<Group> {
    const ENDINGS: [(&str, &str); 3] = [
        ("/kernel:0", "/bias:0"),
        ("/kernel", "/bias"),
        ("/vars/0", "/vars/1"),
    ];
    let of = |kernel: &String| {
        let (path, bias) = ENDINGS.iter().find_map(|(k, b)| {
            kernel
                .strip_suffix(k)
                .map(|path| (path, format!("{path}{b}")))
        })?;
        let &[inputs, outputs] = names.shape(kernel) else {
            return None;
        };
        let name = names
            .weights
            .layer_names
            .get(path)
            .map_or_else(|| path.rsplit('/').next().unwrap_or(path), String::as_str);
        let bias = (names.shape(&bias) == [outputs]).then_some(bias);
        Some(Group {
            path: path.into(),
            name: name.into(),
            shape: [inputs, outputs],
            kernel: kernel.clone(),
            bias,
        })
    };
    names.weights.tensors.keys().filter_map(of).collect()
}

/// A mixture layer that was found in a file, and what is needed to go on from it.
pub(super) struct Mixture {
    /// Experts and gates, activations not yet known.
    pub(super) level: Level,
    /// Path of its tensors.
    pub(super) path: String,
    /// How wide is what it reads.
    pub(super) inputs: usize,
    /// Width of the experts.
    pub(super) units: usize,
}

/// Follows a file's configuration; `None` where it has none, or is no model of layers.
pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let config = weights.config.as_ref()?;
    let class = config
        .get("class_name")
        .and_then(Value::as_str)
        .unwrap_or("Functional");
    let config = config.get("config").unwrap_or(config);
    let known = config.get("output_layers").is_some() || class == "Sequential";
    let names = Names {
        weights,
        framework: "a Keras model",
    };
    known.then(|| followed(names, class, config))
}

fn followed(mut names: Names<'_>, class: &str, config: &Value) -> Result<Found, ModelError> {
    if let Some(framework) = framework(names.weights) {
        names.framework = framework;
    }
    let containers = ["layers".to_owned(), String::new()];
    let model = Model::read(&names, class, config, &containers)?;
    let traced = Tracer::trace(&names, &model)?;
    let before = traced.before.clone();
    let wired = wire::wire(&names, traced)?;
    let mut found = Found {
        framework: names.framework,
        plan: wired.plan,
        tasks_named: true,
        assumptions: wired.notes,
        ..Found::default()
    };
    found.habits.source = "the layer's default: the file does not say it";
    found.plan.name = model.name.unwrap_or("model").into();
    let mut tables = |names_of: &dyn Fn(&String) -> bool| {
        for layer in model.layers.iter().filter(|l| names_of(&l.name)) {
            let under = |n: &&String| layer.paths.iter().any(|p| n.starts_with(&format!("{p}/")));
            let tensors = names.weights.tensors.keys();
            found.tables.extend(tensors.filter(under).cloned());
        }
    };
    tables(&|name| before.contains(name));
    // How many rows a `Normalization` measured.
    for layer in model.layers.iter().filter(|l| l.class == "Normalization") {
        for path in &layer.paths {
            let why = "counts the rows that were measured";
            found.dead.push((format!("{path}/vars/2"), why.into()));
            found.dead.push((format!("{path}/count"), why.into()));
        }
    }
    if model
        .layer(&wired.input)
        .is_none_or(|l| l.class != "InputLayer")
    {
        let starts = format!(
            "layer `{}` and what stands before it make the blob's input: the blob starts at the \
             vector that enters the experts",
            wired.input
        );
        let prepares = |name: &String| {
            let layer = model.layer(name);
            layer.is_some_and(|l| record::PREPROCESSING.contains(&l.class))
        };
        let all = record::before(&model, &wired.input);
        match record::read(&names, &model, &wired.input) {
            Ok(record) => {
                tables(&|name| all.contains(name));
                found.assumptions.extend(record.notes.iter().cloned());
                found.plan.record = Some(record);
            }
            Err(unread) if before.iter().any(prepares) => {
                tables(&|name| all.contains(name));
                found.unread = Some(unread);
            }
            Err(unread) => {
                found.embeddings = Some(format!("{starts} ({}: {})", unread.place, unread.what));
            }
        }
    }
    if let Some(policy) = mixed(&config.to_string()) {
        found.assumptions.push(format!(
            "the file computes in {policy}; mmoe computes in f32, so outputs differ by that rounding"
        ));
    }
    Ok(found)
}

/// The framework whose layer is in the file, for people.
fn framework(weights: &Weights) -> Option<&'static str> {
    let names = Names {
        weights,
        framework: "",
    };
    if weights.config.as_ref()?.to_string().contains("deepctr") {
        return Some("DeepCTR");
    }
    if keras_mmoe::packed(&names, None).is_some() {
        return Some(keras_mmoe::NAME);
    }
    hub_recsys::parts(&groups(&names), None).map(|_| hub_recsys::NAME)
}

/// A policy of half precision in a configuration.
fn mixed(config: &str) -> Option<&'static str> {
    ["bfloat16", "float16"].into_iter().find(|p| {
        config.contains(&format!("\"mixed_{p}\"")) || config.contains(&format!("\"name\":\"{p}\""))
    })
}

/// The mixture that a layer of the configuration holds, its activations from its own
/// configuration; `None` where it holds none.
fn mixture_at(names: &Names<'_>, layer: &config::Layer<'_>) -> Result<Option<Mixture>, ModelError> {
    for path in &layer.paths {
        let found = hub_recsys::mixture(names, Some(path))
            .or_else(|| keras_mmoe::mixture(names, Some(path)));
        if let Some(mut mixture) = found {
            if layer.config.to_string().contains("QuantizedDTypePolicy") {
                return Err(ModelError::Unsupported {
                    place: format!("layer `{}`", layer.name),
                    what: "a layer that Keras quantized (`model.quantize`)".into(),
                    remedy: "convert the file saved before that call; mmoe quantizes itself \
                             (--precision i8)"
                        .into(),
                });
            }
            activate(names, &mut mixture.level, Some(layer.config))?;
            return Ok(Some(mixture));
        }
    }
    Ok(None)
}

/// Sets the activations of experts and gates, from the layer's configuration or the framework's
/// defaults, which are marked open.
fn activate(
    names: &Names<'_>,
    level: &mut Level,
    config: Option<&Value>,
) -> Result<(), ModelError> {
    let said = |key: &str| -> Result<Option<String>, ModelError> {
        let Some(value) = config.and_then(|c| c.get(key)) else {
            return Ok(None);
        };
        layer::activation_name(value).map(Some).ok_or_else(|| {
            names.wrong(
                &format!("its {key} is {value}"),
                "describe the model in a spec",
            )
        })
    };
    let (expert, gate) = (said("expert_activation")?, said("gate_activation")?);
    let function = match expert.as_deref() {
        None => ActivationPlan::Relu,
        Some(text) => layer::activation(text, "expert_activation")?,
    };
    for unit in &mut level.experts {
        if let Some(layer) = unit.layers.last_mut() {
            layer.activation = function.clone();
            layer.open.activation = expert.is_none();
        }
    }
    let kind = match gate.as_deref() {
        None | Some("softmax") => GateKindPlan::Softmax,
        Some("sigmoid") => GateKindPlan::Sigmoid,
        Some("linear") => GateKindPlan::Linear,
        Some(other) => {
            return Err(ModelError::Unsupported {
                place: "gate_activation".into(),
                what: format!("a gate with `{other}`"),
                remedy: "gates are softmax or sigmoid; train with one of these".into(),
            });
        }
    };
    for one in &mut level.gates {
        one.kind = kind.clone();
        one.open = gate.is_none();
    }
    Ok(())
}

/// The model around a mixture in a file without a configuration.
pub(super) fn by_order(names: &Names<'_>, mut mixture: Mixture) -> Result<Found, ModelError> {
    activate(names, &mut mixture.level, None)?;
    order::complete(names, mixture)
}

/// Weights of a functional model of dense layers alone.
pub(super) fn plain(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "dense layers of Keras",
    };
    let keras = weights.config.is_none() && weights.format.contains("Keras");
    if keras { order::plain(&names) } else { None }
}
