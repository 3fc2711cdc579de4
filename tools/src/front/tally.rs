//! What the values of many records are to a front end: the question behind most wrong predictions is
//! which values it did not know.

use std::collections::HashMap;

use super::{Front, Item, Makes, Value};
use crate::blob::read::Stored;

/// How many of the most frequent unknown values are shown.
const SHOWN: usize = 3;
/// Unknown values that are told apart in each field; behind them they are only counted.
const KEPT: usize = 100_000;

/// Counts per field.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How many records were seen.
    pub records: u64,
    /// One per field.
    pub fields: Vec<FieldTally>,
}

/// What the values of one field were.
#[derive(Debug, Clone, Default)]
pub struct FieldTally {
    /// The field's name.
    pub name: String,
    /// Values that were not there.
    pub missing: u64,
    /// Values, or items of lists, that the vocabulary does not have.
    pub unknown: u64,
    /// Of these, how many it has without the blanks around them.
    pub blanks: u64,
    /// Lists that were too long.
    pub cut: u64,
    /// Numbers beyond the bounds of the field, or beyond what the integers hold.
    pub clipped: u64,
    seen: HashMap<String, u64>,
}

impl Tally {
    /// Counts for the fields of this front end.
    #[must_use]
    pub fn new(front: &Front) -> Self {
        let field = |f: &super::Field| FieldTally {
            name: f.name.clone(),
            ..FieldTally::default()
        };
        Self {
            records: 0,
            fields: front.fields.iter().map(field).collect(),
        }
    }

    /// The counts of these records.
    #[must_use]
    pub fn of(stored: &Stored, records: &[Vec<Value>]) -> Self {
        let mut tally = Self::new(&stored.front);
        records.iter().for_each(|record| tally.add(stored, record));
        tally
    }

    /// Counts one record more.
    pub fn add(&mut self, stored: &Stored, record: &[Value]) {
        self.records += 1;
        let front = &stored.front;
        for (f, (value, counts)) in record.iter().zip(&mut self.fields).enumerate() {
            let features = front.features.iter().zip(&stored.scales);
            let mut reads = features.filter(|(feature, _)| feature.field == f);
            let Some((feature, scale)) = reads.next() else {
                continue;
            };
            if matches!(value, Value::Missing) || matches!(value, Value::Number(x) if x.is_nan()) {
                counts.missing += 1;
                continue;
            }
            if let Makes::Number(number) = &feature.makes {
                let beyond = number
                    .of(value)
                    .zip(*scale)
                    .is_some_and(|(x, (offset, scale))| {
                        ((x - f64::from(offset)) * f64::from(scale)).abs() > 32767.5
                    });
                let outside = match (value, number.clip) {
                    (Value::Number(x), Some((low, high))) => *x < low || *x > high,
                    _ => false,
                };
                counts.clipped += u64::from(beyond || outside);
                continue;
            }
            let Some(coder) = feature.coder(front) else {
                continue;
            };
            let field = &front.fields[f];
            let mut look = |item: Item<'_>| {
                if coder.knows(item) {
                    return;
                }
                counts.unknown += 1;
                if let Item::Text(text) = item
                    && text.trim() != text
                    && coder.knows(Item::Text(text.trim()))
                {
                    counts.blanks += 1;
                }
                let text = item.to_string();
                if counts.seen.len() < KEPT || counts.seen.contains_key(&text) {
                    *counts.seen.entry(text).or_default() += 1;
                }
            };
            let length = match value {
                Value::Ids(ids) => {
                    field.kept(ids).iter().for_each(|id| look(Item::Id(*id)));
                    ids.len()
                }
                Value::Texts(texts) => {
                    field.kept(texts).iter().for_each(|t| look(Item::Text(t)));
                    texts.len()
                }
                value => {
                    value.item().into_iter().for_each(&mut look);
                    1
                }
            };
            counts.cut += u64::from(field.list.is_some_and(|list| length > list.max));
        }
    }

    /// A line for each field of which there is something to say.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let lines = self.fields.iter().filter_map(|f| {
            let text = f.text();
            (!text.is_empty()).then(|| format!("field `{}`: {text}", f.name))
        });
        lines.collect()
    }
}

impl FieldTally {
    /// The most frequent unknown values, with how often each was there.
    #[must_use]
    pub fn most_unknown(&self) -> Vec<(&str, u64)> {
        let mut seen: Vec<(&str, u64)> = self.seen.iter().map(|(t, n)| (t.as_str(), *n)).collect();
        seen.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        seen.truncate(SHOWN);
        seen
    }

    /// What there is to say of the field; empty where all its values were ordinary.
    #[must_use]
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        if self.missing > 0 {
            parts.push(format!("{} missing", self.missing));
        }
        if self.unknown > 0 {
            let most = self.most_unknown();
            let most: Vec<String> = most
                .iter()
                .map(|(text, n)| format!("`{}` {n}", crate::text::shown_in_line(text)))
                .collect();
            parts.push(format!(
                "{} unknown (most often {})",
                self.unknown,
                most.join(", ")
            ));
        }
        if self.blanks > 0 {
            parts.push(format!(
                "{} of these are known without the blanks around them: write cells as training \
                 saw them",
                self.blanks
            ));
        }
        if self.cut > 0 {
            parts.push(format!("{} lists cut", self.cut));
        }
        if self.clipped > 0 {
            parts.push(format!("{} clipped", self.clipped));
        }
        parts.join(", ")
    }
}
