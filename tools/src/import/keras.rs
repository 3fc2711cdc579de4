//! Keras' `.keras`: a zip archive of the model's configuration and its weights.

use std::collections::HashMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::archive::Archive;
use super::collect::Budget;
use super::{Reason, Weights, hdf5, json};

/// The members that make an archive a Keras model.
pub(super) const CONFIG: &str = "config.json";
/// Where vocabularies stand that look-ups learned.
const ASSETS: &str = "assets/";
/// See [`CONFIG`].
pub(super) const WEIGHTS: &str = "model.weights.h5";

/// What to save instead of a quantized model.
pub(super) const BEFORE_QUANTIZE: &str = "Save the model as it was before `model.quantize(…)`; mmoe quantizes it itself:\n    mmoe \
     convert model.keras --precision i8 …";

/// Models stand in models no deeper than this.
const DEEPEST: usize = 16;

pub(super) fn read(archive: &mut Archive<'_>, mut budget: Budget) -> Result<Weights, Reason> {
    let config = archive.read(CONFIG, &mut budget)?;
    let config = json::parse(&config, "its config.json", &mut budget)?;
    refuse_quantized(&config)?;
    let mut assets = IndexMap::new();
    for name in archive.names().to_vec() {
        if name.starts_with(ASSETS) && name.ends_with(".txt") {
            let text = archive.read(&name, &mut budget)?;
            let text = String::from_utf8(text)
                .map_err(|_| Reason::damaged("Keras", format!("`{name}` is no UTF-8 text")))?;
            assets.insert(name, text);
        }
    }
    let file = archive.read(WEIGHTS, &mut budget)?;
    let mut weights = hdf5::read(file, budget)?;
    weights.assets = assets;
    weights.format = "Keras .keras".to_owned();
    // Keras 3.6 and later write the names; before, they follow from the order of the layers.
    if weights.layer_names.is_empty() {
        let mut named = IndexMap::new();
        name_layers(&config, "", 0, &mut named);
        let has_weights = |path: &str| {
            let inside =
                |name: &String| name.strip_prefix(path).is_some_and(|r| r.starts_with('/'));
            weights.tensors.keys().any(inside)
        };
        named.retain(|path, _| has_weights(path));
        weights.layer_names = named;
    }
    weights.config = Some(config);
    Ok(weights)
}

/// Refuses a model with quantized layers, whose tensors are not the numbers that it computes with.
pub(super) fn refuse_quantized(config: &Value) -> Result<(), Reason> {
    let mut rest = vec![config];
    while let Some(value) = rest.pop() {
        match value {
            Value::Array(values) => rest.extend(values),
            Value::Object(entries) => {
                let text = |key: &str| entries.get(key).and_then(Value::as_str);
                let policy = text("class_name")
                    .is_some_and(|c| c.starts_with("Quantized") && c.ends_with("DTypePolicy"));
                let mode = entries.get("quantization_mode");
                if policy || mode.is_some_and(|mode| !mode.is_null()) {
                    return Err(Reason::Unsupported {
                        kind: "a Keras model with quantized layers",
                        remedy: BEFORE_QUANTIZE,
                    });
                }
                rest.extend(entries.values());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Names the groups of weights as Keras numbered them: by class, in the order of the layers, those
/// without weights counted too.
fn name_layers(config: &Value, path: &str, depth: usize, named: &mut IndexMap<String, String>) {
    let layers = config.pointer("/config/layers").and_then(Value::as_array);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for layer in layers.into_iter().flatten() {
        let Some(class) = layer.get("class_name").and_then(Value::as_str) else {
            continue;
        };
        let name = layer.pointer("/config/name").and_then(Value::as_str);
        let class = snake_case(class);
        let count = counts.entry(class.clone()).or_default();
        let group = match *count {
            0 => class,
            n => format!("{class}_{n}"),
        };
        *count += 1;
        let group = match path {
            "" => format!("layers/{group}"),
            path => format!("{path}/layers/{group}"),
        };
        if depth < DEEPEST {
            name_layers(layer, &group, depth + 1, named);
        }
        if let Some(name) = name {
            named.insert(group, name.to_owned());
        }
    }
}

/// `BatchNormalization` → `batch_normalization`, `MMoE` → `m_mo_e`, as Keras does it with two
/// regular expressions: `(.)([A-Z][a-z]+)` and `([a-z])([A-Z])`, each match split by `_`.
fn snake_case(class: &str) -> String {
    let class: Vec<char> = class
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut words = String::new();
    let mut at = 0;
    while let Some(&c) = class.get(at) {
        words.push(c);
        at += 1;
        let lower = |i: usize| class.get(i).is_some_and(char::is_ascii_lowercase);
        if class.get(at).is_some_and(char::is_ascii_uppercase) && lower(at + 1) {
            words.push('_');
            words.push(class[at]);
            at += 1;
            while lower(at) {
                words.push(class[at]);
                at += 1;
            }
        }
    }
    let mut out = String::new();
    let mut before = ' ';
    for c in words.chars() {
        if before.is_ascii_lowercase() && c.is_ascii_uppercase() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    /// What Keras' own function gives.
    #[test]
    fn classes_as_keras_names_their_groups() {
        for (class, group) in [
            ("Dense", "dense"),
            ("MMoE", "m_mo_e"),
            ("BatchNormalization", "batch_normalization"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("Conv2DTranspose", "conv2d_transpose"),
            ("DNN", "dnn"),
            ("PredictionLayer", "prediction_layer"),
            ("MMoELayer", "m_mo_e_layer"),
            ("GRUCell", "gru_cell"),
        ] {
            assert_eq!(snake_case(class), group);
        }
    }
}
