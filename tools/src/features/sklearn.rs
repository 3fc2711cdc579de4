//! scikit-learn's encoders, in the JSON that a few lines of Python write (`docs/features.md`): a list of
//! objects in the order of the model's vector, each of a column and what an encoder makes of it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Read, Reader, Words};
use crate::front::build::{Keys, Lookup, Rows, Scaling};
use crate::front::{Bounds, Given, Pool};

/// A column and its encoder.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    column: String,
    encoder: String,
    #[serde(default)]
    settings: Map<String, Value>,
    /// The tensor whose rows the codes stand for.
    embedding: Option<String>,
    categories: Option<Vec<Value>>,
    edges: Option<Vec<f64>>,
    mean: Option<f64>,
    scale: Option<f64>,
    min: Option<f64>,
}

pub(super) fn read(reader: &mut Reader<'_>, text: &str) -> Read<()> {
    let columns: Result<Vec<Column>, _> = serde_json::from_str(text);
    let columns = columns.map_err(|error| crate::error::ModelError::Invalid {
        place: reader.shown.clone(),
        what: error.to_string(),
        remedy: "write it with the lines of Python in docs/features.md".into(),
    })?;
    for column in &columns {
        let words = reader.words(&column.column);
        match column.encoder.as_str() {
            "passthrough" | "StandardScaler" | "MinMaxScaler" | "MaxAbsScaler" => {
                number(reader, column, &words)?;
            }
            "KBinsDiscretizer" => bins(reader, column, &words)?,
            "OrdinalEncoder" | "LabelEncoder" | "OneHotEncoder" => {
                categories(reader, column, &words)?
            }
            other => {
                return Err(reader.refuse(
                    &column.column,
                    &format!("the encoder {other}"),
                    "there are OrdinalEncoder, LabelEncoder, OneHotEncoder, KBinsDiscretizer, \
                     StandardScaler, MinMaxScaler, MaxAbsScaler and passthrough",
                ));
            }
        }
    }
    Ok(())
}

impl Column {
    fn setting(&self, key: &str) -> Option<&Value> {
        self.settings.get(key).filter(|v| !v.is_null())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.setting(key).and_then(Value::as_str)
    }
}

fn number(reader: &mut Reader<'_>, column: &Column, words: &Words) -> Read<()> {
    let name = &column.column;
    if column.setting("clip").and_then(Value::as_bool) == Some(true) {
        return Err(reader.refuse(name, "a scaler that clips", "clip before it, or not at all"));
    }
    let scale = column.scale.unwrap_or(1.0);
    // A MinMaxScaler multiplies by its scale_ and adds its min_; the others divide.
    let (mean, std) = if column.encoder == "MinMaxScaler" {
        (-column.min.unwrap_or(0.0) / scale, 1.0 / scale)
    } else {
        (column.mean.unwrap_or(0.0), scale)
    };
    if !(std > 0.0 && std.is_finite() && mean.is_finite()) {
        return Err(reader.wrong(
            name,
            format!("its scale is {scale}"),
            "fit it before writing",
        ));
    }
    let given = match words.given.as_deref() {
        None | Some("f32") => Given::F32,
        Some("i32") => Given::I32,
        Some(other) => {
            let what = format!("given = \"{other}\" in the spec");
            return Err(reader.wrong(name, what, "a number is given as \"f32\" or \"i32\""));
        }
    };
    let scaling = Scaling::new(mean, std);
    reader.number(name, given, words, false, scaling);
    Ok(())
}

/// The smallest f32 that is not below a bound: an f32 reaches one where it reaches the other.
fn upward(bound: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "rounded up below")]
    let nearest = bound as f32;
    if f64::from(nearest) < bound {
        nearest.next_up()
    } else {
        nearest
    }
}

fn bins(reader: &mut Reader<'_>, column: &Column, words: &Words) -> Read<()> {
    let name = &column.column;
    let inner = column
        .edges
        .as_deref()
        .and_then(|e| e.get(1..e.len().saturating_sub(1)));
    let Some(inner) = inner else {
        return Err(reader.wrong(name, "it has no edges", "fit it before writing"));
    };
    let keys = Keys::ranges(Bounds::F32(inner.iter().map(|b| upward(*b)).collect()));
    let codes = inner.len() + 1;
    let lookup = Lookup {
        keys,
        other: None,
        missing: None,
    };
    let one_hot = match column.text("encode") {
        Some("onehot" | "onehot-dense") => true,
        Some("ordinal") => false,
        other => {
            let what = format!("encode={}", other.unwrap_or("nothing"));
            return Err(reader.refuse(name, &what, "there are ordinal, onehot and onehot-dense"));
        }
    };
    let rows = rows(reader, column, codes, one_hot)?;
    let field = reader.field(name, Given::F32, None, words);
    let at = reader.builder.field(field);
    let done = if one_hot && column.embedding.is_none() {
        reader.builder.hot(at, &lookup, codes)
    } else {
        reader.builder.rows(at, &lookup, &rows, Pool::One)
    };
    reader.front(name, done)
}

/// What stands for codes: rows of a table of the model, columns, or the codes as numbers.
fn rows(reader: &mut Reader<'_>, column: &Column, codes: usize, one_hot: bool) -> Read<Rows> {
    let name = &column.column;
    if let Some(embedding) = &column.embedding {
        if one_hot {
            let remedy = "a table is read by the codes of an OrdinalEncoder";
            return Err(reader.wrong(name, "it is one-hot and has an embedding", remedy));
        }
        return reader.table(name, embedding);
    }
    if one_hot {
        return Ok(Rows::one_hot(name, codes));
    }
    #[expect(clippy::cast_precision_loss, reason = "codes count from 0")]
    let data = (0..codes).map(|code| code as f32).collect();
    Ok(Rows {
        name: name.clone(),
        data,
        width: 1,
    })
}

fn categories(reader: &mut Reader<'_>, column: &Column, words: &Words) -> Read<()> {
    let name = &column.column;
    let Some(categories) = &column.categories else {
        return Err(reader.wrong(name, "it has no categories", "fit it before writing"));
    };
    for key in ["drop", "min_frequency", "max_categories"] {
        if column.setting(key).is_some() {
            let what = format!("an encoder with {key}");
            return Err(reader.refuse(name, &what, "leave the setting out"));
        }
    }
    let one_hot = column.encoder == "OneHotEncoder";
    let mut rows = rows(reader, column, categories.len(), one_hot)?;
    // A code that an encoder names itself is a row of the model's table, or a number of its own.
    let mut own = |code: f64| -> Option<usize> {
        if column.embedding.is_some() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked"
            )]
            return (code >= 0.0 && code.fract() == 0.0).then_some(code as usize);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a device has f32")]
        rows.data.push(code as f32);
        Some(rows.count() - 1)
    };
    let unseen = (column.encoder.as_str(), column.text("handle_unknown"));
    let mut other = None;
    match (unseen, &words.other) {
        (_, Some(row)) => other = reader.row(name, "other", row)?,
        (("OneHotEncoder", Some("ignore")), None) => {}
        (("OrdinalEncoder", Some("use_encoded_value")), None) => {
            let code = column.setting("unknown_value").and_then(Value::as_f64);
            other = code.and_then(&mut own);
            if other.is_none() {
                let what = format!("unknown_value {code:?} is no row of its table");
                return Err(reader.wrong(name, what, "give unknown values a row"));
            }
        }
        (("OneHotEncoder", Some("infrequent_if_exist")), None) => {
            let what = "handle_unknown=\"infrequent_if_exist\"";
            return Err(reader.refuse(name, what, "use \"ignore\""));
        }
        (_, None) => reader.ask(
            name,
            "other",
            "what an unknown value makes, where the encoder stops: a row, or \"zero\"",
        ),
    }
    // None is a category as any other. NaN is one too, but an OrdinalEncoder gives it another number,
    // which is NaN again unless it was told one.
    let is_missing = |c: &Value| c.is_null() || c.is_object();
    let missing_at = categories.iter().rposition(is_missing);
    let is_nan = missing_at.is_some_and(|at| categories[at].is_object());
    let missing = match (missing_at, column.setting("encoded_missing_value")) {
        (None, _) if one_hot && unseen.1 == Some("ignore") => Some(None),
        (None, _) => None,
        (Some(at), _) if !is_nan || column.encoder != "OrdinalEncoder" => Some(Some(at)),
        (Some(_), None) => None,
        (Some(_), Some(code)) => Some(code.as_f64().and_then(&mut own)),
    };
    let known = categories
        .iter()
        .zip((0..).map(Some))
        .filter(|(c, _)| !is_missing(c));
    let known: Vec<(&Value, Option<usize>)> = known.collect();
    let texts: Option<Vec<_>> = (known.iter())
        .map(|(c, row)| Some((c.as_str()?.to_owned(), *row)))
        .collect();
    let ids: Option<Vec<_>> = (known.iter())
        .map(|(c, row)| Some((u32::try_from(c.as_u64()?).ok()?, *row)))
        .collect();
    let integers: Option<Vec<_>> = (known.iter())
        .map(|(c, row)| Some((c.as_i64()?.to_string(), *row)))
        .collect();
    let (given, keys) = match (texts, ids, integers) {
        (Some(texts), ..) => (Given::Text, Keys::texts(texts)),
        (_, Some(ids), _) => (Given::Id, Keys::Ids(ids)),
        (_, _, Some(integers)) => (Given::Text, Keys::texts(integers)),
        _ => {
            return Err(reader.wrong(
                name,
                "its categories are neither texts nor whole numbers",
                "turn the column into text or whole numbers before the encoder",
            ));
        }
    };
    let lookup = Lookup {
        keys,
        other,
        missing,
    };
    let field = reader.field(name, given, None, words);
    let at = reader.builder.field(field);
    let done = if one_hot && column.embedding.is_none() {
        reader.builder.hot(at, &lookup, rows.width)
    } else {
        reader.builder.rows(at, &lookup, &rows, Pool::One)
    };
    reader.front(name, done)
}

#[cfg(test)]
mod tests {
    use super::upward;

    /// scikit-learn compares a float32 column with float64 edges.
    #[test]
    fn a_float_reaches_a_bound_exactly_where_it_reaches_the_rounded_one() {
        for bound in [0.7, 0.1, 0.3, 2.0, -0.7, -0.1, 1e-40, 16_777_217.0, 0.0] {
            let rounded = upward(bound);
            for x in [rounded.next_down(), rounded, rounded.next_up()] {
                assert_eq!(f64::from(x) >= bound, x >= rounded, "{x} at {bound}");
            }
        }
    }
}
