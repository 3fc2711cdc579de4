//! `docs/format.md` against the code.

use super::rules;
use mmoe::blob::{NodeName, NodeOp, SelfTestError, TaskShape};
use mmoe::{LoadError, RunError, Shape};
use mmoe_tools::engine::BlobBytes;
use std::collections::BTreeSet;

const FORMAT: &str = include_str!("../../docs/format.md");
const SHAPE: Shape = Shape { how: 0, size: 0 };
const TASK: TaskShape = TaskShape { how: 0, width: 0 };
const NODE: NodeName = NodeName::new(NodeOp::Expert, None, 0, 0);
const ERRORS: &[LoadError] = &[
    LoadError::Truncated {
        needed: 0,
        found: 0,
    },
    LoadError::Magic { found: 0 },
    LoadError::Version { found: 0 },
    LoadError::Checksum {
        stored: 0,
        computed: 0,
    },
    LoadError::Header,
    LoadError::Section { tag: 0 },
    LoadError::Record { at: 0, rule: 0 },
    LoadError::Alignment { offset: 0 },
    LoadError::Weights {
        expected: 0,
        found: 0,
    },
    LoadError::Inputs {
        expected: 0,
        found: 0,
    },
    LoadError::Nodes {
        expected: 0,
        found: 0,
    },
    LoadError::Wiring {
        node: NODE,
        offset: 0,
        expected: 0,
        found: 0,
    },
    LoadError::Layer {
        node: NODE,
        layer: 0,
        expected: SHAPE,
        found: SHAPE,
    },
    LoadError::Packing {
        node: NODE,
        expected: 0,
        found: 0,
    },
    LoadError::Task {
        task: 0,
        expected: TASK,
        found: TASK,
    },
    LoadError::Tasks {
        expected: 0,
        found: 0,
    },
    LoadError::Feature {
        feature: 0,
        offset: 0,
        expected: 0,
        found: 0,
    },
    LoadError::Features {
        expected: 0,
        found: 0,
    },
];

/// The rows of the table under a heading: their cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = FORMAT
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("no heading `{heading}`"));
    let (section, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    let rows = section.lines().filter(|l| l.starts_with('|')).skip(2);
    rows.map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

const SELF_TEST_ERRORS: &[SelfTestError] = &[
    SelfTestError::Missing,
    SelfTestError::Section,
    SelfTestError::Row {
        row: 0,
        output: 0,
        expected: 0,
        found: 0,
    },
    SelfTestError::Scratch {
        expected: 0,
        found: 0,
    },
];
const RUN_ERRORS: &[RunError] = &[
    RunError::Inputs {
        expected: 0,
        found: 0,
    },
    RunError::Outputs {
        expected: 0,
        found: 0,
    },
    RunError::Scratch {
        expected: 0,
        found: 0,
    },
    RunError::Node,
    RunError::Element,
    RunError::Value { field: 0 },
    RunError::Fields {
        expected: 0,
        found: 0,
    },
    RunError::Record,
];

/// A table of error codes against the errors, and those against the source that gives them codes.
fn assert_codes(heading: &str, source: &str, errors: &[(String, u16)]) {
    let written = source.lines().filter(|l| l.contains("=> 0x")).count();
    assert_eq!(
        written,
        errors.len(),
        "an error of `{heading}` is missing in this test"
    );
    let documented: Vec<(String, u16)> = table(heading)
        .iter()
        .map(|row| {
            let number = row[0]
                .strip_prefix("0x")
                .and_then(|n| u16::from_str_radix(n, 16).ok());
            (
                row[1].trim_matches('`').to_owned(),
                number.unwrap_or_else(|| panic!("{row:?}")),
            )
        })
        .collect();
    assert_eq!(documented, errors);
}

fn named<E: std::fmt::Debug>(errors: &[E], code: fn(&E) -> u16) -> Vec<(String, u16)> {
    errors
        .iter()
        .map(|e| {
            let name = format!("{e:?}");
            (name.split([' ', '{']).next().unwrap().to_owned(), code(e))
        })
        .collect()
}

#[test]
fn every_error_has_its_code_in_the_table() {
    let load = named(ERRORS, LoadError::code);
    let self_test = named(SELF_TEST_ERRORS, SelfTestError::code);
    let run = named(RUN_ERRORS, RunError::code);
    let sources = [
        include_str!("../../src/blob/error.rs"),
        include_str!("../../src/blob/self_test.rs"),
        include_str!("../../src/dynamic/error.rs"),
    ];
    assert_codes("Error codes", sources[0], &load);
    assert_codes("Codes of self-tests", sources[1], &self_test);
    assert_codes("Codes of predictions", sources[2], &run);
    let all = [load, self_test, run].concat();
    let unique: BTreeSet<u16> = all.iter().map(|(_, code)| *code).collect();
    assert_eq!(unique.len(), all.len());
    // A self-test that could not load says what loading says.
    let inner = LoadError::Magic { found: 1 };
    assert_eq!(SelfTestError::Load(inner).code(), inner.code());
}

#[test]
fn every_rule_is_in_the_table() {
    let documented: Vec<u32> = table("Rules of the wiring")
        .iter()
        .map(|row| row[0].parse().unwrap())
        .collect();
    assert_eq!(documented, rules::numbers());
}

#[test]
fn every_record_is_as_long_as_its_table() {
    let sizes = [
        ("Input, 8 bytes", size_of::<mmoe::blob::InputRecord>()),
        ("Node, 16 bytes", size_of::<mmoe::blob::NodeRecord>()),
        ("Layer, 8 bytes", size_of::<mmoe::blob::LayerRecord>()),
        ("Task, 8 bytes", size_of::<mmoe::blob::TaskRecord>()),
        ("Preamble, 14 bytes", mmoe::blob::PREAMBLE),
    ];
    for (heading, size) in sizes {
        let mut end = 0;
        for row in table(heading) {
            let (offset, bytes): (usize, usize) =
                (row[0].parse().unwrap(), row[1].parse().unwrap());
            assert_eq!(offset, end, "{heading}: {row:?}");
            end += bytes;
        }
        assert_eq!(end, size, "{heading}");
    }
}

/// The codes as the engine has them against the tables.
#[test]
fn every_code_is_in_its_table() {
    macro_rules! codes {
        ($($heading:literal: $name:ident;)+) => {$(
            let known = mmoe::blob::$name::ALL.iter().map(|c| (format!("{c:?}"), c.code()));
            let mut known: Vec<(String, u8)> = known.collect();
            for (name, code) in &known {
                let read = mmoe::blob::$name::from_code(*code).map(|c| format!("{c:?}"));
                assert_eq!(read.as_deref(), Some(name.as_str()));
            }
            let codes: BTreeSet<u8> = known.iter().map(|(_, code)| *code).collect();
            for code in (0..=255).filter(|c| !codes.contains(c)) {
                assert_eq!(mmoe::blob::$name::from_code(code), None);
            }
            if $heading == "Codes of layers" {
                known.push(("USER".into(), mmoe::blob::LayerKind::USER));
            }
            let documented: Vec<(String, u8)> = table($heading)
                .iter()
                .map(|row| (row[1].trim_matches('`').to_owned(), row[0].parse().unwrap()))
                .collect();
            assert_eq!(documented, known, $heading);
        )+};
    }
    codes! {
        "Codes of forms": SeesForm;
        "Codes of nodes": NodeOp;
        "Codes of layers": LayerKind;
        "Codes of activations": ActivationKind;
        "Codes of precisions": PrecisionKind;
        "Codes of packings": PackingKind;
        "Codes of outputs": OutputKind;
        "Codes of inputs": InputKind;
        "Codes of fields": Given;
        "Codes of coders": CoderKind;
        "Codes of elements": Makes;
        "Sections": SectionTag;
    }
}

#[test]
fn the_worked_example_is_a_blob() {
    let (_, rest) = FORMAT
        .split_once("```hex\n")
        .expect("a listing in hexadecimal");
    let (listing, _) = rest.split_once("```").unwrap();
    let bytes: Vec<u8> = listing
        .lines()
        .filter_map(|l| {
            l.split_once(": ")
                .map(|(_, l)| l.split_once('#').map_or(l, |(l, _)| l))
        })
        .flat_map(str::split_whitespace)
        .map(|b| u8::from_str_radix(b, 16).unwrap_or_else(|_| panic!("{b}")))
        .collect();
    let bytes = BlobBytes::new(&bytes);
    type Example = mmoe::SharedBottom<
        mmoe::Dense<2, 5, mmoe::W8>,
        [mmoe::Binary<mmoe::Head<5, 1, mmoe::W8>>; 1],
        1,
    >;
    let model = Example::load(&bytes).unwrap();
    // As the text works it out by hand.
    let [p] = model.predict(&[1.0, -1.0]);
    assert!((p - 0.622_459_35).abs() < 1e-6, "{p}");
    let mut y = [0.0];
    let erased = mmoe::Dynamic::load(&bytes).unwrap();
    erased
        .predict(&[1.0, -1.0], &mut vec![0; erased.scratch_words()], &mut y)
        .unwrap();
    assert_eq!(y[0].to_bits(), p.to_bits());
}
