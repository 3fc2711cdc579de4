//! What Keras files have in common: layers by path and by name, the configuration's connectivity,
//! and towers behind a mixture layer.

use serde_json::Value;

use super::Found;
use super::names::{Names, unit};
use crate::error::ModelError;
use crate::plan::{
    ActivationPlan, GateKindPlan, LayerPlan, Layout, Level, Norm, NormKind, OutputPlan, Plan,
    Reads, TaskPlan, TensorRef, Unit,
};

/// Keras's default epsilon of a batch norm.
pub(super) const EPSILON: f64 = 1e-3;
/// How far a chain of layers is followed.
const DEEPEST: usize = 64;

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
    /// The layer's own name.
    pub(super) name: String,
    /// Width of the experts.
    pub(super) units: usize,
}

/// The whole model around a mixture layer.
pub(super) fn complete(
    names: &Names<'_>,
    mut mixture: Mixture,
    groups: &[Group],
) -> Result<Found, ModelError> {
    let outside = format!("{}/", mixture.path);
    let groups: Vec<&Group> = groups
        .iter()
        .filter(|g| !g.path.starts_with(&outside))
        .collect();
    let config = names
        .weights
        .config
        .as_ref()
        .map(|c| c.get("config").unwrap_or(c))
        .filter(|c| c.get("output_layers").is_some());
    let mut found = Found {
        framework: names.framework,
        tasks_named: config.is_some() || !groups.is_empty(),
        ..Found::default()
    };
    let graph = config.map(|config| Config {
        names,
        config,
        groups: &groups,
        mixture: &mixture.name,
        inside: &outside,
    });
    let layer = graph.as_ref().and_then(|g| g.layer(&mixture.name));
    activate(names, &mut mixture.level, layer, &mut found.assumptions)?;
    let gates = mixture.level.gates.len();
    let (towers, tasks) = match graph {
        Some(graph) => graph.towers(gates, &mut found)?,
        None => by_order(names, &groups, gates, mixture.units, &mut found.assumptions)?,
    };
    let name = config
        .and_then(|c| c.get("name"))
        .and_then(Value::as_str)
        .unwrap_or("model");
    found.plan = Plan {
        name: name.into(),
        levels: vec![mixture.level],
        towers,
        tasks,
        ..Plan::default()
    };
    Ok(found)
}

/// Sets the activations of experts and gates, from the layer's configuration or the framework's
/// defaults.
fn activate(
    names: &Names<'_>,
    level: &mut Level,
    layer: Option<&Value>,
    assumptions: &mut Vec<String>,
) -> Result<(), ModelError> {
    let mut said = |key: &str, default: &str| -> Result<String, ModelError> {
        let value = layer.and_then(|l| l.get("config")).and_then(|c| c.get(key));
        match value {
            None => {
                assumptions.push(format!(
                    "{key} = \"{default}\", the layer's default: the file does not say it"
                ));
                Ok(default.into())
            }
            Some(value) => activation_name(value).ok_or_else(|| {
                names.wrong(
                    &format!("its {key} is {value}"),
                    "describe the model in a spec",
                )
            }),
        }
    };
    let (expert, gate) = (
        said("expert_activation", "relu")?,
        said("gate_activation", "softmax")?,
    );
    let expert = activation(names, &expert, "expert_activation")?;
    for unit in &mut level.experts {
        if let Some(layer) = unit.layers.last_mut() {
            layer.activation = expert.clone();
        }
    }
    let kind = match gate.as_str() {
        "softmax" => GateKindPlan::Softmax,
        "sigmoid" => GateKindPlan::Sigmoid,
        other => {
            return Err(ModelError::Unsupported {
                place: "gate_activation".into(),
                what: format!("a gate with `{other}`"),
                remedy: "gates are softmax or sigmoid; train with one of these".into(),
            });
        }
    };
    for gate in &mut level.gates {
        gate.kind = kind.clone();
    }
    Ok(())
}

/// Towers without a configuration: the dense layers behind the mixture, in the file's order.
fn by_order(
    names: &Names<'_>,
    groups: &[&Group],
    gates: usize,
    units: usize,
    assumptions: &mut Vec<String>,
) -> Result<(Vec<Unit>, Vec<TaskPlan>), ModelError> {
    let depth = groups.len() / gates;
    let chains = |at: &dyn Fn(usize, usize) -> usize| {
        (0..gates).all(|t| {
            let widths = (0..depth).map(|l| groups[at(t, l)].shape);
            widths
                .scan(units, |width, [i, o]| {
                    Some(std::mem::replace(width, o) == i)
                })
                .all(|fits| fits)
        })
    };
    let by_layer = |t: usize, l: usize| l * gates + t;
    let by_task = |t: usize, l: usize| t * depth + l;
    let (at, order): (&dyn Fn(usize, usize) -> usize, _) = match groups.len() % gates {
        0 if chains(&by_layer) => (&by_layer, "all first layers, then all second ones"),
        0 if chains(&by_task) => (&by_task, "task by task"),
        _ => {
            let list: Vec<String> = groups
                .iter()
                .map(|g| format!("`{}` {:?}", g.path, g.shape))
                .collect();
            return Err(names.wrong(
                &format!(
                    "{gates} tasks do not share out its {} layers behind the mixture ({})",
                    groups.len(),
                    list.join(", ")
                ),
                "convert the `.keras` or full `.h5` file, which says how they connect, or \
                 describe the towers in a spec",
            ));
        }
    };
    if depth > 0 {
        assumptions.push(format!(
            "the dense layers behind the mixture are the tasks' towers in the file's order \
             ({order}), hidden ones relu: weights alone do not say how layers connect"
        ));
    }
    let mut towers = Vec::new();
    let mut tasks = Vec::new();
    for t in 0..gates {
        let last = |l| {
            if l + 1 == depth {
                ActivationPlan::Linear
            } else {
                ActivationPlan::Relu
            }
        };
        let mut tower = unit(
            format!("tower {t}"),
            (0..depth)
                .map(|l| groups[at(t, l)].layer(last(l)))
                .collect(),
        );
        tower.reads = Reads::Stream(t);
        towers.push(tower);
        let name = depth
            .checked_sub(1)
            .map_or_else(|| format!("task{t}"), |l| groups[at(t, l)].name.clone());
        tasks.push(TaskPlan { name, output: None });
    }
    Ok((towers, tasks))
}

/// A functional model's configuration.
struct Config<'a> {
    names: &'a Names<'a>,
    config: &'a Value,
    groups: &'a [&'a Group],
    /// Name of the mixture layer.
    mixture: &'a str,
    /// Prefix of the mixture layer's own tensors.
    inside: &'a str,
}

impl<'a> Config<'a> {
    fn layer(&self, name: &str) -> Option<&'a Value> {
        let named = |l: &&Value| {
            [l.get("name"), l.get("config").and_then(|c| c.get("name"))]
                .into_iter()
                .flatten()
                .any(|n| n == name)
        };
        self.config.get("layers")?.as_array()?.iter().find(named)
    }

    fn towers(
        &self,
        gates: usize,
        found: &mut Found,
    ) -> Result<(Vec<Unit>, Vec<TaskPlan>), ModelError> {
        let outputs = self.outputs()?;
        let (mut towers, mut tasks) = (Vec::new(), Vec::<TaskPlan>::new());
        for (name, index, key) in outputs {
            let (mut layers, stream) = self.chain(&name, index)?;
            if stream >= gates {
                return Err(self.wrong(&format!("output `{name}` reads gate {stream} of {gates}")));
            }
            let output = match layers.last_mut() {
                None => OutputPlan::Linear,
                Some(layer) => match std::mem::take(&mut layer.outer) {
                    Some(output) => output,
                    None if layer.plan.activation == ActivationPlan::Linear => OutputPlan::Linear,
                    None => {
                        return Err(self.wrong(&format!(
                            "output `{name}` ends in {:?}, which makes no output",
                            layer.plan.activation
                        )));
                    }
                },
            };
            if let Some(inner) = layers.iter().find(|l| l.outer == Some(OutputPlan::Softmax)) {
                return Err(self.wrong(&format!(
                    "layer `{}` has a softmax inside a tower",
                    inner.name
                )));
            }
            // A layer may serve several outputs: outputs need names of their own.
            let name = key.unwrap_or(name);
            let name = if tasks.iter().any(|t| t.name == name) || name == self.mixture {
                format!("{name}_{}", tasks.len())
            } else {
                name
            };
            let layers = layers.into_iter().map(|l| l.settled()).collect();
            towers.push(Unit {
                name: format!("tower of `{name}`"),
                reads: Reads::Stream(stream),
                slice: None,
                layers,
            });
            tasks.push(TaskPlan {
                name,
                output: Some(output),
            });
        }
        let (before, _) = self.inbound(self.mixture)?;
        if self
            .layer(&before)
            .and_then(|l| l.get("class_name"))
            .is_some_and(|c| c != "InputLayer")
        {
            found.embeddings = Some(format!(
                "layer `{before}` and what stands before it make the blob's input: the blob \
                 starts at the vector that enters the experts"
            ));
        }
        Ok((towers, tasks))
    }

    /// `(layer, tensor, key)` of each output.
    fn outputs(&self) -> Result<Vec<(String, usize, Option<String>)>, ModelError> {
        let reference = |v: &Value| -> Option<(String, usize)> {
            let name = v.get(0)?.as_str()?.to_owned();
            Some((name, usize::try_from(v.get(2)?.as_u64()?).ok()?))
        };
        let outputs = &self.config["output_layers"];
        let all: Option<Vec<_>> = match outputs {
            Value::Object(map) => map
                .iter()
                .map(|(key, v)| reference(v).map(|(n, i)| (n, i, Some(key.clone()))))
                .collect(),
            Value::Array(list) if list.first().is_some_and(Value::is_string) => {
                reference(outputs).map(|(n, i)| vec![(n, i, None)])
            }
            Value::Array(list) => list
                .iter()
                .map(|v| reference(v).map(|(n, i)| (n, i, None)))
                .collect(),
            _ => None,
        };
        all.filter(|a| !a.is_empty())
            .ok_or_else(|| self.wrong("its configuration's output_layers are not a list of layers"))
    }

    /// The layers from the mixture to a tensor, and which of the mixture's outputs they start from.
    fn chain(&self, from: &str, index: usize) -> Result<(Vec<Behind>, usize), ModelError> {
        let (mut name, mut index) = (from.to_owned(), index);
        let mut back = Vec::new();
        while name != self.mixture {
            if back.len() == DEEPEST {
                return Err(self.wrong(&format!(
                    "more than {DEEPEST} layers stand before output `{from}`"
                )));
            }
            let layer = self
                .layer(&name)
                .ok_or_else(|| self.wrong(&format!("its configuration has no layer `{name}`")))?;
            back.push((name.clone(), layer));
            (name, index) = self.inbound(&name)?;
        }
        let mut layers = Vec::new();
        for (name, layer) in back.into_iter().rev() {
            self.read(name, layer, &mut layers)?;
        }
        Ok((layers, index))
    }

    /// The one tensor that a layer is called on.
    fn inbound(&self, name: &str) -> Result<(String, usize), ModelError> {
        let mut sources = Vec::new();
        if let Some(nodes) = self
            .layer(name)
            .and_then(|l| l.get("inbound_nodes"))
            .and_then(Value::as_array)
        {
            for node in nodes {
                collect_sources(node, &mut sources);
            }
        }
        sources.dedup();
        let mut sources = sources.into_iter();
        match (sources.next(), sources.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(self.wrong(&format!(
                "layer `{name}` reads nothing, and the mixture `{}` does not stand before it",
                self.mixture
            ))),
            (Some(a), Some(b)) => Err(self.wrong(&format!(
                "layer `{name}` reads several tensors (`{}`, `{}`, …)",
                a.0, b.0
            ))),
        }
    }

    /// Adds a layer of the configuration to a chain.
    fn read(
        &self,
        name: String,
        layer: &Value,
        layers: &mut Vec<Behind>,
    ) -> Result<(), ModelError> {
        let class = layer
            .get("class_name")
            .and_then(Value::as_str)
            .unwrap_or("");
        let null = Value::Null;
        let config = layer.get("config").unwrap_or(&null);
        let number = |keys: &[&str], default: f64| {
            keys.iter()
                .find_map(|k| config.get(*k))
                .and_then(Value::as_f64)
                .unwrap_or(default)
        };
        match class {
            "Dropout"
            | "GaussianNoise"
            | "GaussianDropout"
            | "AlphaDropout"
            | "SpatialDropout1D"
            | "ActivityRegularization"
            | "Identity" => {}
            "Dense" => {
                let group = self.groups.iter().find(|g| g.name == name).ok_or_else(|| {
                    self.wrong(&format!("layer `{name}` has no kernel among the tensors"))
                })?;
                let mut behind = Behind {
                    name,
                    plan: group.layer(ActivationPlan::Linear),
                    outer: None,
                };
                behind.activate(self.names, config.get("activation"))?;
                layers.push(behind);
            }
            "Activation" => {
                let fresh = layers.last().is_none_or(|l| {
                    l.plan.activation != ActivationPlan::Linear
                        || l.outer.is_some()
                        || l.plan.after.is_some()
                });
                if fresh {
                    layers.push(Behind {
                        name,
                        plan: LayerPlan::default(),
                        outer: None,
                    });
                }
                if let Some(last) = layers.last_mut() {
                    last.activate(self.names, config.get("activation"))?;
                }
            }
            "ReLU"
                if number(&["negative_slope"], 0.0) == 0.0
                    && config.get("max_value").is_none_or(Value::is_null)
                    && number(&["threshold"], 0.0) == 0.0 =>
            {
                layers.push(Behind {
                    name,
                    plan: LayerPlan {
                        activation: ActivationPlan::Relu,
                        ..LayerPlan::default()
                    },
                    outer: None,
                });
            }
            "LeakyReLU" => {
                let activation =
                    ActivationPlan::LeakyRelu(number(&["negative_slope", "alpha"], 0.3));
                layers.push(Behind {
                    name,
                    plan: LayerPlan {
                        activation,
                        ..LayerPlan::default()
                    },
                    outer: None,
                });
            }
            "PReLU" => {
                let path = self.path(&name)?;
                let slope = ["/alpha:0", "/alpha", "/vars/0"]
                    .iter()
                    .map(|e| format!("{path}{e}"))
                    .find(|n| self.names.has(n));
                let slope = slope.ok_or_else(|| {
                    self.wrong(&format!("layer `{name}` has no alpha among the tensors"))
                })?;
                layers.push(Behind {
                    name,
                    plan: LayerPlan {
                        activation: ActivationPlan::PRelu(TensorRef::name(slope)),
                        ..LayerPlan::default()
                    },
                    outer: None,
                });
            }
            "BatchNormalization" | "LayerNormalization" => {
                let norm = self.norm(&name, config, class == "LayerNormalization")?;
                layers.push(Behind {
                    name,
                    plan: LayerPlan {
                        before: Some(norm),
                        ..LayerPlan::default()
                    },
                    outer: None,
                });
            }
            other => {
                return Err(ModelError::Unsupported {
                    place: format!("layer `{name}`"),
                    what: format!("the Keras layer `{other}` behind a mixture"),
                    remedy: "there are Dense, BatchNormalization, LayerNormalization, Activation, \
                             ReLU, LeakyReLU, PReLU and Dropout"
                        .into(),
                });
            }
        }
        Ok(())
    }

    fn norm(&self, name: &str, config: &Value, layer_norm: bool) -> Result<Norm, ModelError> {
        let path = self.path(name)?;
        let epsilon = config
            .get("epsilon")
            .and_then(Value::as_f64)
            .unwrap_or(EPSILON);
        let on = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(true);
        // In `vars/N` only the weights that exist are numbered.
        let mut wanted: Vec<&str> = Vec::new();
        wanted.extend(on("scale").then_some("gamma"));
        wanted.extend(on("center").then_some("beta"));
        if !layer_norm {
            wanted.extend(["moving_mean", "moving_variance"]);
        }
        let find = |key: &str| {
            let number = wanted.iter().position(|w| *w == key)?;
            let names = [
                format!("{path}/{key}:0"),
                format!("{path}/{key}"),
                format!("{path}/vars/{number}"),
            ];
            names
                .into_iter()
                .find(|n| self.names.has(n))
                .map(TensorRef::name)
        };
        let moments = find("moving_mean").zip(find("moving_variance"));
        let kind = moments.map_or(NormKind::Layer, |(m, v)| NormKind::Batch(m, v));
        if kind == NormKind::Layer && !layer_norm {
            return Err(self.wrong(&format!(
                "layer `{name}` has no moving mean and variance among the tensors"
            )));
        }
        Ok(Norm {
            gamma: find("gamma"),
            beta: find("beta"),
            kind,
            epsilon,
        })
    }

    /// Path of the tensors of a layer outside the mixture.
    fn path(&self, name: &str) -> Result<String, ModelError> {
        let listed = self
            .names
            .weights
            .layer_names
            .iter()
            .find(|(path, n)| *n == name && !path.starts_with(self.inside))
            .map(|(path, _)| path.clone());
        let spelled = [format!("{name}/{name}"), name.to_owned()]
            .into_iter()
            .find(|p| self.names.any(&format!("{p}/")));
        listed
            .or(spelled)
            .ok_or_else(|| self.wrong(&format!("layer `{name}` has no tensors")))
    }

    fn wrong(&self, what: &str) -> ModelError {
        self.names.wrong(
            what,
            "describe the model in a spec (`mmoe inspect` lists the tensors)",
        )
    }
}

/// A layer behind the mixture; `outer`: an activation that could be a task's.
struct Behind {
    name: String,
    plan: LayerPlan,
    outer: Option<OutputPlan>,
}

impl Behind {
    fn activate(&mut self, names: &Names<'_>, value: Option<&Value>) -> Result<(), ModelError> {
        let place = format!("layer `{}`", self.name);
        let text = value
            .map_or_else(|| Some("linear".to_owned()), activation_name)
            .ok_or_else(|| {
                names.wrong(
                    &format!("{place} has an activation of its own"),
                    "describe the model in a spec",
                )
            })?;
        match text.as_str() {
            "softmax" => self.outer = Some(OutputPlan::Softmax),
            "sigmoid" => self.outer = Some(OutputPlan::Sigmoid),
            other => self.plan.activation = activation(names, other, &place)?,
        }
        Ok(())
    }

    /// The layer, a sigmoid that was no task's being its activation.
    fn settled(mut self) -> LayerPlan {
        if self.outer == Some(OutputPlan::Sigmoid) {
            self.plan.activation = ActivationPlan::Sigmoid;
        }
        self.plan
    }
}

/// `(layer, tensor)` of everything that an inbound node mentions, in Keras 2's lists or Keras 3's
/// tensors.
fn collect_sources(value: &Value, sources: &mut Vec<(String, usize)>) {
    let tensor = |v: &Value| -> Option<(String, usize)> {
        Some((
            v.get(0)?.as_str()?.to_owned(),
            usize::try_from(v.get(2)?.as_u64()?).ok()?,
        ))
    };
    match value {
        Value::Object(map) => {
            if let Some(one) = map.get("keras_history").and_then(tensor) {
                sources.push(one);
            } else {
                map.values().for_each(|v| collect_sources(v, sources));
            }
        }
        Value::Array(list) => match tensor(value) {
            Some(one) => sources.push(one),
            None => list.iter().for_each(|v| collect_sources(v, sources)),
        },
        _ => {}
    }
}

/// The name of an activation, written as text or as a serialized function.
fn activation_name(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => "linear",
        Value::String(text) => text,
        other => other.get("config").and_then(|c| c.as_str())?,
    };
    Some(text.to_owned())
}

fn activation(names: &Names<'_>, text: &str, place: &str) -> Result<ActivationPlan, ModelError> {
    let _ = names;
    Ok(match text {
        "linear" => ActivationPlan::Linear,
        "relu" => ActivationPlan::Relu,
        "sigmoid" => ActivationPlan::Sigmoid,
        "tanh" => ActivationPlan::Tanh,
        // The function's default; the layer of that name has another.
        "leaky_relu" => ActivationPlan::LeakyRelu(0.2),
        other => {
            return Err(ModelError::Unsupported {
                place: place.into(),
                what: format!("activation `{other}`"),
                remedy: "there are linear, relu, leaky_relu, prelu, sigmoid, tanh".into(),
            });
        }
    })
}
