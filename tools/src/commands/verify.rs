//! `mmoe verify`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use mmoe::SelfTestError;
use mmoe_tools::data::Data;
use mmoe_tools::golden::{self, Difference, Outline, What};
use mmoe_tools::self_test;

use super::output::{Table, count, print, short};
use super::{CheckFailed, assumed, load, read_blob};

/// Compares a blob's outputs with a golden file, what the framework itself computed; runs the
/// self-test rows that it carries.
///
/// Exit code 0 only if every |a − b| ≤ T·max(1, |b|), and every output of the self-test has its
/// stored bits.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// `x` [N, IN], each task's outputs under its name; `gate_<task>` and `experts` are compared
    /// where the file has them.
    #[arg(long, value_name = "G.npz")]
    golden: Option<PathBuf>,
    /// Defaults to 1e-5 for F32; other precisions round the weights, so say how much they may
    /// change the outputs.
    #[arg(long, value_name = "T", value_parser = tolerance)]
    tolerance: Option<f64>,
}

/// What F32 is held to.
pub(super) const F32: f64 = 1e-5;

pub(super) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(t) if t >= 0.0 && t.is_finite() => Ok(t),
        _ => Err("a tolerance is a number from 0 on, such as 1e-5".into()),
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let blob = read_blob(&args.model)?;
    let mut runner = load(&args.model, &blob)?;
    print(&assumed::text(&runner))?;
    match self_test::check(&runner.model) {
        Ok(rows) => print(&format!(
            "{}: self-test passed, {}\n",
            args.model.display(),
            count(rows as usize, "row")
        ))?,
        Err(SelfTestError::Missing) if args.golden.is_some() => {}
        Err(SelfTestError::Missing) => {
            bail!(
                "{}: has no self-test rows (convert with --self-test 4); give --golden to compare \
                 with a file",
                args.model.display()
            );
        }
        Err(e) => return Err(CheckFailed(format!("{}: {e}", args.model.display())).into()),
    }
    let Some(golden) = &args.golden else {
        return Ok(());
    };
    let precision = runner.precision();
    let tolerance = match (args.tolerance, precision) {
        (Some(t), _) => t,
        (None, "F32") => F32,
        (None, other) => {
            bail!(
                "{}: is {other}, whose weights are rounded: say with --tolerance how far its \
                 outputs may be off, such as --tolerance 0.02",
                args.model.display()
            )
        }
    };
    let data = Data::read(golden)?;
    let outline = Outline::of_blob(&runner);
    let what = if runner.model.is_integer() {
        What::Outputs
    } else {
        What::All
    };
    let (rows, differences) = golden::compare(&outline, &data, what, |x, experts| -> Result<_> {
        runner.evaluate(x, experts).context("prediction")
    })?;
    let mut text = format!(
        "{}: {precision}, {} of {}\n\n",
        args.model.display(),
        count(rows, "row"),
        golden.display()
    );
    text += &table(&differences, tolerance);
    if what == What::Outputs && data.array("experts").is_some() {
        text += "\ngates and experts of integer models are not compared\n";
    }
    print(&text)?;
    failed(&differences, tolerance).map_or(Ok(()), |e| Err(e.into()))
}

/// The worst of each array.
pub(super) fn table(differences: &[Difference], tolerance: f64) -> String {
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
        let numbers = [
            format!("{:.2e}", d.absolute),
            format!("{:.2e}", d.relative),
            d.row.to_string(),
            short(d.found),
            short(d.expected),
        ];
        let mut cells = vec![d.name.clone()];
        cells.extend(numbers);
        cells.push(verdict.into());
        table.row(cells);
    }
    table.text("  ")
}

/// The error, if one of the arrays is off by more than the tolerance.
pub(super) fn failed(differences: &[Difference], tolerance: f64) -> Option<CheckFailed> {
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
