//! Shape errors are compile-time errors that a person can read.
//!
//! After a change of the engine or of the compiler, `TRYBUILD=overwrite cargo test -p compile-fail` writes what is said now: read it before
//! committing it.

#[test]
fn shapes_that_do_not_fit_do_not_compile() {
    let cases = trybuild::TestCases::new();
    // With a case that builds among them, all are built and not only checked, which is what evaluates `const` assertions.
    cases.pass("tests/shapes/fits.rs");
    cases.compile_fail("tests/shapes/bounds/*.rs");
    cases.compile_fail("tests/shapes/consts/*.rs");
}
