//! What the operators of `ai.onnx.ml` are in a program: scalers and encoders, which stand before a
//! model where its preprocessing was exported with it.

use super::messages::Attribute;
use super::operators::{Attributes, shortest};
use super::{Reason, constant};
use crate::import::collect::Budget;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Binary, Given, Op};

/// Adds what a node does; gives back the value that it makes, or `None` where it is not known.
pub(super) fn translate(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    label: Label<'_>,
    inputs: &[usize],
    budget: &mut Budget,
) -> Result<Option<usize>, Reason> {
    let Some(x) = inputs.first().copied() else {
        return Ok(None);
    };
    Ok(match label.kind {
        "Scaler" => {
            // `(x − offset)·scale`, one number for all or one a feature.
            let offset = floats(b, attributes, "offset", 0.0);
            let scale = floats(b, attributes, "scale", 1.0);
            let centred = b.step(Op::Binary(Binary::Sub), label, &[x, offset]);
            Some(b.step(Op::Binary(Binary::Mul), label, &[centred, scale]))
        }
        "Binarizer" => {
            let threshold = b.constant(Array::scalar(attributes.float("threshold", 0.0)));
            let above = b.step(Op::Binary(Binary::Less), label, &[threshold, x]);
            b.set_kind(above, Given::Numbers);
            Some(above)
        }
        "ArrayFeatureExtractor" => match inputs {
            [_, _] => Some(b.step(Op::Gather { axis: -1 }, label, inputs)),
            _ => None,
        },
        "FeatureVectorizer" => {
            let made = b.step(Op::Concat { axis: -1 }, label, inputs);
            b.set_kind(made, Given::Numbers);
            Some(made)
        }
        "LabelEncoder" => {
            let Some(map) = map(b, attributes, x, budget)? else {
                return Ok(None);
            };
            Some(b.step(Op::Find, label, &[x, map[0], map[1], map[2]]))
        }
        "CategoryMapper" => {
            let map = classes(
                b,
                attributes,
                x,
                "cats_strings",
                attributes.ints("cats_int64s"),
            );
            map.map(|map| b.step(Op::Find, label, &[x, map[0], map[1], map[2]]))
        }
        "OneHotEncoder" => one_hot(b, attributes, label, x),
        _ => None,
    })
}

fn floats(b: &mut Builder, attributes: &Attributes<'_>, name: &str, default: f64) -> usize {
    let given = attributes.find(name).map(|a| a.floats.clone());
    let numbers = given.unwrap_or_default().into_iter().map(shortest);
    let numbers: Vec<f64> = numbers.collect();
    match numbers.len() {
        0 | 1 => b.constant(Array::scalar(numbers.first().copied().unwrap_or(default))),
        _ => b.constant(Array::vector(numbers)),
    }
}

/// A column a category, 1 where the element is that category.
fn one_hot(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    label: Label<'_>,
    x: usize,
) -> Option<usize> {
    let mut x = x;
    let categories: Vec<f64> = if b.kind(x) == Given::Texts {
        texts(b, attributes.find("cats_strings")?)
    } else {
        // Numbers are cut to whole ones first.
        if b.kind(x) == Given::Numbers {
            x = b.step(Op::Truncate, label, &[x]);
        }
        let ids = attributes.ints("cats_int64s")?;
        ids.iter().map(|v| *v as f64).collect()
    };
    let categories = b.constant(Array::vector(categories));
    let axes = Some(vec![-1]);
    let wide = b.step(Op::Unsqueeze { axes }, label, &[x]);
    let made = b.step(Op::Binary(Binary::Equal), label, &[wide, categories]);
    b.set_kind(made, Given::Numbers);
    Some(made)
}

fn texts(b: &mut Builder, attribute: &Attribute) -> Vec<f64> {
    let texts = attribute.strings.iter();
    texts
        .map(|text| b.text(&String::from_utf8_lossy(text)))
        .collect()
}

/// Keys, values and the default of a label encoder.
fn map(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    x: usize,
    budget: &mut Budget,
) -> Result<Option<[usize; 3]>, Reason> {
    if attributes.find("classes_strings").is_some() {
        return Ok(classes(b, attributes, x, "classes_strings", None));
    }
    let (Some((keys, kind)), Some((values, made))) = (
        side(b, attributes, "keys", budget)?,
        side(b, attributes, "values", budget)?,
    ) else {
        return Ok(None);
    };
    // NaN as a key is equal to itself here only.
    if (kind == Given::Texts) != (b.kind(x) == Given::Texts) || keys.iter().any(|k| k.is_nan()) {
        return Ok(None);
    }
    let tensor = attributes
        .find("default_tensor")
        .and_then(|a| a.tensor.as_ref());
    let default = match (tensor, made) {
        (Some(tensor), _) => constant(b, tensor, None, budget)?.0.data.first().copied(),
        (None, Given::Texts) => Some(b.text(&default_text(attributes))),
        (None, Given::Wholes) => Some(attributes.int("default_int64", -1) as f64),
        (None, Given::Numbers) => Some(attributes.float("default_float", 0.0)),
    };
    let keys = b.constant(Array::vector(keys));
    let values = b.constant(Array::vector(values));
    b.set_kind(values, made);
    Ok(default.map(|default| [keys, values, b.constant(Array::scalar(default))]))
}

fn default_text(attributes: &Attributes<'_>) -> String {
    match attributes.find("default_string") {
        Some(_) => attributes.text("default_string"),
        None => "_Unused".into(),
    }
}

/// The keys or the values of a label encoder.
fn side(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    name: &str,
    budget: &mut Budget,
) -> Result<Option<(Vec<f64>, Given)>, Reason> {
    let find = |kind: &str| attributes.find(&format!("{name}_{kind}"));
    if let Some(tensor) = find("tensor").and_then(|a| a.tensor.as_ref()) {
        let (array, kind) = constant(b, tensor, None, budget)?;
        return Ok(Some((array.data, kind)));
    }
    Ok(if let Some(strings) = find("strings") {
        Some((texts(b, strings), Given::Texts))
    } else if let Some(ints) = find("int64s") {
        let ints = ints.ints.iter().map(|v| *v as f64);
        Some((ints.collect(), Given::Wholes))
    } else if let Some(floats) = find("floats") {
        let floats = floats.floats.iter().map(|v| f64::from(*v));
        Some((floats.collect(), Given::Numbers))
    } else {
        None
    })
}

/// Texts and their ids, which are their places unless they are given; from either to the other.
fn classes(
    b: &mut Builder,
    attributes: &Attributes<'_>,
    x: usize,
    name: &str,
    ids: Option<Vec<i64>>,
) -> Option<[usize; 3]> {
    let texts = texts(b, attributes.find(name)?);
    let ids: Vec<f64> = match ids {
        Some(ids) => ids.iter().map(|v| *v as f64).collect(),
        None => (0..texts.len()).map(|at| at as f64).collect(),
    };
    let (texts, ids) = (
        b.constant(Array::vector(texts)),
        b.constant(Array::vector(ids)),
    );
    b.set_kind(texts, Given::Texts);
    b.set_kind(ids, Given::Wholes);
    let default = if b.kind(x) == Given::Texts {
        attributes.int("default_int64", -1) as f64
    } else {
        b.text(&default_text(attributes))
    };
    let default = b.constant(Array::scalar(default));
    Some(if b.kind(x) == Given::Texts {
        [texts, ids, default]
    } else {
        [ids, texts, default]
    })
}
