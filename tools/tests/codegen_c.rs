//! C headers of models of every family, of records, and of hostile names: a C and a C++ compiler takes them.

#[path = "made/mod.rs"]
#[allow(dead_code, reason = "each test binary uses a part")]
mod made;

use std::path::Path;
use std::process::Command;

use mmoe_tools::codegen::c::{Array, Flavour, NoHeader, header, prefix, source};
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::Input;

/// Compiles a file without linking it; every complaint is an error.
fn compile(folder: &Path, compiler: &str, standard: &str, file: &str) {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/include");
    let done = Command::new(compiler)
        .current_dir(folder)
        .args([
            standard,
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .arg(include)
        .arg(file)
        .output()
        .expect("a C compiler");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{file} with {compiler}: {said}");
}

#[test]
fn headers_of_every_family_compile_as_c_and_as_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut records = 0;
    let mut c = String::new();
    for (name, bytes) in made::models() {
        let blob = BlobBytes::new(bytes.as_slice());
        let model = mmoe::Dynamic::load(&blob).unwrap();
        for (flavour, kind) in [(Flavour::Erased, "erased"), (Flavour::Typed, "typed")] {
            // Both kinds of one model in one program need names of their own.
            let own = prefix(&format!("{name}_{kind}"));
            let text = header(model.blob(), &blob, &own, Array::Source, flavour);
            if flavour == Flavour::Typed && model.fields() > 0 {
                assert_eq!(text, Err(NoHeader::Record), "{name}");
                continue;
            }
            let text = text.unwrap();
            std::fs::write(at.join(format!("{own}.h")), &text).unwrap();
            c += &format!("#include \"{own}.h\"\n#include \"{own}.h\"\n");
            records += usize::from(text.contains("_FIELDS ") && kind == "erased");
        }
        let own = prefix(&format!("{name}_erased"));
        let array = source(&blob, &own, &format!("{own}.h"));
        std::fs::write(at.join(format!("{own}.c")), array).unwrap();
        compile(at, "cc", "-std=c99", &format!("{own}.c"));
    }
    assert!(records > 1, "{records} headers of records");
    std::fs::write(at.join("all.c"), &c).unwrap();
    std::fs::write(at.join("all.cpp"), &c).unwrap();
    compile(at, "cc", "-std=c99", "all.c");
    compile(at, "g++", "-std=c++11", "all.cpp");
}

#[test]
fn names_of_a_hostile_file_stay_names() {
    let mut graph = made::mmoe();
    let names = ["@U", "class", "x\n#error", "\u{202e}", "*/ evil("].map(str::to_owned);
    graph.inputs = names.iter().map(|n| Input::new(n, 1)).collect();
    graph.feature_names = names.to_vec();
    for (task, name) in graph.tasks.iter_mut().zip(["int */ evil(", "a_b", "a b"]) {
        task.name = name.to_owned();
    }
    let bytes = made::blob(&graph, Precision::F32);
    let blob = BlobBytes::new(bytes.as_slice());
    let model = mmoe::Dynamic::load(&blob).unwrap();
    let text = header(model.blob(), &blob, "own", Array::Header, Flavour::Erased).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.h"), &text).unwrap();
    std::fs::write(folder.path().join("own.c"), "#include \"own.h\"\n").unwrap();
    compile(folder.path(), "cc", "-std=c99", "own.c");
    assert!(text.contains("OWN_TASK_A_B_2 = 2"), "{text}");
}
