//! `include/mmoe.h` is what cbindgen makes of the source.

use std::path::Path;

#[test]
fn the_header_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(folder.join("src/codes.rs"))
        .with_src(folder.join("src/types.rs"))
        // It follows the modules of this one.
        .with_src(folder.join("src/ffi/mod.rs"))
        .generate()
        .unwrap()
        .write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let made: String = made.lines().map(for_c).collect();
    // What Rust calls safety is, for C, what the caller promises.
    let made = made.replace("// # Safety\n//\n// ", "// You promise: ");
    let path = folder.join("include/mmoe.h");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        made == committed,
        "include/mmoe.h is not what the source says: BLESS=1 cargo test -p mmoe-c --test header"
    );
}

/// Codes as the documents have them, in hexadecimal.
fn for_c(line: &str) -> String {
    if let Some((name, code)) = line.rsplit_once(' ')
        && name.starts_with("#define MMOE_E_")
        && let Ok(code) = code.parse::<u32>()
    {
        return format!("{name} {code:#04x}\n");
    }
    format!("{line}\n")
}
