//! Writes the C header of a blob: its sizes, its inputs and outputs by name, and functions that take
//! them; for the library that takes any blob, or for one that was built for this model.

use std::collections::HashSet;
use std::fmt::Write as _;

use mmoe::blob::{Blob, FeatureRecord, Given, OutputKind, SectionTag};
use mmoe::{Dynamic, LoadError};

use super::{identifiers, snake, text};
use crate::blob::vocabulary::FieldText;
use crate::text::shown_in_line;

/// Where the C program finds the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Array {
    /// As an array in the header.
    Header,
    /// As an array in a source file of its own.
    Source,
    /// It has it: in a partition of its flash, or received.
    Given,
}

/// Which library the header is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// The one that takes any blob.
    Erased,
    /// One that was built for this model.
    Typed,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NoHeader {
    /// The blob is not accepted.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A library for one model was asked for, and the model takes records.
    #[error(
        "the model takes records, and libraries for one model take features: use the library for any \
         blob, without `--typed` or `--model`"
    )]
    Record,
}

/// Words that no member may be called in C or C++, and that are not reserved in Rust.
const RESERVED: [&str; 52] = [
    "alignas",
    "alignof",
    "and",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "default",
    "delete",
    "double",
    "explicit",
    "export",
    "float",
    "friend",
    "goto",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "nullptr",
    "operator",
    "or",
    "private",
    "protected",
    "public",
    "register",
    "restrict",
    "short",
    "signed",
    "sizeof",
    "switch",
    "template",
    "this",
    "throw",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "void",
    "volatile",
    "xor",
];

/// Constants that every header has, behind the prefix.
const SIZES: [&str; 9] = [
    "MODEL_H",
    "INPUTS",
    "FIELDS",
    "OUTPUTS",
    "TASKS",
    "BLOB_BYTES",
    "BLOB_WORDS",
    "SCRATCH_BYTES",
    "SELF_TEST_BYTES",
];

/// Identifiers for members and constants.
fn members(names: &[String]) -> Vec<String> {
    let snakes: Vec<String> = names.iter().map(|n| snake(n)).collect();
    let ids = identifiers(&snakes);
    ids.into_iter()
        .map(|id| {
            if RESERVED.contains(&id.as_str()) {
                format!("{id}_")
            } else {
                id
            }
        })
        .collect()
}

/// What all names of the header begin with, made of a model's name or a file's.
///
/// ```
/// assert_eq!(mmoe_tools::codegen::c::prefix("Edge ranker"), "edge_ranker");
/// assert_eq!(mmoe_tools::codegen::c::prefix("3"), "n_3");
/// ```
#[must_use]
pub fn prefix(name: &str) -> String {
    match members(&[name.to_owned()]).pop().unwrap_or_default() {
        // These are the names of the library itself.
        own if own == "mmoe" => "mmoe_net".to_owned(),
        prefix => prefix,
    }
}

/// Text for a comment: one line that cannot end it.
fn comment(text: &str) -> String {
    let line = shown_in_line(text).replace("*/", "* /");
    line.replace("??/", "?? /").replace('\\', "/")
}

/// Writes the header.
///
/// # Errors
///
/// A blob that is not accepted, or one that takes records where the library is for one model.
pub fn header(
    blob: &Blob<'_>,
    bytes: &[u8],
    prefix: &str,
    array: Array,
    flavour: Flavour,
) -> Result<String, NoHeader> {
    let dynamic = Dynamic::from_blob(blob)?;
    if flavour == Flavour::Typed && dynamic.fields() > 0 {
        return Err(NoHeader::Record);
    }
    let names = text(blob.feature_names());
    let file = Header {
        blob,
        model: &dynamic,
        low: prefix.to_owned(),
        up: prefix.to_ascii_uppercase(),
        features: members(&names),
        names,
        tasks: members(&text(blob.task_names())),
        constants: SIZES.map(str::to_owned).into(),
        out: String::new(),
    };
    Ok(file.write(bytes, array, flavour))
}

/// Writes the source file with the blob, for a header with [`Array::Source`] of this name.
#[must_use]
pub fn source(bytes: &[u8], prefix: &str, header: &str) -> String {
    let mut out = format!(
        "/* The blob of {header}. Written by `mmoe codegen`: do not edit, write it again. */\n\
         #include \"{header}\"\n\n"
    );
    let (up, words) = (prefix.to_ascii_uppercase(), words(bytes));
    let _ = writeln!(
        out,
        "const uint32_t {prefix}_blob[{up}_BLOB_WORDS] = {{{words}}};"
    );
    out
}

/// The bytes as words of a little-endian core, which so lie at a multiple of 4.
fn words(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (at, word) in bytes.chunks(4).enumerate() {
        let mut four = [0; 4];
        four[..word.len()].copy_from_slice(word);
        let lead = if at % 10 == 0 { "\n    " } else { " " };
        let _ = write!(out, "{lead}{:#010x},", u32::from_le_bytes(four));
    }
    out.push('\n');
    out
}

struct Header<'a> {
    blob: &'a Blob<'a>,
    model: &'a Dynamic<'a>,
    /// What names of types and functions begin with, and those of constants.
    low: String,
    up: String,
    names: Vec<String>,
    /// The identifiers of features or fields, and of tasks.
    features: Vec<String>,
    tasks: Vec<String>,
    /// Constants that there are already.
    constants: HashSet<String>,
    out: String,
}

impl Header<'_> {
    fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        let line = line.replace("@U", &self.up).replace('@', &self.low);
        self.out += &line;
        self.out.push('\n');
    }

    /// Lines in which `@` stands for the prefix, and `@U` for the prefix in capitals.
    fn lines(&mut self, lines: &str) {
        for line in lines.split('\n') {
            self.line(line);
        }
    }

    fn write(mut self, bytes: &[u8], array: Array, flavour: Flavour) -> String {
        let id = self.blob.id();
        let about = format!(
            "/* {}, version {}, checksum {:08x}: what a C program needs of this model.",
            comment(&format!("\"{}\"", id.name)),
            id.version,
            id.checksum
        );
        // A name may hold the sign that stands for the prefix.
        self.out += &about;
        self.out.push('\n');
        self.line(" * Written by `mmoe codegen --c`: do not edit, write it again. */");
        self.lines("#ifndef @U_MODEL_H\n#define @U_MODEL_H\n\n#include \"mmoe.h\"\n");
        self.lines("#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
        self.sizes(bytes.len());
        self.enums();
        let record = self.model.fields() > 0;
        if record {
            self.records();
        } else {
            self.vector();
        }
        self.outputs();
        self.array(bytes, array);
        match flavour {
            Flavour::Erased => self.erased(record),
            Flavour::Typed => self.typed(),
        }
        self.lines("#ifdef __cplusplus\n}\n#endif\n\n#endif /* @U_MODEL_H */");
        self.out
    }

    fn sizes(&mut self, bytes: usize) {
        let m = self.model;
        let (inputs, outputs, tasks) = (m.inputs(), m.outputs(), m.tasks().count());
        let (words, test) = (m.scratch_words() * 4, m.self_test_words() * 4);
        let fields = m.fields();
        self.line(format!("#define @U_INPUTS {inputs}u"));
        if fields > 0 {
            self.line(format!("#define @U_FIELDS {fields}u"));
        }
        self.line(format!("#define @U_OUTPUTS {outputs}u"));
        self.line(format!("#define @U_TASKS {tasks}u"));
        self.line(format!("#define @U_BLOB_BYTES {bytes}u"));
        self.line("/* Bytes of scratch of a prediction, and of the self-test. */");
        if fields > 0 {
            // The values of a record lie behind the words, as the library sees them.
            self.line(format!(
                "#define @U_SCRATCH_BYTES ({words}u + (1u + {fields}u * 3u) * sizeof(void *))"
            ));
        } else {
            self.line(format!("#define @U_SCRATCH_BYTES {words}u"));
        }
        self.line(format!("#define @U_SELF_TEST_BYTES {test}u"));
        self.line("");
    }

    fn enums(&mut self) {
        self.line("enum @_task {");
        for (k, task) in self.tasks.clone().iter().enumerate() {
            self.constant(&format!("TASK_{task}"), k);
        }
        self.lines("};\n");
        let what = if self.model.fields() > 0 {
            "field"
        } else {
            "feature"
        };
        if self.features.is_empty() {
            return;
        }
        self.line(format!("enum @_{what} {{"));
        for (i, id) in self.features.clone().iter().enumerate() {
            self.constant(&format!("{what}_{id}"), i);
        }
        self.lines("};\n");
        self.values();
    }

    /// One constant of an enum. Different names can end up as one, such as field `a_b` with value `c`
    /// and field `a` with value `b_c`; the later one has a number at its end.
    fn constant(&mut self, name: &str, value: usize) {
        let name = name.to_ascii_uppercase();
        let mut unique = name.clone();
        let mut n = 1;
        while !self.constants.insert(unique.clone()) {
            n += 1;
            unique = format!("{name}_{n}");
        }
        self.line(format!("    @U_{unique} = {value},"));
    }

    /// An enum for each field whose values are given by number and have names.
    fn values(&mut self) {
        let section = self.blob.section(SectionTag::Vocabulary);
        let texts =
            section.and_then(|content| postcard::from_bytes::<Vec<FieldText>>(content).ok());
        let vocabulary = texts.unwrap_or_default();
        for (at, id) in self.features.clone().iter().enumerate() {
            let tokens = vocabulary.get(at).map_or(&[][..], |v| &v.tokens);
            let by_number = self
                .feature_of(at)
                .is_some_and(|f| f.given() == Some(Given::U32));
            if tokens.is_empty() || !by_number {
                continue;
            }
            self.line(format!("enum @_{id}_value {{"));
            for (i, token) in members(tokens).iter().enumerate() {
                self.constant(&format!("{id}_{token}"), i);
            }
            self.lines("};\n");
        }
    }

    /// The first feature that reads a field.
    fn feature_of(&self, field: usize) -> Option<&FeatureRecord> {
        let mut features = self.blob.features().iter();
        features.find(|f| usize::from(f.field) == field)
    }

    /// The features of one row.
    fn vector(&mut self) {
        self.line("/* The features of one row. */");
        self.line("typedef struct @_features {");
        if self.features.is_empty() {
            self.line("    float x[@U_INPUTS];");
        } else {
            for (id, name) in self.features.clone().iter().zip(self.names.clone()) {
                self.member("float", id, &name);
            }
        }
        self.lines("} @_features;\n");
    }

    fn member(&mut self, ty: &str, id: &str, name: &str) {
        if id == name {
            self.line(format!("    {ty} {id};"));
        } else {
            // The name may hold the sign that stands for the prefix.
            let _ = writeln!(self.out, "    {ty} {id}; /* {} */", comment(name));
        }
    }

    /// The record, or the two of a model that ranks.
    fn records(&mut self) {
        let context = self.model.context_fields();
        let fields = self.model.fields();
        if context == fields {
            self.record("record", "The fields of a record", 0..fields);
        } else {
            self.record("context", "The fields that candidates share", 0..context);
            self.record("candidate", "The fields of a candidate", context..fields);
        }
    }

    fn record(&mut self, what: &str, about: &str, fields: std::ops::Range<usize>) {
        self.line(format!(
            "/* {about}, each made by the function behind it. */"
        ));
        self.line(format!("typedef struct @_{what} {{"));
        for field in fields {
            let feature = self.feature_of(field);
            let list = feature.is_some_and(FeatureRecord::is_list);
            let made = match (feature.and_then(FeatureRecord::given), list) {
                (Some(Given::F32), false) => "mmoe_number",
                (Some(Given::F32), true) => "mmoe_number_list",
                (Some(Given::I32), false) => "mmoe_integer",
                (Some(Given::I32), true) => "mmoe_integer_list",
                (Some(Given::U32), false) => "mmoe_ident",
                (Some(Given::U32), true) => "mmoe_ident_list",
                (Some(Given::Text), false) => "mmoe_string, mmoe_bytes",
                (Some(Given::Text), true) => "mmoe_text_list",
                (None, _) => "mmoe_missing",
            };
            let number = feature.is_some_and(|f| f.given() == Some(Given::F32));
            let missing = feature.is_some_and(|f| list || number || f.may_be_missing());
            let or = if missing && made != "mmoe_missing" {
                ", mmoe_missing"
            } else {
                ""
            };
            let unnamed = format!("field{field}");
            let id = self.features.get(field).cloned().unwrap_or(unnamed);
            self.line(format!("    mmoe_value {id}; /* {made}{or} */"));
        }
        self.line(format!("}} @_{what};"));
        self.line("");
    }

    fn outputs(&mut self) {
        self.line("/* The outputs of one prediction. */");
        self.line("typedef struct @_outputs {");
        let tasks: Vec<_> = self.model.tasks().collect();
        for (task, id) in tasks.into_iter().zip(self.tasks.clone()) {
            let about = match task.output {
                OutputKind::Sigmoid => "a probability",
                OutputKind::Softmax => "probabilities of classes",
                OutputKind::Linear => "of any size",
                OutputKind::Product => "a product of two tasks' probabilities",
            };
            let width = match (task.width, task.output) {
                (1, OutputKind::Sigmoid | OutputKind::Linear | OutputKind::Product) => {
                    String::new()
                }
                (width, _) => format!("[{width}]"),
            };
            self.line(format!("    float {id}{width}; /* {about} */"));
        }
        self.lines("} @_outputs;\n");
        self.line("/* What the gates gave to the experts that they see. */");
        self.line("typedef struct @_gates {");
        let gates: Vec<usize> = self.model.gates().map(|g| g.experts().count()).collect();
        for (n, sees) in gates.iter().enumerate() {
            self.line(format!("    float gate{n}[{sees}];"));
        }
        if gates.is_empty() {
            self.line("    float none[1];");
        }
        self.lines("} @_gates;\n");
    }

    fn array(&mut self, bytes: &[u8], array: Array) {
        if array == Array::Given {
            return;
        }
        let count = bytes.len().div_ceil(4);
        self.line(
            "/* The blob: words of a little-endian core, so that it lies at a multiple of 4. */",
        );
        self.line(format!("#define @U_BLOB_WORDS {count}u"));
        if array == Array::Source {
            self.lines("extern const uint32_t @_blob[@U_BLOB_WORDS];\n");
            return;
        }
        self.line(format!(
            "static const uint32_t @_blob[@U_BLOB_WORDS] = {{{}}};",
            words(bytes)
        ));
        self.line("");
    }

    /// Functions around those of the library for any blob.
    fn erased(&mut self, record: bool) {
        let fields = if record {
            "mmoe_fields(model) != @U_FIELDS ||\n        "
        } else {
            ""
        };
        self.lines(
            include_str!("erased.h.txt")
                .replace("%fields ", fields)
                .as_str(),
        );
        if !record {
            self.lines(include_str!("vector.h.txt"));
        } else if self.model.context_fields() == self.model.fields() {
            self.lines(include_str!("record.h.txt"));
        } else {
            self.lines(include_str!("ranking.h.txt"));
        }
    }

    /// Declarations of the library that was built for this model.
    fn typed(&mut self) {
        self.lines(include_str!("typed.h.txt"));
    }
}

/// Writes the crate of a library for one model: the text of its `src/lib.rs`, beside a module `model`
/// that [`codegen::source`](super::source) wrote.
#[must_use]
pub fn typed_crate(blob: &Blob<'_>, prefix: &str) -> String {
    let outputs = blob.output_count();
    format!(
        "//! A library for C that runs one model. Written by `cargo xtask c-lib`.\n\
         #![no_std]\n\n\
         mod model;\n\n\
         mmoe_c::typed_model! {{\n    \
             model::Model, model::INPUTS, {outputs};\n    \
             {prefix}_open, {prefix}_predict, {prefix}_self_test, {prefix}_error_name\n\
         }}\n"
    )
}

/// The functions of such a library.
#[must_use]
pub fn typed_functions(prefix: &str) -> Vec<String> {
    let of = |what| format!("{prefix}_{what}");
    ["open", "predict", "self_test", "error_name"]
        .map(of)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::{comment, members, words};

    #[test]
    fn names_are_no_words_of_c() {
        let names = ["int", "class", "Main screen", "a*/b"].map(str::to_owned);
        assert_eq!(members(&names), ["int_", "class_", "main_screen", "a_b"]);
        assert_eq!(comment("a*/ b\\"), "a* / b/");
    }

    #[test]
    fn bytes_are_little_endian_words() {
        assert_eq!(words(b"MMOE\x01"), "\n    0x454f4d4d, 0x00000001,\n");
    }
}
