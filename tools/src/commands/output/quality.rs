//! The figures of a task's quality, as `eval` and `report` show them.

use mmoe_tools::quality::Quality;
use mmoe_tools::text::short;

/// What [`figures`] are called.
pub(crate) fn names(q: &Quality) -> &'static [&'static str] {
    match q {
        Quality::Numbers { .. } => &["MSE", "RMSE", "calibration"],
        Quality::Classes { .. } => &["AUC", "log loss", "calibration", "RMSE"],
    }
}

/// The figures, `-` where there is none.
pub(crate) fn figures(q: &Quality) -> Vec<String> {
    let optional = |v: &Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.5}"));
    match q {
        Quality::Classes {
            auc,
            log_loss,
            calibration,
            rmse,
            ..
        } => vec![
            optional(auc),
            format!("{log_loss:.5}"),
            optional(calibration),
            optional(rmse),
        ],
        Quality::Numbers {
            mse, calibration, ..
        } => {
            vec![short(*mse), short(mse.sqrt()), optional(calibration)]
        }
    }
}
