//! Writes the Rust source of a typed model for a blob.
//!
//! Names of tasks and features come from a file that anybody may have written. So they become
//! identifiers and quoted text here, and can never become code.

pub mod c;
mod record;

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use mmoe::blob::{Blob, OutputKind, TaskRecord};

use crate::engine::Runner;
use crate::rust_type::{FEATURES, NotTyped, typed};
use crate::text::shown_in_line;
pub(crate) use record::camel;
use record::{Written, snake};

/// How names became identifiers, where they had to change: name, identifier.
pub type Mapping = Vec<(String, String)>;

/// Where the generated source finds the blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// `include_blob!` with this path, relative to the source file.
    Include(&'a str),
    /// The caller has it.
    Given,
}

/// Words that no field may be called, and types that the macro `mmoe::tasks!` needs under their own
/// names.
const RESERVED: [&str; 57] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "u8", "u32", "usize", "f32",
    "bool", "str",
];

/// Returns names as the blob has them, as text.
fn text(names: mmoe::blob::Names<'_>) -> Vec<String> {
    names
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// Returns an identifier for each name; no two are equal.
fn identifiers(names: &[String]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut last: HashMap<String, usize> = HashMap::new();
    let mut make = |name: &String| {
        let mut id: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        if !id.starts_with(|c: char| c.is_ascii_alphabetic()) {
            id = format!("n_{}", id.trim_start_matches('_'));
        }
        if RESERVED.contains(&id.as_str()) {
            id.push('_');
        }
        // Counting on from the last number keeps many equal names from being tried one by one.
        let n = last.entry(id.clone()).or_insert(1);
        let mut unique = id.clone();
        while !taken.insert(unique.clone()) {
            *n += 1;
            unique = format!("{id}_{n}");
        }
        unique
    };
    names.iter().map(&mut make).collect()
}

/// Text for a doc comment: one line, no links by accident, and nothing that turns it around, which
/// the compiler refuses in comments.
fn doc(text: &str) -> String {
    format!("`{}`", shown_in_line(text).replace('`', "'"))
}

/// Writes the source of a module for this blob.
///
/// # Errors
///
/// A wiring for which the engine has no type.
pub fn source(runner: &Runner<'_>, from: &Source<'_>) -> Result<(String, Mapping), NotTyped> {
    let blob = runner.model.blob();
    let typed = typed(blob)?;
    let id = blob.id();
    let (task_names, feature_names) = (text(blob.task_names()), text(blob.feature_names()));
    let tasks = identifiers(&task_names);
    let features = match typed.records.as_slice() {
        [] => identifiers(&feature_names),
        _ => identifiers(&feature_names.iter().map(|n| snake(n)).collect::<Vec<_>>()),
    };
    let mut out = Writer(String::new());
    out.line(format_args!(
        "//! {}, version {}: the type of its blob (checksum {:08x}).",
        doc(id.name),
        id.version,
        id.checksum
    ));
    out.line(format_args!("//!"));
    out.line(format_args!(
        "//! Written by `mmoe codegen`: do not edit, write it again."
    ));
    out.line(format_args!(
        "#![allow(dead_code, unreachable_pub, reason = \"not every program uses every name\")]"
    ));
    out.line(format_args!(""));
    let mut imports = typed.imports.clone();
    imports.push("LoadError");
    if matches!(from, Source::Include(_)) {
        imports.push("Aligned");
    }
    imports.sort_unstable();
    imports.dedup();
    out.imports(&imports);
    out.line(format_args!(""));
    for (name, about, text) in &typed.aliases {
        out.line(format_args!("/// {about}."));
        out.line(format_args!("pub type {name} = {text};"));
    }
    if let Some(front) = runner.front() {
        let written = Written::new(front, blob, &feature_names, &features);
        for record in &typed.records {
            out.enums(record, &written);
            out.record(record, &written);
        }
    }
    out.towers(blob, &task_names, &tasks);
    out.line(format_args!(""));
    out.line(format_args!(
        "/// The model: `Model::load` checks a blob against it and uses its weights where they \
         lie."
    ));
    out.products(blob, &task_names);
    out.line(format_args!("pub type Model = {};", typed.model));
    out.line(format_args!(""));
    let (what, signature, bytes) = match from {
        Source::Include(path) => {
            out.line(format_args!("/// The blob, in flash."));
            out.line(format_args!(
                "pub static BLOB: &Aligned<[u8]> = mmoe::include_blob!({path:?});"
            ));
            out.line(format_args!(""));
            (
                "The model in [`BLOB`], checked.",
                "load() -> Result<&'static Model, LoadError>",
                "BLOB",
            )
        }
        Source::Given => (
            "The model in these bytes, checked. They must lie at a multiple of 4.",
            "load(blob: &[u8]) -> Result<&Model, LoadError>",
            "blob",
        ),
    };
    out.line(format_args!("/// {what}"));
    out.line(format_args!("///"));
    out.line(format_args!("/// # Errors"));
    out.line(format_args!("///"));
    out.line(format_args!(
        "/// A blob that is damaged or of another shape."
    ));
    out.line(format_args!("pub fn {signature} {{"));
    out.line(format_args!("    Model::load({bytes})"));
    out.line(format_args!("}}"));
    out.constants(blob);
    if !features.is_empty() && typed.records.is_empty() {
        out.line(format_args!(""));
        out.line(format_args!("/// Where each feature stands in the input."));
        out.line(format_args!("pub mod feature {{"));
        for (i, (name, id)) in feature_names.iter().zip(&features).enumerate() {
            out.line(format_args!("    /// {}.", doc(name)));
            out.line(format_args!(
                "    pub const {}: usize = {i};",
                id.to_ascii_uppercase()
            ));
        }
        out.line(format_args!("}}"));
    }
    let changed = |names: &[String], ids: &[String]| -> Mapping {
        names
            .iter()
            .zip(ids)
            .filter(|(n, i)| n != i)
            .map(|(n, i)| (n.clone(), i.clone()))
            .collect()
    };
    let mut mapping = changed(&task_names, &tasks);
    mapping.extend(
        changed(&feature_names, &features)
            .into_iter()
            .map(|(n, i)| match typed.records.as_slice() {
                [] => (n, format!("feature::{}", i.to_ascii_uppercase())),
                _ => (n, i),
            }),
    );
    Ok((out.0, mapping))
}

/// The engine's modules, and the types in them that its root does not repeat.
const MODULES: [(&str, &[&str]); 6] = [
    ("features", FEATURES),
    (
        "gate",
        &[
            "ConstantGate",
            "DSelectKGate",
            "HardGate",
            "LinearGate",
            "MaskedGate",
            "SigmoidGate",
            "SoftmaxGate",
            "TopKGate",
        ],
    ),
    (
        "layer",
        &[
            "Affine",
            "Dice",
            "GroupNorm",
            "LayerNorm",
            "PRelu",
            "Pointwise",
            "RmsNorm",
            "RowDice",
            "Slice",
            "UnitNorm",
        ],
    ),
    (
        "parallel",
        &[
            "List2", "List3", "List4", "List5", "List6", "List7", "List8",
        ],
    ),
    ("precision", &["Pairs", "Quad"]),
    (
        "trunk",
        &["Passthrough", "SharedExpert", "SingleGate", "Stacked"],
    ),
];

struct Writer(String);

impl Writer {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{text}");
    }

    /// `use` lines: a module of the engine each, and its root.
    fn imports(&mut self, names: &[&'static str]) {
        let home = |name: &str| MODULES.iter().find(|(_, has)| has.contains(&name));
        for (module, has) in MODULES {
            let used: Vec<&str> = names.iter().copied().filter(|n| has.contains(n)).collect();
            match used.as_slice() {
                [] => {}
                [one] => self.line(format_args!("use mmoe::{module}::{one};")),
                _ => self.line(format_args!("use mmoe::{module}::{{{}}};", used.join(", "))),
            }
        }
        let root: Vec<&str> = names
            .iter()
            .copied()
            .filter(|n| home(n).is_none())
            .collect();
        self.line(format_args!("use mmoe::{{{}}};", root.join(", ")));
    }

    /// The struct of towers.
    fn towers(&mut self, blob: &Blob<'_>, names: &[String], tasks: &[String]) {
        self.line(format_args!(""));
        let kind = |t: &TaskRecord| match t.output() {
            Some(OutputKind::Sigmoid) => "a probability",
            Some(OutputKind::Softmax) => "class probabilities",
            Some(OutputKind::Linear | OutputKind::Product) | None => "raw values",
        };
        self.line(format_args!("mmoe::tasks! {{"));
        self.line(format_args!("    /// The towers. Outputs:"));
        self.line(format_args!("    ///"));
        let towers = || {
            let named = blob.tasks.iter().zip(names).zip(tasks);
            named.filter(|((t, _), _)| t.factors().is_none())
        };
        for ((task, name), id) in towers() {
            let width = if task.width == 1 {
                String::new()
            } else {
                format!(" ({} of them)", task.width)
            };
            self.line(format_args!(
                "    /// - `{id}`: task {}, {}{width}",
                doc(name),
                kind(task)
            ));
        }
        let ids: Vec<&str> = towers().map(|(_, id)| id.as_str()).collect();
        self.line(format_args!(
            "    pub struct Towers => Outputs {{ {} }}",
            ids.join(", ")
        ));
        self.line(format_args!("}}"));
    }

    /// Where the products stand in a prediction: each is around all before it.
    fn products(&mut self, blob: &Blob<'_>, names: &[String]) {
        let named = blob.tasks.iter().zip(names);
        let products: Vec<&str> = named
            .filter(|(t, _)| t.factors().is_some())
            .map(|(_, n)| n.as_str())
            .collect();
        if products.is_empty() {
            return;
        }
        self.line(format_args!("///"));
        let inner = |n: usize| ".towers".repeat(products.len() - 1 - n);
        self.line(format_args!(
            "/// Of a prediction `y`, `y{}.towers` are the towers' outputs, and products of two of \
             them:",
            inner(0)
        ));
        self.line(format_args!("///"));
        for (n, name) in products.iter().enumerate() {
            self.line(format_args!(
                "/// - `y{}.product`: task {}",
                inner(n),
                doc(name)
            ));
        }
    }

    fn constants(&mut self, blob: &Blob<'_>) {
        let inputs = blob.input_count();
        self.line(format_args!(""));
        let inputs_are = match blob.features() {
            [] => "Features of one row",
            _ => "Elements of the vector that a record makes",
        };
        self.line(format_args!("/// {inputs_are}."));
        self.line(format_args!("pub const INPUTS: usize = {inputs};"));
        self.line(format_args!("/// Tasks."));
        self.line(format_args!(
            "pub const TASKS: usize = {};",
            blob.tasks.len()
        ));
        self.line(format_args!("/// Bytes of flash that the blob takes."));
        self.line(format_args!(
            "pub const BLOB_BYTES: usize = {};",
            blob.total_len()
        ));
        self.line(format_args!("/// Bytes of weights among them."));
        self.line(format_args!(
            "pub const WEIGHT_BYTES: usize = {};",
            blob.weights.len()
        ));
        self.line(format_args!(
            "/// Bytes of buffers that a prediction has on the stack."
        ));
        self.line(format_args!("pub const SCRATCH: usize = Model::SCRATCH;"));
    }
}

#[cfg(test)]
mod tests {
    use super::identifiers;

    #[test]
    fn names_become_identifiers_of_their_own() {
        let names = [
            "click",
            "Click",
            "2nd",
            "type",
            "pay-per view",
            "u8",
            "é",
            "_",
        ]
        .map(str::to_owned);
        assert_eq!(
            identifiers(&names),
            [
                "click",
                "click_2",
                "n_2nd",
                "type_",
                "pay_per_view",
                "u8_",
                "n_",
                "n__2"
            ]
        );
    }
}
