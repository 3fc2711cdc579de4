//! `[[fields]]`: the raw fields of a record, and what the vector is made of.

mod columns;
mod hot;
mod lookup;
mod number;
mod pool;
mod vocabulary;

use std::path::Path;

use self::columns::Columns;
use super::Spec;
use super::raw;
use crate::error::{ModelError, near_names};
use crate::front::{Field, Given, List, Written};
use crate::plan::fields::{FieldPlan, FieldsPlan, MakesPlan};

/// How many names stand in a message.
const MOST_NAMED: usize = 3;

/// The plan of a spec's fields; `None` where it has none.
pub(super) fn plan(spec: &Spec) -> Result<Option<FieldsPlan>, ModelError> {
    let raw = &spec.raw;
    let Some(first) = raw.fields.first() else {
        return match &raw.order {
            None => Ok(None),
            Some(order) => Err(invalid(
                spec.place("[order]", order.span()),
                "it orders fields, and there are none",
                "add [[fields]], or remove it",
            )),
        };
    };
    if !raw.inputs.is_empty() {
        return Err(invalid(
            spec.place("[[fields]]", first.span()),
            "it stands beside [[inputs]]",
            "a model takes a record of raw fields, or a vector of numbers: keep one of them",
        ));
    }
    let mut plan = FieldsPlan {
        text: text(spec),
        ..FieldsPlan::default()
    };
    for columns::Columns { field, values } in order(spec)? {
        let field = &raw.fields[field];
        let reader = Reader {
            spec,
            dir: &spec.dir,
            raw: field.as_ref(),
            values,
            place: spec.place(&format!("field `{}`", field.as_ref().name), field.span()),
        };
        plan.fields.push(reader.field()?);
    }
    Ok(Some(plan))
}

/// What the spec says of the fields, for a spec that is written of the plan.
fn text(spec: &Spec) -> String {
    let Ok(mut table) = spec.lines.0.parse::<toml::Table>() else {
        return String::new();
    };
    table.retain(|key, _| key == "fields" || key == "order");
    toml::to_string(&table).unwrap_or_default()
}

/// The fields in the order of the vector, those of the candidate last.
fn order(spec: &Spec) -> Result<Vec<Columns>, ModelError> {
    let fields = &spec.raw.fields;
    let name = |i: usize| &fields[i].as_ref().name;
    for (i, field) in fields.iter().enumerate() {
        if (0..i).any(|j| name(j) == name(i)) {
            return Err(invalid(
                spec.place("[[fields]]", field.span()),
                &format!("two fields are called `{}`", name(i)),
                "records and files of data find fields by name, so give each its own",
            ));
        }
    }
    let unnamed = |field| Columns {
        field,
        values: None,
    };
    let Some(order) = &spec.raw.order else {
        return Ok((0..fields.len()).map(unnamed).collect());
    };
    let place = spec.place("[order]", order.span());
    let vector = match order.as_ref() {
        raw::Order {
            vector: None,
            columns: Some(named),
        } => return columns::order(spec, named, &place),
        raw::Order {
            vector: Some(vector),
            columns: None,
        } => vector,
        _ => {
            return Err(invalid(
                place,
                "it has `vector` and `columns`, or neither",
                "write the fields in the order of the vector, or the names of its columns",
            ));
        }
    };
    let mut indices = Vec::new();
    for wanted in vector {
        let Some(i) = (0..fields.len()).find(|i| name(*i) == wanted) else {
            let names: Vec<String> = (0..fields.len()).map(|i| name(i).clone()).collect();
            let near = near_names(wanted, names.iter());
            let near = near.first().map_or_else(
                || format!("write one of {}", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(invalid(
                place,
                &format!("no field is called `{wanted}`"),
                &near,
            ));
        };
        if indices.contains(&i) {
            return Err(invalid(
                place,
                &format!("`{wanted}` stands twice"),
                "name each field once",
            ));
        }
        indices.push(i);
    }
    if let Some(i) = (0..fields.len()).find(|i| !indices.contains(i)) {
        return Err(invalid(
            place,
            &format!("field `{}` is not in `vector`", name(i)),
            "name every field, in the order in which training put them side by side",
        ));
    }
    Ok(indices.into_iter().map(unnamed).collect())
}

/// Reads one field.
struct Reader<'s> {
    spec: &'s Spec,
    dir: &'s Path,
    raw: &'s raw::Field,
    /// The values of its one-hot columns, where those have names.
    values: Option<Vec<String>>,
    place: String,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: &str, remedy: &str) -> Result<T, ModelError> {
        Err(invalid(self.place.clone(), what, remedy))
    }

    fn needs<T>(&self, key: &str, remedy: &str) -> Result<T, ModelError> {
        Err(ModelError::MissingKey {
            place: self.place.clone(),
            key: key.into(),
            remedy: remedy.into(),
        })
    }

    fn field(&self) -> Result<FieldPlan, ModelError> {
        let raw = self.raw;
        let (given, list) = self.given()?;
        let candidate = match raw.part.as_deref() {
            None | Some("context") => false,
            Some("candidate") => true,
            Some(other) => {
                return self.wrong(
                    &format!("part = \"{other}\""),
                    "a field belongs to the \"context\", which many candidates share, or to the \
                     \"candidate\"",
                );
            }
        };
        let text = Written {
            separator: raw.separator.clone().unwrap_or_else(|| "|".into()),
            padding: raw.padding.as_ref().map(ToString::to_string),
            missing: raw.missing_values.clone(),
        };
        if text.separator.is_empty() {
            return self.wrong(
                "separator = \"\"",
                "give what stands between items, as \"|\"",
            );
        }
        let field = Field {
            name: raw.name.clone(),
            given,
            list,
            candidate,
            text,
        };
        let makes = self.meaning(given, list)?;
        Ok(FieldPlan { field, makes })
    }

    /// What the field is given as.
    fn given(&self) -> Result<(Given, Option<List>), ModelError> {
        let raw = self.raw;
        let (name, list) = match raw.given.as_ref() {
            raw::GivenAs::One(name) => (name, false),
            raw::GivenAs::List([name]) => (name, true),
        };
        let given = match name.as_str() {
            "f32" => Given::F32,
            "i32" => Given::I32,
            "id" => Given::Id,
            "text" => Given::Text,
            other => {
                return self.wrong(
                    &format!("given = \"{other}\""),
                    "write \"f32\", \"i32\", \"id\", \"text\", or a list of ids or texts: \
                     [\"id\"]; integers of 64 bits are given as \"text\"",
                );
            }
        };
        let keep_last = match raw.keep.as_deref() {
            None | Some("first") => false,
            Some("last") => true,
            Some(other) => {
                return self.wrong(
                    &format!("keep = \"{other}\""),
                    "a list that is too long keeps its \"first\" or its \"last\" items",
                );
            }
        };
        if !list {
            for (key, given) in [
                ("max", raw.max.is_some()),
                ("keep", raw.keep.is_some()),
                ("separator", raw.separator.is_some()),
                ("pool", raw.pool.is_some()),
                ("padding", raw.padding.is_some()),
                ("empty", raw.empty.is_some()),
            ] {
                if given {
                    return self.wrong(
                        &format!("`{key}` belongs to a list"),
                        "write given = [\"id\"] or [\"text\"], or remove it",
                    );
                }
            }
            return Ok((given, None));
        }
        if !matches!(given, Given::Id | Given::Text) {
            return self.wrong(
                &format!("a list of {}", given.name()),
                "a list holds \"id\" or \"text\"; give numbers as fields of their own",
            );
        }
        let Some(max) = raw.max else {
            return self.needs(
                "max",
                "the most items that count, which bounds the time on a device: max = 20; a longer \
                 list keeps its first, or with keep = \"last\" its last",
            );
        };
        if !(1..=255).contains(&max) {
            return self.wrong(&format!("max = {max}"), "a list holds 1 to 255 items");
        }
        Ok((given, Some(List { max, keep_last })))
    }

    /// What the vector gets of it.
    fn meaning(&self, given: Given, list: Option<List>) -> Result<MakesPlan, ModelError> {
        let raw = self.raw;
        let hot = raw.one_hot == Some(true);
        let is_number = raw.embedding.is_none() && !hot;
        for (key, said) in [
            ("count", raw.count.is_some()),
            ("columns", raw.columns.is_some()),
        ] {
            if said && !hot {
                return self.wrong(&format!("`{key}` belongs to one_hot = true"), "remove it");
            }
        }
        if raw.embedding.is_some() && hot {
            return self.wrong(
                "`embedding` stands beside one-hot columns",
                "keep one of them",
            );
        }
        if is_number {
            if !matches!(given, Given::F32 | Given::I32) {
                return self.needs(
                    "embedding",
                    "name the tensor of its table: embedding = \"….weight\", or write one_hot = \
                     true where training had a column for each value",
                );
            }
            return self.number(given);
        }
        for (key, given) in [
            ("transform", raw.transform.is_some()),
            ("mean", raw.mean.is_some()),
            ("std", raw.std.is_some()),
            ("clip", raw.clip.is_some()),
            ("range", raw.range.is_some()),
            ("threshold", raw.threshold.is_some()),
            ("below", raw.below.is_some()),
        ] {
            if given {
                return self.wrong(
                    &format!("`{key}` belongs to a number"),
                    "a field with an embedding or with one-hot columns has none",
                );
            }
        }
        match &raw.embedding {
            Some(embedding) => self.rows(given, list, embedding),
            None => self.hot(given),
        }
    }
}

fn invalid(place: String, what: &str, remedy: &str) -> ModelError {
    ModelError::Invalid {
        place,
        what: what.into(),
        remedy: remedy.into(),
    }
}
