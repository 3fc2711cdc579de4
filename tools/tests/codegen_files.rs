//! What `codegen` writes for models of every family is what stands in `tests/generated`, where
//! `codegen_models.rs` compiles it. `BLESS=1 cargo test -p mmoe-tools --test codegen_files` writes
//! those files anew.

#[path = "made/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod made;

use std::path::PathBuf;

use mmoe_tools::codegen::{self, Source};
use mmoe_tools::engine::{BlobBytes, Runner};

#[test]
fn the_written_sources_are_those_that_are_compiled() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/generated");
    let bless = std::env::var_os("BLESS").is_some();
    for (name, bytes) in made::models() {
        let blob = BlobBytes::new(bytes.as_slice());
        let runner = Runner::load(&blob).unwrap();
        let path = format!("{name}.mmoe");
        let (source, mapping) = codegen::source(&runner, &Source::Include(&path))
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        if bless {
            std::fs::write(folder.join(&path), &bytes).unwrap();
            std::fs::write(folder.join(format!("{name}.rs")), &source).unwrap();
        }
        assert_eq!(
            std::fs::read(folder.join(&path)).unwrap(),
            bytes,
            "{name}: the blob"
        );
        assert_eq!(
            std::fs::read_to_string(folder.join(format!("{name}.rs"))).unwrap(),
            source,
            "{name}: the source"
        );
        if name == "mmoe" {
            let shown: Vec<String> = mapping.iter().map(|(a, b)| format!("{a} {b}")).collect();
            let expected = [
                "click-through click_through",
                "type type_",
                "u8 u8_",
                "Income (k$) feature::INCOME__K__",
                "2nd visit feature::N_2ND_VISIT",
                "type feature::TYPE_",
                "age. feature::AGE_",
            ];
            assert_eq!(shown, expected);
        } else if name.starts_with("records") || name == "ranking" {
            assert_eq!(mapping, [("Price (k$)".to_owned(), "price_k".to_owned())]);
        } else {
            assert!(mapping.is_empty(), "{mapping:?}");
        }
    }
}

#[test]
fn what_no_type_spells_is_refused_by_name() {
    use made::Maker;
    use mmoe_tools::graph::{GateKind, Output};
    let mut m = Maker::new("free", 4);
    let experts = [m.expert(0, 3), m.expert(0, 3)];
    let gates = [
        m.gate(0, GateKind::Softmax, &experts),
        m.gate(0, GateKind::Softmax, &experts),
    ];
    // The towers read the gates the other way round.
    m.tower(gates[1], 1, "a", |value| Output::Linear { value });
    m.tower(gates[0], 1, "b", |value| Output::Linear { value });
    let bytes = made::blob(&m.done(), mmoe_tools::convert::Precision::F32);
    let bytes = BlobBytes::new(bytes.as_slice());
    let blob = mmoe::blob::Blob::open(bytes.as_slice()).unwrap();
    let error = mmoe_tools::rust_type::typed(&blob).unwrap_err().to_string();
    assert!(
        error.starts_with("tower 0 reads value 4, which no family of types says"),
        "{error}"
    );
}
