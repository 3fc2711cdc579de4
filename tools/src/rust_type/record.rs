//! The records and stages of a model that takes raw fields: what `features!` is told.

use mmoe::blob::{Blob, CoderKind, FeatureRecord, Given, Makes, PrecisionKind};

use super::{NotTyped, refuse};

/// A record, as `features!` writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordType {
    /// Its name: `Record`, or of a model that ranks `Context` and `Candidate`.
    pub name: &'static str,
    /// The name of its stage.
    pub stage: &'static str,
    /// What it is, for its documentation.
    pub about: &'static str,
    /// How many elements its features make.
    pub width: usize,
    /// Its features, in order.
    pub features: Vec<FeatureType>,
}

/// A feature of a record's field.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureType {
    /// The number of the feature in the blob.
    pub feature: usize,
    /// The number of the field that it reads.
    pub field: usize,
    /// The type that the caller gives; `None` where an earlier feature reads the same field.
    pub given: Option<String>,
    /// What the macro calls it; where it reads another feature's table, how codes become elements.
    pub made: String,
    /// The feature whose table it reads, by number.
    pub table: Option<usize>,
}

impl RecordType {
    /// Whether a field borrows.
    #[must_use]
    pub fn borrows(&self) -> bool {
        let mut given = self.features.iter().flat_map(|f| &f.given);
        given.any(|given| given.contains("&'a"))
    }
}

/// The records of a blob: none where it takes a vector, two where it ranks.
pub(super) fn records(blob: &Blob<'_>) -> Result<Vec<RecordType>, NotTyped> {
    let features = blob.features();
    if features.is_empty() {
        return Ok(Vec::new());
    }
    let split = features
        .iter()
        .position(|f| f.has(FeatureRecord::CANDIDATE));
    let split = split.filter(|at| *at > 0);
    let parts = match split {
        None => vec![(
            "Record",
            "RecordStage",
            "What the model takes.",
            0..features.len(),
        )],
        Some(at) => vec![
            (
                "Context",
                "ContextStage",
                "What many candidates share.",
                0..at,
            ),
            (
                "Candidate",
                "CandidateStage",
                "What each candidate has of its own.",
                at..features.len(),
            ),
        ],
    };
    parts
        .into_iter()
        .map(|(name, stage, about, range)| {
            let made = range.clone().map(|at| {
                let mut feature = feature(features, at, range.start)?;
                let read = |other: &FeatureRecord| other.field == features[at].field;
                if features[..at].iter().any(read) {
                    feature.given = None;
                }
                Ok(feature)
            });
            let made = made.collect::<Result<_, _>>()?;
            let widths = features[range].iter().map(|f| usize::from(f.width.get()));
            Ok(RecordType {
                name,
                stage,
                about,
                width: widths.sum(),
                features: made,
            })
        })
        .collect()
}

/// The precision by which the stages are called.
pub(super) fn precision(blob: &Blob<'_>) -> &'static str {
    let has = |p| blob.features().iter().any(|f| f.precision() == Some(p));
    if blob.is_integer() {
        "I8"
    } else if has(PrecisionKind::W8) {
        "W8"
    } else {
        "F32"
    }
}

fn feature(all: &[FeatureRecord], at: usize, first: usize) -> Result<FeatureType, NotTyped> {
    let f = &all[at];
    let unknown = || NotTyped(format!("feature {at} is of no kind that the types have"));
    let (given, coder, makes) = (f.given(), f.coder(), f.makes());
    let (given, coder, makes) = given
        .zip(coder)
        .zip(makes)
        .map(|((g, c), m)| (g, c, m))
        .ok_or_else(unknown)?;
    if makes == Makes::Number {
        let given_type = match (given, f.may_be_missing()) {
            (Given::I32, true) => "Option<i32>",
            (Given::I32, false) => "i32",
            _ => "f32",
        };
        return Ok(FeatureType {
            feature: at,
            field: f.field.into(),
            given: Some(given_type.to_owned()),
            made: number(f, given),
            table: None,
        });
    }
    let raw = match given {
        Given::F32 => "f32",
        Given::I32 => "i32",
        Given::U32 => "u32",
        Given::Text => "&'a str",
    };
    let given_type = match (f.is_list(), f.may_be_missing()) {
        (true, _) => format!("&'a [{raw}]"),
        (false, true) => format!("Option<{raw}>"),
        (false, false) => raw.to_owned(),
    };
    let most = f.items;
    let last = f.has(FeatureRecord::KEEP_LAST);
    let pooled = |by: &str| {
        if last {
            format!("Last<{by}>")
        } else {
            by.to_owned()
        }
    };
    let coder = coder_type(f, given, coder);
    let (rows, width) = (f.rows.get(), usize::from(f.width.get()));
    let own = usize::from(f.table) == at;
    if !own && usize::from(f.table) < first {
        return refuse("a candidate's field reads a table of the context");
    }
    let how = match makes {
        Makes::Row => "Row".to_owned(),
        Makes::Sum => format!("Pooled<{most}, {}>", pooled("Sum")),
        Makes::Mean => format!("Pooled<{most}, {}>", pooled("Mean")),
        Makes::Max => format!("Pooled<{most}, {}>", pooled("Max")),
        Makes::Rows if last => format!("SideBySide<{most}, Last<Sum>>"),
        Makes::Rows => format!("SideBySide<{most}>"),
        Makes::Slot | Makes::Number => String::new(),
    };
    let each = if makes == Makes::Rows {
        width.checked_div(most.into()).unwrap_or(0)
    } else {
        width
    };
    let made = match makes {
        _ if !own => how,
        Makes::Slot if !f.is_list() => format!("Slot<{coder}, P>"),
        Makes::Slot if f.has(FeatureRecord::REPEATS) => {
            format!("Slots<{coder}, {most}, P, Repeated>")
        }
        Makes::Slot => format!("Slots<{coder}, {most}, P>"),
        Makes::Row => format!("Embed<{coder}, {rows}, {each}, P>"),
        Makes::Rows => format!("Lookup<{coder}, {rows}, {each}, P, {how}>"),
        Makes::Sum => format!("Bag<{coder}, {most}, {}, {rows}, {each}, P>", pooled("Sum")),
        Makes::Mean => format!(
            "Bag<{coder}, {most}, {}, {rows}, {each}, P>",
            pooled("Mean")
        ),
        Makes::Max => format!("Bag<{coder}, {most}, {}, {rows}, {each}, P>", pooled("Max")),
        Makes::Number => return Err(unknown()),
    };
    Ok(FeatureType {
        feature: at,
        field: f.field.into(),
        given: Some(given_type),
        made,
        table: (!own).then_some(f.table.into()),
    })
}

fn number(f: &FeatureRecord, given: Given) -> String {
    if given == Given::I32 {
        let name = if f.may_be_missing() {
            "MaybeInt"
        } else {
            "Int"
        };
        return format!("{name}<P>");
    }
    let number = if f.has(FeatureRecord::LOG1P) {
        "Log1p<P>"
    } else if f.has(FeatureRecord::LOG10) {
        "Log10<P>"
    } else {
        "Number<P>"
    };
    if f.has(FeatureRecord::CLIP) {
        format!("Clipped<{number}>")
    } else {
        number.to_owned()
    }
}

fn coder_type(f: &FeatureRecord, given: Given, coder: CoderKind) -> String {
    let n = f.entries.get();
    let hashed = |name: &str| match given {
        Given::U32 => format!("{name}<{n}, u32>"),
        Given::I32 => format!("{name}<{n}, i32>"),
        Given::F32 | Given::Text => format!("{name}<{n}>"),
    };
    let ty = match coder {
        CoderKind::Number => String::new(),
        CoderKind::Direct => format!("Direct<{n}>"),
        CoderKind::Sorted => format!("Sorted<{n}>"),
        CoderKind::Texts => format!("Texts<{n}>"),
        CoderKind::Exact => format!("Exact<{n}, {}>", f.text.get()),
        CoderKind::Buckets if given == Given::I32 => format!("Buckets<{n}, i32>"),
        CoderKind::Buckets => format!("Buckets<{n}>"),
        CoderKind::Farm => hashed("Farm"),
        CoderKind::Sip => hashed("Sip"),
        CoderKind::Murmur => hashed("Murmur"),
    };
    if f.may_be_missing() {
        format!("Maybe<{ty}>")
    } else {
        ty
    }
}

/// The types of the engine's module `features`.
pub(crate) const FEATURES: &[&str] = &[
    "Bag",
    "Both",
    "Buckets",
    "Clipped",
    "Direct",
    "Embed",
    "Exact",
    "Farm",
    "Int",
    "Last",
    "Log10",
    "Log1p",
    "Lookup",
    "Max",
    "Maybe",
    "MaybeInt",
    "Mean",
    "Murmur",
    "Number",
    "Pooled",
    "Repeated",
    "Row",
    "SideBySide",
    "Sip",
    "Slot",
    "Slots",
    "Sorted",
    "Sum",
    "Texts",
];

/// The names of the module `features` that the text of these records uses.
pub(super) fn names(records: &[RecordType]) -> Vec<&'static str> {
    let used = |name: &str| {
        let words = records.iter().flat_map(|r| &r.features);
        let mut words = words.flat_map(|f| f.made.split(|c: char| !c.is_alphanumeric()));
        words.any(|word| word == name) || (name == "Both" && records.len() > 1)
    };
    let features = FEATURES.iter().copied();
    features.filter(|name| used(name)).collect()
}
