//! Values of a record from the cells of a file.

use serde_json::Value as Json;

use super::csv::{complaint, number};
use crate::front::{Field, Front, Given, Item, Value};

/// How the cells of one field are read.
#[derive(Debug)]
pub(super) struct Cell<'f> {
    pub(super) field: &'f Field,
    /// Whether a record may leave the field out.
    missing: bool,
    /// Whether the empty text is a token like others.
    empty: bool,
}

impl<'f> Cell<'f> {
    /// The cells of each field of a record.
    pub(super) fn all(front: &'f Front) -> Vec<Self> {
        let cell = |(at, field): (usize, &'f Field)| {
            let mut coders = front.features.iter().filter(|f| f.field == at);
            let empty = coders.any(|f| {
                f.coder(front)
                    .is_some_and(|c| c.knows(Item::Text("")) && has_tokens(c))
            });
            Self {
                field,
                missing: front.may_be_missing(at),
                empty: empty && field.given == Given::Text,
            }
        };
        front.fields.iter().enumerate().map(cell).collect()
    }

    /// The value of a cell of text.
    pub(super) fn text(&self, cell: &str) -> Result<Value, String> {
        if self.field.list.is_some() {
            if cell.is_empty() || self.field.text.missing.iter().any(|m| m == cell) {
                return self.list(&[]);
            }
            let items: Vec<&str> = cell.split(self.field.text.separator.as_str()).collect();
            return self.list(&items);
        }
        let missing = self.field.text.missing.iter().any(|m| m == cell);
        if missing || (cell.is_empty() && !self.empty) {
            return self.none();
        }
        match self.field.given {
            Given::Text => Ok(Value::Text(cell.to_owned())),
            Given::F32 => {
                let x = number(cell.trim()).ok_or_else(|| complaint(cell))?;
                if x.is_nan() {
                    self.none()
                } else {
                    Ok(Value::Number(x))
                }
            }
            Given::I32 | Given::Id => match cell.trim().parse::<i64>() {
                Ok(x) => self.whole(x),
                Err(_) => self.float(number(cell.trim()).ok_or_else(|| self.no_id(cell))?.into()),
            },
        }
    }

    /// A list of items that are text.
    pub(super) fn list(&self, items: &[&str]) -> Result<Value, String> {
        let padding = self.field.text.padding.as_deref();
        let items = items
            .iter()
            .filter(|i| !i.is_empty() && Some(**i) != padding);
        if self.field.given == Given::Text {
            return Ok(Value::Texts(items.map(|i| (*i).to_owned()).collect()));
        }
        let ids = items.map(|i| match i.trim().parse::<i64>() {
            Ok(id) => self.id(id),
            Err(_) => {
                let x = number(i.trim()).filter(|x| x.fract() == 0.0);
                #[expect(clippy::cast_possible_truncation, reason = "saturates, and is checked")]
                x.map_or_else(|| Err(self.no_id(i)), |x| self.id(x as i64))
            }
        });
        ids.collect::<Result<_, _>>().map(Value::Ids)
    }

    /// A value that is not there.
    pub(super) fn none(&self) -> Result<Value, String> {
        if self.missing {
            return Ok(Value::Missing);
        }
        Err(
            "nothing is there, and the model knows no missing value of this field; fill it the way \
             training did (pandas: fillna), or say what it counts as in the spec (`missing`)"
                .into(),
        )
    }

    /// A whole number.
    pub(super) fn whole(&self, x: i64) -> Result<Value, String> {
        let written = || x.to_string();
        if self.field.text.missing.iter().any(|m| *m == written()) {
            return self.none();
        }
        match self.field.given {
            #[expect(clippy::cast_precision_loss, reason = "the field is given as f32")]
            Given::F32 => Ok(Value::Number(x as f32)),
            Given::I32 => i32::try_from(x).map(Value::Int).map_err(|_| {
                format!("{x} does not fit 32 bits with a sign; give the field as \"f32\"")
            }),
            Given::Id => self.id(x).map(Value::Id),
            Given::Text => Ok(Value::Text(written())),
        }
    }

    /// A number with a point.
    pub(super) fn float(&self, x: f64) -> Result<Value, String> {
        if x.is_nan() {
            return self.none();
        }
        match self.field.given {
            #[expect(clippy::cast_possible_truncation, reason = "the field is given as f32")]
            Given::F32 => Ok(Value::Number(x as f32)),
            Given::Text => Err(format!(
                "{x} is a float where the model takes text, and no two programs agree on its \
                 text; bucketize it, or write the text that training saw"
            )),
            // pandas makes floats of whole numbers where one is missing.
            #[expect(clippy::cast_possible_truncation, reason = "below 2^53")]
            Given::I32 | Given::Id if x.fract() == 0.0 && x.abs() < 9e15 => self.whole(x as i64),
            Given::I32 | Given::Id => Err(self.no_id(&x.to_string())),
        }
    }

    fn id(&self, x: i64) -> Result<u32, String> {
        u32::try_from(x).map_err(|_| self.no_id(&x.to_string()))
    }

    fn no_id(&self, cell: &str) -> String {
        match self.field.given {
            Given::I32 => format!("`{cell:.40}` is no whole number; give the field as \"f32\""),
            _ => format!(
                "`{cell:.40}` is no id, a whole number from 0 to 4294967295; ids of 64 bits and \
                 words are given as \"text\""
            ),
        }
    }

    /// The value of a JSON value.
    pub(super) fn json(&self, value: &Json) -> Result<Value, String> {
        if self.field.list.is_some() {
            let items = match value {
                Json::Null => return self.list(&[]),
                Json::Array(items) => items,
                Json::String(text) => return self.text(text),
                other => return Err(format!("{other:.40} is no list")),
            };
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    Json::String(text) => Ok(text.clone()),
                    Json::Number(n) => Ok(n.to_string()),
                    other => Err(format!("{other:.40} is no item of a list")),
                })
                .collect::<Result<_, _>>()?;
            return self.list(&items.iter().map(String::as_str).collect::<Vec<_>>());
        }
        match value {
            Json::Null => self.none(),
            Json::Bool(b) if self.field.given == Given::Text => Ok(Value::Text(b.to_string())),
            Json::Bool(b) => self.whole(i64::from(*b)),
            Json::Number(n) => match n.as_i64() {
                Some(x) => self.whole(x),
                None if self.field.given == Given::Text && n.is_u64() => {
                    Ok(Value::Text(n.to_string()))
                }
                None => self.float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => self.text(text),
            Json::Array(_) | Json::Object(_) => Err(format!(
                "{:.40} is no single value; a field that is a list is given as [\"id\"] or \
                 [\"text\"]",
                value.to_string()
            )),
        }
    }
}

fn has_tokens(coder: &crate::front::Coder) -> bool {
    use crate::front::By;
    matches!(coder.by, By::Tokens { .. } | By::Named { .. })
}
