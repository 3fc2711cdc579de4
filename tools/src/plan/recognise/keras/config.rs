//! A Keras configuration: its layers, what they are called on, and where their tensors are.

use indexmap::IndexMap;
use serde_json::Value;

use crate::error::ModelError;
use crate::plan::recognise::names::Names;

/// Which tensor of the graph: layer, which of its calls, which of what the call gives.
pub(super) type Tensor = (String, usize, usize);

/// A model of the configuration: functional, or a sequence.
pub(super) struct Model<'a> {
    /// In the file's order.
    pub(super) layers: Vec<Layer<'a>>,
    /// The tensors that enter it, in order.
    pub(super) inputs: Vec<Tensor>,
    /// The tensors that leave it, each with its key where they are a dictionary.
    pub(super) outputs: Vec<(Tensor, Option<String>)>,
    pub(super) name: Option<&'a str>,
}

/// A layer of a model.
pub(super) struct Layer<'a> {
    pub(super) name: String,
    pub(super) class: &'a str,
    pub(super) config: &'a Value,
    /// What it is called on, call by call.
    pub(super) calls: Vec<Vec<Tensor>>,
    /// Paths under which its tensors may stand.
    pub(super) paths: Vec<String>,
    /// Paths under which whatever else it keeps may stand.
    pub(super) places: Vec<String>,
}

static NULL: Value = Value::Null;

impl<'a> Model<'a> {
    /// Reads a model's configuration; `containers` are the paths under which its layers' tensors
    /// may stand (`layers`, or nothing for files that name layers).
    pub(super) fn read(
        names: &Names<'a>,
        class: &str,
        config: &'a Value,
        containers: &[String],
    ) -> Result<Self, ModelError> {
        let list = match config
            .get("layers")
            .or(Some(config))
            .and_then(Value::as_array)
        {
            Some(list) => list,
            None => return Err(names.wrong("its configuration has no layers", REMEDY)),
        };
        let mut numbers: IndexMap<String, usize> = IndexMap::new();
        let mut layers: Vec<Layer<'a>> = Vec::new();
        for value in list {
            let class = value
                .get("class_name")
                .and_then(Value::as_str)
                .unwrap_or("");
            let config = value.get("config").unwrap_or(&NULL);
            let name = [value.get("name"), config.get("name")]
                .into_iter()
                .flatten();
            let name = name
                .filter_map(Value::as_str)
                .next()
                .unwrap_or("")
                .to_owned();
            let snake = snake_case(class);
            let number = numbers.entry(snake.clone()).or_insert(0);
            let numbered = if *number == 0 {
                snake
            } else {
                format!("{snake}_{number}")
            };
            *number += 1;
            let mut calls = Vec::new();
            for node in value
                .get("inbound_nodes")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                let mut sources = Vec::new();
                collect_sources(node, &mut sources);
                calls.push(sources);
            }
            layers.push(Layer {
                paths: paths(names, containers, &name, &numbered),
                places: (containers.iter().filter(|c| !c.is_empty()))
                    .map(|c| format!("{c}/{numbered}"))
                    .collect(),
                name,
                class,
                config,
                calls,
            });
        }
        let (inputs, outputs) = if class == "Sequential" {
            chain(&mut layers)
        } else {
            (
                references(config.get("input_layers")),
                outputs(config.get("output_layers")),
            )
        };
        if outputs.is_empty() {
            return Err(names.wrong(
                "its configuration's output_layers are not a list of layers",
                REMEDY,
            ));
        }
        let inputs = inputs.into_iter().map(|(t, _)| t).collect();
        let name = config.get("name").and_then(Value::as_str);
        Ok(Self {
            layers,
            inputs,
            outputs,
            name,
        })
    }

    pub(super) fn layer(&self, name: &str) -> Option<&Layer<'a>> {
        self.layers.iter().find(|l| l.name == name)
    }
}

pub(super) const REMEDY: &str = "describe the model in a spec (`mmoe inspect` lists the tensors)";

/// The wiring of a sequence: each layer reads the one before.
fn chain(layers: &mut [Layer<'_>]) -> (Outputs, Outputs) {
    let mut before: Option<Tensor> = None;
    for layer in layers.iter_mut() {
        layer.calls = vec![before.iter().cloned().collect()];
        before = Some((layer.name.clone(), 0, 0));
    }
    let first = layers.first().map(|l| ((l.name.clone(), 0, 0), None));
    (
        first.into_iter().collect(),
        before.map(|t| (t, None)).into_iter().collect(),
    )
}

type Outputs = Vec<(Tensor, Option<String>)>;

fn reference(v: &Value) -> Option<Tensor> {
    let number = |i: usize| usize::try_from(v.get(i)?.as_u64()?).ok();
    Some((v.get(0)?.as_str()?.to_owned(), number(1)?, number(2)?))
}

/// One tensor, a list of them, or a dictionary.
fn references(value: Option<&Value>) -> Outputs {
    match value {
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, v)| Some((reference(v)?, Some(key.clone()))))
            .collect(),
        Some(one @ Value::Array(list)) if list.first().is_some_and(Value::is_string) => {
            reference(one).map(|t| (t, None)).into_iter().collect()
        }
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|v| Some((reference(v)?, None)))
            .collect(),
        _ => Vec::new(),
    }
}

fn outputs(value: Option<&Value>) -> Outputs {
    references(value)
}

/// Paths under which a layer's tensors may stand, the likeliest first.
fn paths(names: &Names<'_>, containers: &[String], name: &str, numbered: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for container in containers {
        let under = |n: &str| {
            if container.is_empty() {
                n.to_owned()
            } else {
                format!("{container}/{n}")
            }
        };
        // Keras 3 says which path belongs to which name.
        let said = names.weights.layer_names.iter();
        paths.extend(
            said.filter(|(path, n)| {
                *n == name && path.rsplit_once('/').map_or("", |(parent, _)| parent) == container
            })
            .map(|(path, _)| path.clone()),
        );
        let of_layers = container == "layers" || container.ends_with("/layers");
        if of_layers {
            paths.push(under(numbered));
        } else {
            paths.push(under(&format!("{name}/{name}")));
            paths.push(under(name));
        }
    }
    let exists = |p: &String| names.any(&format!("{p}/"));
    let mut seen: Vec<String> = Vec::new();
    for path in paths.into_iter().filter(exists) {
        if !seen.contains(&path) {
            seen.push(path);
        }
    }
    seen
}

/// A class's name as Keras numbers its layers by: `MMoE` → `m_mo_e`, `PReLU` → `p_re_lu`.
pub(super) fn snake_case(class: &str) -> String {
    let text: Vec<char> = class
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut out = String::new();
    for (i, c) in text.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|b| text.get(b));
        let after = text.get(i + 1);
        let starts = c.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase() || (*b != '_' && after.is_some_and(|a| a.is_lowercase()))
            });
        if starts {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// Every tensor that an inbound node mentions, in Keras 2's lists or Keras 3's tensors.
fn collect_sources(value: &Value, sources: &mut Vec<Tensor>) {
    match value {
        Value::Object(map) => {
            if let Some(one) = map.get("keras_history").and_then(reference) {
                sources.push(one);
            } else {
                map.values().for_each(|v| collect_sources(v, sources));
            }
        }
        Value::Array(list) => match reference(value) {
            Some(one) => {
                sources.push(one);
                // Keras 2 puts further arguments, tensors among them, behind the reference.
                if let Some(more) = list.get(3) {
                    collect_sources(more, sources);
                }
            }
            None => list.iter().for_each(|v| collect_sources(v, sources)),
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn classes_are_numbered_under_keras_s_names() {
        for (class, name) in [
            ("Dense", "dense"),
            ("MMoE", "m_mo_e"),
            ("PReLU", "p_re_lu"),
            ("ReLU", "re_lu"),
            ("DNN", "dnn"),
            ("LeakyReLU", "leaky_re_lu"),
            ("BatchNormalization", "batch_normalization"),
            ("PredictionLayer", "prediction_layer"),
            ("InputLayer", "input_layer"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }
}
