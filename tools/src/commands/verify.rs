//! `mmoe verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe::SelfTestError;
use mmoe_tools::blob::read;
use mmoe_tools::data::Data;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::golden::{self, Outline, What};
use mmoe_tools::self_test::{self, CheckError};
use mmoe_tools::signing::{PublicKey, SigningError};
use mmoe_tools::text::count;

use super::input::{load, read_blob};
use super::output::differences::{failed, table, tolerance};
use super::output::print;
use super::{CheckFailed, assumed, sign};

/// Compares a blob's outputs with those that the framework computed, and runs the self-test rows in
/// the blob.
///
/// With `--key`, the blob must be signed with that key too, as devices ask for it.
///
/// The exit code is 0 only if |a − b| ≤ T·max(1, |b|) for every output, and every output of the
/// self-test has its stored bits.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to verify.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// What the framework computed: `x` [N, IN], and each task's outputs under the name of the task.
    /// `gate_<task>` and `experts` are compared where the file has them.
    #[arg(long, value_name = "G.npz")]
    golden: Option<PathBuf>,
    /// The public key with which the blob must be signed, a file that `mmoe keygen` wrote.
    #[arg(long, value_name = "KEY.pub")]
    key: Option<PathBuf>,
    /// How far an output may be off. The default is 1e-5 for F32. Other precisions round the weights,
    /// and only you know how much they may change the outputs.
    #[arg(long, value_name = "T", value_parser = tolerance)]
    tolerance: Option<f64>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let blob = read_blob(&args.model)?;
    if let Some(path) = &args.key {
        signature(args, path, blob.as_slice())?;
    }
    let mut runner = load(&args.model, &blob)?;
    print(&assumed::text(&runner))?;
    match self_test::check(&runner.model) {
        Ok(rows) => print(&format!(
            "{}: self-test passed, {}\n",
            args.model.display(),
            count(rows as usize, "row")
        ))?,
        Err(CheckError::Engine(SelfTestError::Missing))
            if args.golden.is_some() || args.key.is_some() => {}
        Err(CheckError::Engine(SelfTestError::Missing)) => {
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
        (None, "F32") => golden::TOLERANCE,
        (None, other) => {
            bail!(
                "{}: is {other}, whose weights are rounded: say with --tolerance how far its \
                 outputs may be off, such as --tolerance 0.02",
                args.model.display()
            )
        }
    };
    let data = Data::read(golden)?;
    let behind = behind_front(&runner, &blob, &data)?;
    if let Some(behind) = &behind {
        print(&format!(
            "{}: its rows are vectors, so they are held against the model behind the front end; \
             what makes the vector of a record is not compared\n",
            golden.display()
        ))?;
        runner = load(&args.model, behind)?;
    }
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

/// The model behind the front end of a blob that takes records, where the rows are no records but
/// vectors of the framework.
fn behind_front(runner: &Runner<'_>, blob: &BlobBytes, data: &Data) -> Result<Option<BlobBytes>> {
    let tasks: Vec<&str> = runner.tasks.iter().map(|t| t.name.as_str()).collect();
    let vectors = |front| data.holds_vectors(front, runner.model.inputs(), &tasks);
    if !runner.front().is_some_and(vectors) {
        return Ok(None);
    }
    let behind = read::behind(blob.as_slice())?;
    Ok(behind.map(|behind| behind.bytes()))
}

/// Verifies the signature behind the blob.
fn signature(args: &Args, path: &Path, file: &[u8]) -> Result<()> {
    let key =
        PublicKey::from_pem(&sign::text(path)?).with_context(|| path.display().to_string())?;
    match key.verify(file) {
        Ok(version) => print(&format!(
            "{}: signed with {}, version {version}\n",
            args.model.display(),
            sign::fingerprint(&key)
        )),
        Err(SigningError::Blob(e)) => Err(e).with_context(|| args.model.display().to_string()),
        Err(e) => Err(CheckFailed(format!("{}: {e}", args.model.display())).into()),
    }
}
