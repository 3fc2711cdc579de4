//! `mmoe convert`.

mod check;
mod codes;
mod report;
mod search;
mod start;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use mmoe::Blob;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::cost::cores::{CORES, Measurements};
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::front::record::Record;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::Weights;
use mmoe_tools::plan::open::Question;
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::plan::spec::write::write_plan;
use mmoe_tools::text::count;
use mmoe_tools::{features, import, like, model, quality};

use super::assumed;
use super::input::{is_blob, load, read_blob, read_spec};
use super::output::differences::tolerance;
use super::output::{Target, note, print};
use report::Report;

/// Converts trained weights into a blob, and checks the blob before it replaces an older one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Trained weights: .safetensors, .npz, PyTorch .pt, .keras, .weights.h5 or .h5; or an exported
    /// graph: .onnx, .tflite, a SavedModel. They are told apart by their content.
    #[arg(value_name = "WEIGHTS")]
    weights: PathBuf,
    /// What the weights file does not hold: names of tasks, activation functions, wiring (TOML, see
    /// docs/spec.md).
    #[arg(long, value_name = "S.toml")]
    spec: Option<PathBuf>,
    /// What makes the model's vector of a record of raw fields, where the weights file does not say it:
    /// FuxiCTR's folder of a data set, TorchEasyRec's pipeline.config, or scikit-learn's encoders as
    /// JSON (see docs/features.md).
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// The tasks' names, in the order of an exported graph's outputs or of the columns of its one
    /// output: `ctr,cvr`. Without them tasks are called as the outputs are.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    tasks: Vec<String>,
    /// How weights are stored and computed.
    #[arg(long, value_enum, ignore_case = true, default_value_t)]
    precision: PrecisionArg,
    /// Keep the Rust type of this earlier blob, so that a program built for it also loads the new
    /// one: its precision, its packing, and int8 or 16-bit weights layer by layer. Where the new
    /// model cannot have that type, every difference is named and nothing is written.
    #[arg(long, value_name = "OLD.mmoe",
          conflicts_with_all = ["precision", "narrow_heads", "keep_wide", "max_loss", "packing", "core"])]
    like: Option<PathBuf>,
    /// Rows of features (array `x`, or CSV) that show which values are usual; for i8.
    #[arg(long, value_name = "X.npz")]
    calibration: Option<PathBuf>,
    /// Outputs that the framework computed, to compare the blob with. Nothing is written if they
    /// differ.
    #[arg(long, value_name = "G.npz")]
    golden: Option<PathBuf>,
    /// How far the blob's outputs may be off the golden ones. The default is 1e-5 for f32, and no
    /// limit for precisions that round the weights.
    #[arg(long, value_name = "T", value_parser = tolerance, requires = "golden")]
    tolerance: Option<f64>,
    /// Use int8 weights in the towers' last layers as well.
    #[arg(long)]
    narrow_heads: bool,
    /// Use 16-bit weights for this layer, such as `expert0.1`, or `expert0` for all of its layers;
    /// for i8.
    #[arg(long, value_name = "LAYER")]
    keep_wide: Vec<String>,
    /// Refuse to convert, rather than widen a layer, where int8 weights cost more than this share of
    /// the layer's output; for i8.
    #[arg(long, value_name = "SHARE", value_parser = tolerance)]
    max_loss: Option<f64>,
    /// The order of int8 weights in flash. It changes speed, never results; for i8.
    #[arg(long, value_enum, ignore_case = true, default_value_t)]
    packing: PackingArg,
    /// The core that the model is for: chooses the packing that is fastest there; for i8.
    #[arg(long, value_name = "CORE", ignore_case = true, conflicts_with = "packing",
          value_parser = CORES.map(|(name, _)| name))]
    core: Option<String>,
    /// Store this many rows of inputs, made within the declared ranges, with the exact outputs
    /// that a device must give (`Model::self_test`).
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u8).range(1..=32))]
    self_test: Option<u8>,
    /// Keep one-hot columns as they are, where names and calibration rows show some and the spec does
    /// not ask for codes.
    #[arg(long)]
    keep_columns: bool,
    /// Convert even though the file leaves open something that changes the outputs, and neither the
    /// spec nor golden rows decide it. The blob then lists what was assumed.
    #[arg(long)]
    accept_assumptions: bool,
    /// Write the spec that says everything that this conversion took, golden rows' answers among it.
    #[arg(long, value_name = "OUT.toml")]
    write_spec: Option<PathBuf>,
    /// Show where every tensor went, what was folded and what was dropped.
    #[arg(long)]
    explain: bool,
    /// Where to write the blob.
    #[arg(short, long, value_name = "M.mmoe")]
    output: PathBuf,
}

/// How weights are stored and computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PrecisionArg {
    /// f32 weights and arithmetic.
    #[default]
    F32,
    /// int8 weights with a scale per row, f32 arithmetic.
    W8,
    /// int8 weights, int16 activations, integer arithmetic.
    I8,
}

/// Orders of int8 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PackingArg {
    /// Panels of four rows: `I8`.
    #[default]
    Panels,
    /// Panels as 32-bit words, for cores without SIMD: `I8<Quad>`.
    Quad,
    /// Two rows in an int16, for cores with Arm's DSP or vector extension (M4, M7, M33, M55): `I8<Pairs>`.
    Pairs,
}

impl Args {
    /// The packing named, or the one that suits the core named.
    fn packing(&self) -> Packing {
        match (&self.core, self.packing) {
            (Some(core), _) => {
                let suits = Measurements::built_in().packing(&core.to_lowercase());
                suits.unwrap_or_default()
            }
            (None, PackingArg::Panels) => Packing::Panels,
            (None, PackingArg::Quad) => Packing::Quad,
            (None, PackingArg::Pairs) => Packing::Pairs,
        }
    }

    /// The choices that these arguments make; the calibration rows are read later, when the
    /// features' names are known.
    fn conversion(&self, like: Option<&Blob<'_>>) -> Conversion {
        if let Some(like) = like {
            return Conversion {
                self_test: self.self_test,
                ..like::conversion(like)
            };
        }
        Conversion {
            precision: match self.precision {
                PrecisionArg::F32 => Precision::F32,
                PrecisionArg::W8 => Precision::W8,
                PrecisionArg::I8 => Precision::I8,
            },
            packing: self.packing(),
            narrow_heads: self.narrow_heads,
            calibration: None,
            keep_wide: self.keep_wide.clone(),
            max_loss: self.max_loss,
            widths: None,
            self_test: self.self_test,
            assumed: Vec::new(),
        }
    }

    /// Where the blob goes, if these are weights that one can be made of.
    fn target(&self) -> Result<Target> {
        let inputs = [
            ("the weights", Some(&self.weights)),
            ("the spec", self.spec.as_ref()),
            ("the calibration rows", self.calibration.as_ref()),
            ("the golden file", self.golden.as_ref()),
        ];
        let given = inputs
            .into_iter()
            .filter_map(|(what, p)| Some((what, p?.as_path())));
        let target = Target::new(&self.output, given)?;
        if is_blob(&self.weights) {
            bail!(
                "{}: is a blob already; mmoe inspect shows what is in it, mmoe convert makes one \
                 of trained weights",
                self.weights.display()
            );
        }
        Ok(target)
    }

    /// Where the spec goes, if one is asked for.
    fn spec_target(&self) -> Result<Option<Target>> {
        let Some(path) = &self.write_spec else {
            return Ok(None);
        };
        let given = [
            ("the weights", self.weights.as_path()),
            ("the blob", self.output.as_path()),
        ];
        Target::new(path, given).map(Some)
    }

    /// Refuses options that the precision has no use for.
    fn check(&self, precision: Precision) -> Result<()> {
        let integer = precision == Precision::I8;
        let given = [
            (self.calibration.is_some(), "--calibration"),
            (!self.keep_wide.is_empty(), "--keep-wide"),
            (self.max_loss.is_some(), "--max-loss"),
            (self.packing != PackingArg::Panels, "--packing"),
            (self.core.is_some(), "--core"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, option)) if !integer => bail!(
                "{option} is for --precision i8; leave it out for {}",
                precision.name()
            ),
            _ => Ok(()),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let file = args.like.as_deref().map(read_blob).transpose()?;
    let like = args.like.as_deref().zip(file.as_ref());
    let like = like.map(|(path, file)| load(path, file)).transpose()?;
    let like = like.as_ref().map(|runner| runner.model.blob());
    let mut conversion = args.conversion(like);
    args.check(conversion.precision)?;
    let target = args.target()?;
    let spec = args.spec.as_deref().map(read_spec).transpose()?;
    let golden = args.golden.as_deref().map(Data::read).transpose()?;
    let usual = args.calibration.as_deref().map(Data::read).transpose()?;
    let mut weights = import::read(&args.weights)?;
    weights
        .resolve(&args.tasks)
        .with_context(|| args.weights.display().to_string())?;
    weights.record = record(args, &weights, spec.as_ref())?;
    let mut report = Report::new(args, &weights);
    let format = weights.format.clone();
    let named = || args.weights.display().to_string();
    let mut decided = search::Decided::default();
    let mut found = model::find(&weights, spec.as_ref()).with_context(named)?;
    let files: Vec<&Data> = golden.iter().chain(&usual).collect();
    let starts = start::settle(&mut found, &weights, spec.as_ref(), &files).with_context(named)?;
    if let Some(golden) = &golden {
        let accept = args.accept_assumptions;
        decided = search::decide(&mut found, &weights, golden, &args.weights, accept)?;
    }
    let draft = args.spec_target()?.map(|target| {
        let text = write_plan(&weights, found.framework, &found.assumptions, &found.plan);
        (target, text)
    });
    // Outputs of the model before its weights were rounded cannot fit exactly: what a user allows
    // then counts for the weights too.
    let allowed = args.tolerance.filter(|_| weights.rounded());
    let made = model::make(found, weights, spec.as_ref(), conversion.model_options())
        .with_context(named)?;
    report.model(&made, args.explain);
    if let Some(starts) = starts {
        report.line("record", &starts);
    }
    for (what, text) in &decided.lines {
        report.line(what, text);
    }
    conversion.assumed = decided.assumed;
    match &golden {
        Some(golden) => {
            let read = || {
                let mut weights = import::read(&args.weights)?;
                weights.resolve(&args.tasks)?;
                Ok(weights)
            };
            report.line("imported", &check::imported(&made, golden, allowed, read)?);
        }
        None if made.open.is_empty() => {}
        None if args.accept_assumptions => {
            conversion.assumed = made.open.iter().map(Question::text).collect();
        }
        None => return Err(assumed::stop(&made, &args.weights, &format)),
    }
    let mut graph = made.graph;
    if let Some((path, data)) = args.calibration.as_ref().zip(usual.as_ref()) {
        let rows = calibration(&graph, path, data)?;
        if let Some((coded, said)) = codes::find(args, &graph, &rows, path, like)? {
            graph = coded;
            report.line("one-hot", &said);
        }
        conversion.calibration = Some(rows);
    }
    if args.core.is_some() && graph.elements().is_some() {
        // Of a layer behind codes hardly anything is left that a packing could make faster.
        conversion.packing = Packing::Panels;
    }
    let converted = conversion.details(&graph)?;
    let bytes = converted.blob.bytes();
    if let Some((like, path)) = like.zip(args.like.as_deref()) {
        check::alike(like, path, &Blob::open(&bytes)?)?;
        report.line("like", &format!("{}: the same Rust type", path.display()));
    }
    report.converted(&converted, &conversion);
    let pending = target.pending(&bytes)?;
    let blob = BlobBytes::read(pending.path()).context("reading the blob back")?;
    report.line(
        "checked",
        &check::read_back(&blob, &converted, &conversion)?,
    );
    if let Some(golden) = &golden {
        report.line(
            "golden",
            &check::engine(&blob, golden, conversion.precision, args.tolerance)?,
        );
    }
    report.written(&blob, args, conversion.precision);
    pending.keep()?;
    if let Some((target, text)) = draft {
        target.write(text.as_bytes())?;
    }
    print(&report.text)
}

/// What a file of features says, with what the spec says of it.
fn record(args: &Args, weights: &Weights, spec: Option<&Spec>) -> Result<Option<Record>> {
    let nothing = features::Spec::new();
    let words = spec.map_or(&nothing, Spec::features);
    match (&args.features, words.keys().next()) {
        (Some(path), _) => Ok(Some(features::read(path, weights, words)?)),
        (None, Some(name)) => bail!(
            "[features.{name}] of the spec speaks of a file of features: name it with --features"
        ),
        (None, None) => Ok(None),
    }
}

/// The rows to calibrate with. A NaN among them would leave its feature without a range.
fn calibration(graph: &Graph, path: &Path, data: &Data) -> Result<Samples> {
    let labels = quality::label_columns_of(graph);
    let front = graph.front.as_ref();
    let names = &graph.feature_names;
    let rows = match graph.elements().filter(|_| front.is_none()) {
        None => data.samples(front, graph.width(0), names, &labels)?,
        Some(elements) => data.vectors(&elements, names, &labels)?.into(),
    };
    let remarks = match front {
        Some(front) => data.record_remarks(front, &labels),
        None => data.remarks(&graph.feature_names, &labels),
    };
    remarks.iter().for_each(|r| note(r));
    let (numbers, odd) = rows.not_finite();
    if numbers > 0 {
        bail!(
            "{}: {numbers} of the features, in {}, are NaN or infinite, which show no range; leave \
             these rows out",
            path.display(),
            count(odd, "row")
        );
    }
    Ok(rows)
}
