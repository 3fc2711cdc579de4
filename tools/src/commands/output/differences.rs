//! Differences from a golden file, as `verify` and `convert` show them.

use mmoe_tools::golden::Difference;
use mmoe_tools::text::short;

use super::Table;
use crate::commands::CheckFailed;

/// The worst of each array.
pub(crate) fn table(differences: &[Difference], tolerance: f64) -> String {
    let mut table = Table::new(
        1,
        &[
            "",
            "worst |a-b|",
            "/ max(1,|b|)",
            "row",
            "found",
            "golden",
            "",
        ],
    );
    for d in differences {
        let verdict = if d.within(tolerance) { "ok" } else { "FAILED" };
        table.row(vec![
            d.name.clone(),
            format!("{:.2e}", d.absolute),
            format!("{:.2e}", d.relative),
            d.row.to_string(),
            short(d.found),
            short(d.expected),
            verdict.into(),
        ]);
    }
    table.text("  ")
}

/// The error, if one of the arrays is off by more than the tolerance.
pub(crate) fn failed(differences: &[Difference], tolerance: f64) -> Option<CheckFailed> {
    let bad: Vec<String> = differences
        .iter()
        .filter(|d| !d.within(tolerance))
        .map(|d| format!("`{}`", d.name))
        .collect();
    (!bad.is_empty()).then(|| {
        CheckFailed(format!(
            "{} differ{} from the golden file by more than {tolerance:e}·max(1, |b|)",
            bad.join(", "),
            if bad.len() == 1 { "s" } else { "" }
        ))
    })
}

/// Reads a tolerance. Nothing is within NaN or beyond infinity, so neither is one.
pub(crate) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if t >= 0.0 && t.is_finite() => Ok(t),
        _ => Err("a tolerance is a number from 0 on, such as 1e-5".into()),
    }
}
