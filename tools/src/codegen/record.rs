//! The records of a model that takes raw fields: structs, their stages, and enums of small vocabularies.

use mmoe::blob::Blob;

use super::{Writer, doc};
use crate::front::{By, Feature, Front, Given, Makes};
use crate::rust_type::RecordType;

/// A name as types and variants have it: `main_screen` is `MainScreen`.
pub(crate) fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let word = |w: &str| {
        let (first, rest) = w.split_at(w.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    words.map(word).collect()
}

/// A name with single underscores where it has what no identifier may have, as the compiler wants
/// fields to be called.
pub(super) fn snake(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
    words.join("_")
}

/// What records are written from.
pub(super) struct Written<'a> {
    front: &'a Front,
    /// The fields as the blob calls them.
    names: &'a [String],
    /// The fields as Rust calls them.
    ids: Vec<String>,
    /// The features as Rust calls them: the first one of a field as the field, others with a number.
    features: Vec<String>,
    /// Whose coder and rows each feature reads.
    tables: Vec<usize>,
}

impl<'a> Written<'a> {
    /// `names` and `ids` are those of all fields, or none where the blob has no names.
    pub(super) fn new(
        front: &'a Front,
        blob: &Blob<'_>,
        names: &'a [String],
        ids: &[String],
    ) -> Self {
        let fields = 0..front.fields.len();
        let id = |field: usize| ids.get(field).cloned();
        let ids: Vec<String> = fields
            .map(|field| id(field).unwrap_or_else(|| format!("field{field}")))
            .collect();
        let mut features: Vec<String> = Vec::new();
        for (at, feature) in front.features.iter().enumerate() {
            let earlier = &front.features[..at];
            let id = &ids[feature.field];
            let name = if earlier.iter().any(|f| f.field == feature.field) {
                let mut names = (2..).map(|n| format!("{id}_{n}"));
                let free = |name: &String| !ids.contains(name) && !features.contains(name);
                names.find(free).unwrap_or_default()
            } else {
                id.clone()
            };
            features.push(name);
        }
        Self {
            front,
            names,
            ids,
            features,
            tables: blob.features().iter().map(|f| f.table.into()).collect(),
        }
    }

    /// The tokens of a feature whose values are an enum's.
    fn enumerated(&self, at: usize) -> Option<&[String]> {
        match &self.front.features[at].coder(self.front)?.by {
            By::Named { tokens, .. } if !tokens.is_empty() => Some(tokens),
            _ => None,
        }
    }

    /// What the enum of a field's values is called. `a_1` and `a1` are one name as types.
    fn value_type(&self, field: usize) -> String {
        let own = camel(&self.ids[field]);
        match self.ids.iter().position(|id| camel(id) == own) {
            Some(first) if first != field => format!("{own}Value{field}"),
            _ => format!("{own}Value"),
        }
    }

    /// What a field is, for whoever fills in a record: a sentence each.
    fn about(&self, at: usize, feature: &Feature) -> Vec<String> {
        let field = &self.front.fields[feature.field];
        let mut said = Vec::new();
        let (name, id) = (self.names.get(feature.field), &self.ids[feature.field]);
        if let Some(name) = name.filter(|name| *name != id) {
            said.push(format!("Called {}.", doc(name)));
        }
        if let Some(list) = field.list {
            let end = if list.keep_last { "last" } else { "first" };
            let padding = match &field.text.padding {
                Some(item) if !item.is_empty() => {
                    format!("the padding {} of data files", doc(item))
                }
                _ => "padding".to_owned(),
            };
            said.push(format!(
                "A list, of whose items the {end} {} count. Pass the items that there are, without {padding}.",
                list.max
            ));
        }
        if matches!(field.given, Given::F32) && matches!(feature.makes, Makes::Number(_)) {
            said.push(if self.front.may_be_missing(feature.field) {
                "NaN is a missing number.".to_owned()
            } else {
                "Never NaN: the model knows no missing number.".to_owned()
            });
        }
        let Some(coder) = feature.coder(self.front) else {
            return said;
        };
        let table = self.tables.get(at).copied().unwrap_or(at);
        if table != at {
            let owner = self.front.features.get(table).map_or(0, |f| f.field);
            said.push(format!("Looked up as `{}` is.", self.ids[owner]));
            return said;
        }
        said.push(match &coder.by {
            By::Direct { entries, .. } => format!("Ids are 0 to {}.", entries.saturating_sub(1)),
            By::Sorted { keys, .. } => match keys.as_slice() {
                [first, .., last] => format!("One of {} ids from {first} to {last}.", keys.len()),
                _ => format!("{} id.", keys.len()),
            },
            By::Tokens { hashes, tokens, .. } => match tokens.as_slice() {
                [] => format!("One of {} tokens.", hashes.len()),
                few if few.len() <= 8 => {
                    let few: Vec<String> = few.iter().map(|t| doc(t)).collect();
                    format!("One of {}.", few.join(", "))
                }
                [first, .., last] => format!(
                    "One of {} tokens, such as {} and {}.",
                    hashes.len(),
                    doc(first),
                    doc(last)
                ),
                [one] => format!("{}.", doc(one)),
            },
            By::Named { .. } => format!("[`{}`]`::… as u32`.", self.value_type(feature.field)),
            By::Buckets(bounds) => format!("Falls into one of {} buckets.", bounds.len() + 1),
            By::Farm(n) | By::Sip(n, _) | By::Murmur(n) => {
                format!("Hashed into one of {n} buckets.")
            }
        });
        said
    }
}

impl Writer {
    /// An enum for each field whose values are named and not looked up.
    pub(super) fn enums(&mut self, record: &RecordType, written: &Written<'_>) {
        for feature in record.features.iter().filter(|f| f.given.is_some()) {
            let Some(tokens) = written.enumerated(feature.feature) else {
                continue;
            };
            let ty = written.value_type(feature.field);
            let name = written.names.get(feature.field);
            self.line(format_args!(""));
            self.line(format_args!(
                "/// The values of {}: a record has `{ty}::… as u32`.",
                doc(name.unwrap_or(&written.ids[feature.field]))
            ));
            self.line(format_args!("#[derive(Clone, Copy, Debug, PartialEq, Eq)]"));
            self.line(format_args!("#[repr(u32)]"));
            self.line(format_args!("pub enum {ty} {{"));
            let variants: Vec<String> = tokens.iter().map(|t| camel(t)).collect();
            for (i, (variant, token)) in variants.iter().zip(tokens).enumerate() {
                self.line(format_args!("    /// {}.", doc(token)));
                self.line(format_args!("    {variant} = {i},"));
            }
            if !variants.iter().any(|v| v == "Other") {
                self.line(format_args!("    /// None of these."));
                self.line(format_args!("    Other = {},", tokens.len()));
            }
            self.line(format_args!("}}"));
        }
    }

    /// A record and its stage.
    pub(super) fn record(&mut self, record: &RecordType, written: &Written<'_>) {
        let life = if record.borrows() { "<'a>" } else { "" };
        self.line(format_args!(""));
        self.line(format_args!("mmoe::features! {{"));
        self.line(format_args!("    /// {}", record.about));
        self.line(format_args!(
            "    pub struct {}{life} => {}<P>[{}] {{",
            record.name, record.stage, record.width
        ));
        for feature in &record.features {
            let (at, field) = (feature.feature, &written.ids[feature.field]);
            let name = &written.features[at];
            let what = match &feature.given {
                Some(given) => {
                    for said in written.about(at, &written.front.features[at]) {
                        self.line(format_args!("        /// {said}"));
                    }
                    format!("{name}: {given}")
                }
                None => format!("{name}({field})"),
            };
            let table = feature
                .table
                .map(|t| format!(" as {}", written.features[t]));
            self.line(format_args!(
                "        {what} = {}{},",
                feature.made,
                table.unwrap_or_default()
            ));
        }
        self.line(format_args!("    }}"));
        self.line(format_args!("}}"));
    }
}
