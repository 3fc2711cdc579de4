//! What can be wrong between a weights file, a spec and the model they describe.

use thiserror::Error;

use crate::graph::rules::GraphError;

/// Why weights and spec do not make a model. Every message says what, where, and what to do.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum ModelError {
    /// The spec is not TOML, or has an unknown, missing or mistyped key; the message names key and
    /// line.
    #[error("the spec cannot be read: {0}")]
    Toml(String),
    /// A key of the spec is missing.
    #[error("{place}: `{key}` is missing: {remedy}")]
    MissingKey {
        /// Where, with the line.
        place: String,
        /// The key.
        key: String,
        /// What to write.
        remedy: String,
    },
    /// A value of the spec cannot be what it is.
    #[error("{place}: {what}: {remedy}")]
    Invalid {
        /// Where, with the line.
        place: String,
        /// What is wrong.
        what: String,
        /// What to write.
        remedy: String,
    },
    /// Two tasks share a name.
    #[error(
        "two tasks are called `{0}`: outputs are found by name, so give each [[tasks]] its own"
    )]
    DuplicateTask(String),
    /// The file has no tensor of that name.
    #[error("{place}: the file has no tensor `{name}`{}", near_text(.near))]
    NoTensor {
        /// Where it was wanted.
        place: String,
        /// Its name.
        name: String,
        /// Names that look like it.
        near: Vec<String>,
    },
    /// A tensor that the model needs is not all numbers.
    #[error(
        "{place}: tensor `{name}` has {value} at element {index}: the model diverged in training \
         or the file is damaged"
    )]
    NotFinite {
        /// Where it was used.
        place: String,
        /// Its name.
        name: String,
        /// The first such element, counted row-major.
        index: usize,
        /// Its value, `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// A tensor has another shape than its place needs.
    #[error("{place}: tensor `{name}` has shape {found:?}, needed is {expected}{hint}")]
    Shape {
        /// Where it was used.
        place: String,
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What the place needs.
        expected: String,
        /// A remedy, led by `: `, or nothing.
        hint: String,
    },
    /// Something that the engine does not have.
    #[error("{place}: {what} is not supported: {remedy}")]
    Unsupported {
        /// Where.
        place: String,
        /// What it is.
        what: String,
        /// What there is instead.
        remedy: String,
    },
    /// No known framework writes such names.
    #[error(
        "no known layout of names fits this file ({0}): describe the model in a spec (`--spec`); \
         `mmoe inspect WEIGHTS --write-spec S.toml` drafts one from names and shapes"
    )]
    Unrecognised(String),
    /// A framework's layout was recognised, but the file breaks it.
    #[error("this looks like {framework}, but {what}: {remedy}")]
    Recognition {
        /// Which framework.
        framework: String,
        /// What does not fit.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Tensors that take part in nothing.
    #[error(
        "{}tensors that take part in no computation: {tensors}: say in the spec what they do, or \
         `ignore = [\"…\"]` where they do nothing in inference (`*` stands for anything){}",
        .framework.as_ref().map_or_else(String::new, |f| format!("this looks like {f}, but it has ")),
        .table.as_ref().map_or_else(String::new, |table| format!(
            "; the rows of a table that ids or words look up belong to a field of the record: \
             [[fields]] with embedding = \"{table}\" (docs/spec.md), of which `mmoe inspect WEIGHTS \
             --write-spec S.toml` writes the beginning"
        ))
    )]
    Leftover {
        /// Which framework; `None` where a spec says everything.
        framework: Option<String>,
        /// The first of them, and how many more.
        tensors: String,
        /// The first that may be an embedding table.
        table: Option<String>,
    },
    /// The file does not say what its outputs are.
    #[error("nothing says how these outputs are made: {}: add to a spec (`--spec`), for each output in this order,\n\n{}{}", .tasks.join(", "), example(.tasks), also_text(.also))]
    UnknownTasks {
        /// Names of the outputs, as far as known.
        tasks: Vec<String>,
        /// What else the file leaves open.
        also: Vec<String>,
    },
    /// The wiring breaks a rule.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() {
        return ": correct the name (`mmoe inspect` lists what the file has)".into();
    }
    format!(
        ": near it are {}",
        near.iter()
            .map(|n| format!("`{n}`"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

fn also_text(questions: &[String]) -> String {
    if questions.is_empty() {
        return String::new();
    }
    format!("\nThe file also leaves open:\n  {}", questions.join("\n  "))
}

fn example(tasks: &[String]) -> String {
    let entry = |t: &String| {
        format!(
            "[[tasks]]\nname = \"{t}\"\nactivation = \"sigmoid\"   # or \"softmax\", \"linear\", \"relu\", …\n"
        )
    };
    tasks.iter().map(entry).collect()
}

/// Up to five of `names` that look like `wanted`, best first.
pub(crate) fn near_names<'a>(wanted: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    /// Nobody mistypes a name that is longer than this, and comparing such names takes long.
    const LONGEST: usize = 256;
    let most = 2 + wanted.len() / 3;
    let mut scored: Vec<(usize, &String)> = names
        .filter(|n| n.len() <= LONGEST && wanted.len() <= LONGEST)
        .map(|n| (strsim::levenshtein(wanted, n), n))
        // As far apart as they are long, names have nothing in common.
        .filter(|(distance, n)| *distance <= most && *distance < n.len().max(wanted.len()))
        .collect();
    scored.sort_by_key(|(d, _)| *d);
    scored.into_iter().take(5).map(|(_, n)| n.clone()).collect()
}
