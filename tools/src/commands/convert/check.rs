//! What a conversion is held against before it is put in its place.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use mmoe::Blob;
use mmoe_tools::convert::{Conversion, Converted, Precision};
use mmoe_tools::data::Data;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::eval;
use mmoe_tools::golden::{self, Outline, TOLERANCE, What};
use mmoe_tools::import::Weights;
use mmoe_tools::like;
use mmoe_tools::model::Recognised;
use mmoe_tools::quantize::Quantized;
use mmoe_tools::readback::{self, CheckError};
use mmoe_tools::search;
use mmoe_tools::text::{count, grouped};

use crate::commands::CheckFailed;
use crate::commands::output::differences::{failed, table};
use crate::commands::output::progress;

/// Runs the blob through the engine and holds its outputs against an independent evaluation.
pub(super) fn read_back(
    blob: &BlobBytes,
    from: &Converted<'_>,
    conversion: &Conversion,
) -> Result<String> {
    let bar = progress("checking");
    let step = |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let done = match &from.quantized {
        None => readback::float(blob, &from.graph.inputs, step).map(|c| float_checked(&c)),
        Some(quantized) => {
            let rows = conversion.calibration.as_ref();
            readback::integer(blob, &from.graph, quantized, rows, step)
                .map(|c| integers_checked(&c, quantized))
        }
    };
    bar.finish_and_clear();
    done.map_err(|e| match e {
        CheckError::Differs { .. }
        | CheckError::NeverCompared { .. }
        | CheckError::NotFinite { .. }
        | CheckError::Bits { .. }
        | CheckError::Wrapped { .. } => anyhow::Error::new(CheckFailed(e.to_string())),
        other => other.into(),
    })
}

/// One line for the check itself, one for rows recombined, one for what saturated: the three lines
/// stand under each other in the report.
fn integers_checked(checked: &readback::Integers, quantized: &Quantized) -> String {
    let apart = |a: &readback::Apart| {
        let at = if a.worst_row.is_empty() {
            String::new()
        } else {
            format!(" ({})", a.worst_row)
        };
        format!(
            "{:.1e} away at worst{at}, {:.1e} on average",
            a.worst, a.mean
        )
    };
    let mut text = format!(
        "{} through the engine, bit for bit what the written rules give; the float model's \
         outputs are {}",
        count(checked.given.rows, "row"),
        apart(&checked.given)
    );
    if let Some(a) = &checked.recombined {
        let _ = write!(
            text,
            "\nrecombined on {} made of features of different calibration rows: {}",
            count(a.rows, "row"),
            apart(a)
        );
    }
    let rows = checked.given.rows + checked.recombined.as_ref().map_or(0, |a| a.rows);
    let saturated: Vec<String> = quantized
        .report
        .iter()
        .zip(&checked.shadow.layers)
        .filter(|(_, l)| l.saturated > 0)
        .map(|((name, _), l)| format!("`{name}` {} of {}", grouped(l.saturated), l.results))
        .collect();
    let layers = if saturated.is_empty() {
        String::from("no result of a layer")
    } else {
        saturated.join(", ")
    };
    let features = match checked.clipped {
        (0, _) => String::from("no feature"),
        (n, all) => format!("{n} of {}", count(all, "feature value")),
    };
    let _ = write!(
        text,
        "\nsaturated  {layers}, on these {}; {features} of the rows given",
        count(rows, "row")
    );
    text
}

fn float_checked(checked: &readback::Checked) -> String {
    let mut text = format!(
        "{} through the engine against an f64 evaluation of the stored weights: worst {:.1e} \
         (allowed {:e})",
        count(checked.rows, "row"),
        checked.worst,
        readback::TOLERANCE
    );
    if checked.ill_conditioned > 0 {
        let rows = count(checked.ill_conditioned, "row");
        let _ = write!(
            text,
            "; on {rows} f32 rounding alone can exceed that, held to its bound"
        );
    }
    if checked.unbounded > 0 {
        let rows = count(checked.unbounded, "row");
        let _ = write!(
            text,
            "; on {rows} of these it has no bound, and outputs were not compared"
        );
    }
    text
}

/// Holds the imported weights, evaluated in f64, against the framework's outputs: whatever the
/// precision, this must fit, or be within what is `allowed` of weights that were rounded. `read` gives
/// the weights once more, to find out why it does not.
pub(super) fn imported(
    made: &Recognised,
    golden: &Data,
    allowed: Option<f64>,
    read: impl FnOnce() -> Result<Weights>,
) -> Result<String> {
    let graph = &made.graph;
    let outline = Outline::of_graph(graph);
    let (rows, differences) = golden::compare(&outline, golden, What::All, |x, _| -> Result<_> {
        Ok(eval::evaluate(graph, &x.vector(graph.front.as_ref())?))
    })?;
    let tolerance = allowed.map_or(TOLERANCE, |t| t.max(TOLERANCE));
    if let Some(CheckFailed(mut text)) = failed(&differences, tolerance) {
        let _ = write!(
            text,
            "; the worst per array:\n{}",
            table(&differences, tolerance).trim_end()
        );
        // Numbers that are not finite have no explanation in the model.
        if differences.iter().all(|d| d.relative.is_finite())
            && let Some(why) = search::diagnose(&made.plan, &read()?, golden)?
        {
            let _ = write!(text, "\nhint: the golden rows fit with\n{why}");
        }
        return Err(CheckFailed(format!("{text}\nnothing was written")).into());
    }
    let worst = differences.iter().map(|d| d.relative).fold(0.0, f64::max);
    let names: Vec<&str> = differences.iter().map(|d| d.name.as_str()).collect();
    Ok(format!(
        "the weights give the golden outputs on {}: worst {worst:.1e} over {}",
        count(rows, "row"),
        names.join(", ")
    ))
}

/// Refuses a blob of another Rust type than the one at `path`.
pub(super) fn alike(old: &Blob<'_>, path: &Path, new: &Blob<'_>) -> Result<()> {
    /// Lines that a person reads.
    const SHOWN: usize = 20;
    let found = like::differences(old, new);
    if found.is_empty() {
        return Ok(());
    }
    let mut lines = found[..found.len().min(SHOWN)].join("\n");
    if found.len() > SHOWN {
        let _ = write!(lines, "\nand {} more", found.len() - SHOWN);
    }
    bail!(
        "{}: the new model has another Rust type:\n{lines}\nnothing was written",
        path.display()
    )
}

/// Holds the blob itself against the framework's outputs.
pub(super) fn engine(
    blob: &BlobBytes,
    golden: &Data,
    precision: Precision,
    tolerance: Option<f64>,
) -> Result<String> {
    let mut runner = Runner::load(blob)?;
    let outline = Outline::of_blob(&runner);
    let what = if precision == Precision::F32 {
        What::All
    } else {
        What::Outputs
    };
    let (rows, differences) = golden::compare(&outline, golden, what, |x, e| -> Result<_> {
        Ok(runner.evaluate(x, e)?)
    })?;
    let tolerance = tolerance.or((precision == Precision::F32).then_some(TOLERANCE));
    // Without a limit any finite difference passes; NaN and infinity never do.
    let limit = tolerance.unwrap_or(f64::MAX);
    if let Some(CheckFailed(text)) = failed(&differences, limit) {
        let table = table(&differences, limit);
        return Err(CheckFailed(format!(
            "{text}; the worst per array:\n{}\nnothing was written",
            table.trim_end()
        ))
        .into());
    }
    let worst: Vec<String> = differences
        .iter()
        .map(|d| format!("{} {:.1e}", d.name, d.relative))
        .collect();
    let allowed = tolerance.map_or_else(|| "no limit given".into(), |t| format!("allowed {t:e}"));
    Ok(format!(
        "the blob's outputs on {}: worst {} ({allowed})",
        count(rows, "row"),
        worst.join(", ")
    ))
}
