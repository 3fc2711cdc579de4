//! What commands read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::front::Tally;
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::predictions::Predictions;
use mmoe_tools::quality;
use mmoe_tools::text::count;

use super::output::{note, progress};

/// Reads a blob's bytes.
pub(super) fn read_blob(path: &Path) -> Result<BlobBytes> {
    let blob =
        BlobBytes::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    if blob.as_slice().is_empty() {
        bail!(
            "{}: is empty (0 bytes); was it fully written?",
            path.display()
        );
    }
    if !blob.is_blob() {
        bail!(
            "{}: is no blob; if it holds trained weights, make one of it: mmoe convert {0} -o \
             model.mmoe",
            path.display()
        );
    }
    Ok(blob)
}

/// Whether a file begins as a blob does.
pub(super) fn is_blob(path: &Path) -> bool {
    let mut start = [0; 4];
    let read = File::open(path).and_then(|mut f| f.read_exact(&mut start));
    read.is_ok() && start == mmoe::blob::MAGIC.to_le_bytes()
}

/// Loads a blob.
pub(super) fn load<'b>(path: &Path, blob: &'b BlobBytes) -> Result<Runner<'b>> {
    Runner::load(blob).with_context(|| path.display().to_string())
}

/// The rows of a data file, with notes of what was taken on trust.
pub(super) fn features(runner: &Runner<'_>, data: &Data) -> Result<Samples> {
    let x = quality::features(runner, data)?;
    note_remarks(runner, data);
    note_fields(runner, &x);
    Ok(x)
}

/// Notes how columns became features.
pub(super) fn note_remarks(runner: &Runner<'_>, data: &Data) {
    let labels = quality::label_columns(&runner.tasks);
    let remarks = match runner.front() {
        Some(front) => data.record_remarks(front, &labels),
        None => data.remarks(&runner.feature_names(), &labels),
    };
    remarks.iter().for_each(|r| note(r));
}

/// Notes, per field of a record, what was missing, unknown, cut or clipped.
fn note_fields(runner: &Runner<'_>, x: &Samples) {
    if let (Some(stored), Samples::Records(records)) = (&runner.front, x) {
        let tally = Tally::of(stored, records);
        tally.lines().iter().for_each(|line| note(line));
    }
}

/// Predicts all rows, and shows how far it is.
pub(super) fn predict(runner: &Runner<'_>, x: &Samples) -> Result<Predictions> {
    let bar = progress("predicting");
    bar.set_length(x.len() as u64);
    let made = Predictions::make(runner, x, None, |rows| bar.inc(rows)).context("prediction");
    bar.finish_and_clear();
    made
}

/// Notes of numbers that are none: they pass through a model without a sound.
pub(super) fn note_odd_numbers(x: &Samples, predictions: &Predictions) {
    let mut odd = OddNumbers::default();
    odd.add(x, predictions);
    odd.note();
}

/// What rows have of numbers that are none.
#[derive(Debug, Default)]
pub(super) struct OddNumbers {
    nan: u64,
    saturated: u64,
    /// Features, and rows that have such a feature.
    features: (usize, usize),
    outputs: usize,
}

impl OddNumbers {
    /// Counts those of some rows.
    pub(super) fn add(&mut self, x: &Samples, predictions: &Predictions) {
        self.nan += predictions.nan;
        self.saturated += predictions.saturated;
        let (numbers, rows) = x.not_finite();
        self.features.0 += numbers;
        self.features.1 += rows;
        self.outputs += predictions.not_finite();
    }

    pub(super) fn note(&self) {
        let (nan, saturated) = (self.nan, self.saturated);
        if nan + saturated > 0 {
            note(&format!(
                "{nan} features were NaN (taken as 0), {saturated} beyond the range that the \
                 integers hold (saturated)"
            ));
        }
        let (numbers, rows) = self.features;
        if numbers > 0 && nan + saturated == 0 {
            note(&format!(
                "{} of the features, in {}, {} NaN or infinite",
                numbers,
                count(rows, "row"),
                if numbers == 1 { "is" } else { "are" }
            ));
        }
        if self.outputs > 0 {
            note(&format!(
                "{} have outputs that are NaN or infinite",
                count(self.outputs, "row")
            ));
        }
    }
}

/// Reads a spec.
pub(super) fn read_spec(path: &Path) -> Result<Spec> {
    /// Longer than any spec, and nothing against the memory there is.
    const MOST: u64 = 1 << 26;
    let shown = path.display();
    let failed = || format!("{shown}: cannot be read");
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(failed)?;
    let read = file
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .with_context(failed)?;
    let is_text = read as u64 <= MOST && !bytes.contains(&0);
    let Some(text) = String::from_utf8(bytes).ok().filter(|_| is_text) else {
        bail!(
            "{shown}: is no text, where --spec wants TOML that says what the weights do not; \
             weights come first: mmoe convert WEIGHTS --spec S.toml -o model.mmoe"
        );
    };
    let dir = path.parent().unwrap_or(Path::new(""));
    Spec::parse_in(&text, dir).with_context(|| shown.to_string())
}
