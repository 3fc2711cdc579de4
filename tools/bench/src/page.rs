//! The parts of `docs/host.md` that commands write, each between marks of its name.

use std::path::PathBuf;

/// Where a document of the repository is.
#[must_use]
pub fn document(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

/// Puts `text` between `<!-- name -->` and `<!-- /name -->` of `docs/host.md`, which stand there.
pub fn put(name: &str, text: &str) {
    let path = document("host.md");
    let page = std::fs::read_to_string(&path).expect("docs/host.md is read");
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let (before, rest) = page.split_once(&begin).expect("the part's first mark");
    let (_, after) = rest.split_once(&end).expect("the part's last mark");
    let page = format!("{before}{begin}\n{}\n{end}{after}", text.trim());
    std::fs::write(&path, page).expect("docs/host.md is written");
}
