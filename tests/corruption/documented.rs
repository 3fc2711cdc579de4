//! `docs/format.md` against the code.

use super::rules;
use mmoe::{LoadError, Shape};
use mmoe_tools::engine::BlobBytes;
use std::collections::BTreeSet;

const FORMAT: &str = include_str!("../../docs/format.md");
const SHAPE: Shape = Shape { how: 0, size: 0 };
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
        node: 0,
        byte: 0,
        expected: 0,
        found: 0,
    },
    LoadError::Layer {
        op: 0,
        index: 0,
        layer: 0,
        expected: SHAPE,
        found: SHAPE,
    },
    LoadError::Packing {
        op: 0,
        index: 0,
        expected: 0,
        found: 0,
    },
    LoadError::Task {
        task: 0,
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

#[test]
fn every_error_has_its_code_in_the_table() {
    let code = include_str!("../../src/error.rs");
    let written = code.lines().filter(|l| l.contains("=> 0x")).count();
    assert_eq!(written, ERRORS.len(), "an error is missing in this test");
    let documented: Vec<(String, u16)> = table("Error codes")
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
    let known: Vec<(String, u16)> = ERRORS
        .iter()
        .map(|e| {
            let name = format!("{e:?}");
            (name.split([' ', '{']).next().unwrap().to_owned(), e.code())
        })
        .collect();
    assert_eq!(documented, known);
    let unique: BTreeSet<u16> = known.iter().map(|(_, code)| *code).collect();
    assert_eq!(unique.len(), known.len());
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

/// The constants of `src/blob/record.rs`, module by module, against the tables of codes.
#[test]
fn every_code_is_in_its_table() {
    let code = include_str!("../../src/blob/record.rs");
    let modules = [
        ("op", "Codes of steps"),
        ("kind", "Codes of layers"),
        ("activation", "Codes of activations"),
        ("precision", "Codes of precisions"),
        ("packing", "Codes of packings"),
        ("output", "Codes of outputs"),
        ("section", "Sections"),
    ];
    for (module, heading) in modules {
        let (_, body) = code.split_once(&format!("pub mod {module} {{")).unwrap();
        let (body, _) = body.split_once("\n}").unwrap();
        let constants: BTreeSet<(String, String)> = body
            .lines()
            .filter_map(|l| {
                l.trim()
                    .strip_prefix("pub const ")?
                    .trim_end_matches(';')
                    .split_once(": u8 = ")
            })
            // The first code of the gates is a bound, not a code of its own.
            .filter(|(name, _)| *name != "GATES")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let documented: BTreeSet<(String, String)> = table(heading)
            .iter()
            .map(|row| (row[1].trim_matches('`').to_owned(), row[0].to_owned()))
            .collect();
        assert_eq!(documented, constants, "{heading}");
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
