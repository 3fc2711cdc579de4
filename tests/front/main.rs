//! Front ends: what typed and shape-erased models make of records, against maps and vectors that know
//! nothing of the engine, and hashes against the frameworks' own values.

mod hashes;
mod random;
mod typed;

use testkit::fronts::Element;

/// Holds elements against what they must be.
fn assert_elements(found: &[f64], wanted: &[Element], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let same = found.to_bits() == wanted.value.to_bits()
            || (found.is_nan() && wanted.value.is_nan())
            || found == &wanted.value
            || (found - wanted.value).abs() <= wanted.off;
        assert!(same, "{what}, element {i}: {found}, must be {wanted:?}");
    }
}
