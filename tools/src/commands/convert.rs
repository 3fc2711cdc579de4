//! `mmoe convert`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::file;
use mmoe_tools::blob::message::Header;
use mmoe_tools::data::{Data, Rows};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::golden::{self, Outline, What};
use mmoe_tools::graph::{Graph, Input, Layer, Op};
use mmoe_tools::model::{self, Options, Recognised};
use mmoe_tools::oracle;
use mmoe_tools::pack::{self, Float};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::quantize::{self, Quantized};
use mmoe_tools::readback::{self, CheckError};
use mmoe_tools::self_test;

use super::output::{Pending, count, grouped, print, progress};
use super::{CheckFailed, verify};

/// Makes a blob of trained weights, and checks it before it is put in its place.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Trained weights: .safetensors, .npz, PyTorch .pt, .keras, .weights.h5 or .h5, told apart by
    /// their content.
    #[arg(value_name = "WEIGHTS")]
    pub(super) weights: PathBuf,
    /// What the weights do not say: task names, activations, wiring (TOML, docs/spec.md).
    #[arg(long, value_name = "S.toml")]
    spec: Option<PathBuf>,
    /// How weights are stored and computed.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Rows of inputs (array `x`, or CSV) that show which values occur; for i8.
    #[arg(long, value_name = "X.npz")]
    calibration: Option<PathBuf>,
    /// The framework's own outputs, which the conversion is held against; nothing is written if it
    /// differs.
    #[arg(long, value_name = "G.npz")]
    golden: Option<PathBuf>,
    /// How far a blob's outputs may be off the golden ones; 1e-5 for f32, unlimited for precisions
    /// that round the weights.
    #[arg(long, value_name = "T", value_parser = verify::tolerance, requires = "golden")]
    tolerance: Option<f64>,
    /// int8 weights in the towers' last layers as well.
    #[arg(long)]
    narrow_heads: bool,
    /// 16-bit weights for this layer (as `expert0.1`, or all of `expert0`); for i8.
    #[arg(long, value_name = "LAYER")]
    keep_wide: Vec<String>,
    /// Refuse, rather than widen a layer, where int8 weights cost more than this share of its
    /// output; for i8.
    #[arg(long, value_name = "SHARE", value_parser = verify::tolerance)]
    max_loss: Option<f64>,
    /// The order of int8 weights: changes speed, never results; for i8.
    #[arg(long, value_enum, default_value_t)]
    packing: PackingArg,
    /// Store this many rows of inputs, made within the declared ranges, with the exact outputs
    /// that a device must give (`Model::self_test`).
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u8).range(1..=32))]
    self_test: Option<u8>,
    /// Show where every tensor went, what was folded and what was dropped.
    #[arg(long)]
    explain: bool,
    /// Where to write the blob.
    #[arg(short, long, value_name = "M.mmoe")]
    output: PathBuf,
}

/// How weights are stored and computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Precision {
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
    /// Two rows in an int16, for cores with Arm's DSP extension (M4, M7, M33): `I8<Pairs>`.
    Pairs,
}

impl Precision {
    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::W8 => "W8",
            Self::I8 => "I8",
        }
    }
}

impl Args {
    /// Refuses options that the precision has no use for.
    fn check(&self) -> Result<()> {
        if let (Ok(from), Ok(to)) = (self.weights.canonicalize(), self.output.canonicalize())
            && from == to
        {
            bail!(
                "{}: the blob would take the place of the weights; name another file with -o",
                self.output.display()
            );
        }
        let integer = self.precision == Precision::I8;
        let given = [
            (self.calibration.is_some(), "--calibration"),
            (!self.keep_wide.is_empty(), "--keep-wide"),
            (self.max_loss.is_some(), "--max-loss"),
            (self.packing != PackingArg::Panels, "--packing"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, option)) if !integer => bail!(
                "{option} is for --precision i8; leave it out for {}",
                self.precision.name()
            ),
            _ => Ok(()),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    args.check()?;
    let spec = args.spec.as_deref().map(read_spec).transpose()?;
    let golden = args.golden.as_deref().map(Data::read).transpose()?;
    let weights = mmoe_tools::import::read(&args.weights)?;
    let mut report = Report::new(args, &weights);
    // Integer models keep the scaling: their input stage does it.
    let options = Options {
        fold_standardization: args.precision != Precision::I8,
    };
    let made = model::build(weights, spec.as_ref(), options)
        .with_context(|| args.weights.display().to_string())?;
    report.model(&made, args.explain);
    let Recognised { graph, plan, .. } = made;
    if let Some(golden) = &golden {
        report.line("imported", &golden_import(&graph, golden)?);
    }
    let packed = pack(graph, plan.inputs, args)?;
    for note in &packed.notes {
        report.line("integers", note);
    }
    if let Some(tested) = &packed.tested {
        report.line("self-test", tested);
    }
    let pending = write_blob(&args.output, &packed.header, packed.weights)?;
    let blob = BlobBytes::read(pending.path()).context("reading the blob back")?;
    report.line("checked", &check(&blob, &packed.against)?);
    if let Some(golden) = &golden {
        report.line("golden", &golden_engine(&blob, golden, args)?);
    }
    report.written(&blob, args);
    pending.keep()?;
    print(&report.text)
}

/// A model in its precision, and what its blob is checked against.
struct Packed {
    header: Header,
    weights: Vec<u8>,
    /// What the quantizer has to say.
    notes: Vec<String>,
    /// What the self-test rows cover.
    tested: Option<String>,
    against: Against,
}

/// What the engine's outputs are compared with.
enum Against {
    /// The weights that the blob stores, in rows from these inputs.
    Stored(Vec<Input>),
    /// The float model that integers were made of, on calibration rows where there are some.
    Float(Box<(Graph, Quantized)>, Option<Rows>),
}

/// Packs a graph. `declared` are the inputs as the spec has them, with what folding takes off the
/// graph's.
fn pack(graph: Graph, declared: Vec<Input>, args: &Args) -> Result<Packed> {
    let float = match args.precision {
        Precision::F32 => Float::F32,
        Precision::W8 => Float::W8 {
            narrow_heads: args.narrow_heads,
        },
        Precision::I8 => return pack_integer(graph, args),
    };
    let (mut header, weights) = pack::float(&graph, float);
    let inputs = if declared.is_empty() {
        graph.inputs.clone()
    } else {
        declared
    };
    let tested = self_test(&graph, &inputs, &mut header, &weights, args)?;
    Ok(Packed {
        header,
        weights,
        notes: Vec::new(),
        tested,
        against: Against::Stored(inputs),
    })
}

fn pack_integer(mut graph: Graph, args: &Args) -> Result<Packed> {
    quantize::even(&mut graph);
    let rows = match &args.calibration {
        Some(path) => {
            Some(Data::read(path)?.features(graph.width(0), &graph.feature_names, &[])?)
        }
        None => None,
    };
    let calibration =
        quantize::source(&graph, rows.as_ref().map(|r| (r.data.as_slice(), r.width)))?;
    let options = quantize::Options {
        narrow_heads: args.narrow_heads,
        keep_wide: args.keep_wide.clone(),
        max_loss: args.max_loss,
    };
    let quantized = quantize::quantize(&graph, &calibration, &options)?;
    let packing = match args.packing {
        PackingArg::Panels => Packing::Panels,
        PackingArg::Quad => Packing::Quad,
        PackingArg::Pairs => Packing::Pairs,
    };
    let (mut header, weights) = pack::integer(&graph, &quantized, packing);
    let tested = self_test(&graph, &graph.inputs, &mut header, &weights, args)?;
    let mut notes = quantized.notes.clone();
    if let Some((name, r)) = quantized
        .report
        .iter()
        .min_by(|a, b| a.1.margin.total_cmp(&b.1.margin))
    {
        notes.push(format!(
            "no accumulator can overflow; the fullest is that of `{name}`, with 2^{:.1} to spare",
            r.margin
        ));
    }
    Ok(Packed {
        header,
        weights,
        notes,
        tested,
        against: Against::Float(Box::new((graph, quantized)), rows),
    })
}

/// Adds self-test rows where they were asked for; says what they cover.
fn self_test(
    graph: &Graph,
    inputs: &[Input],
    header: &mut Header,
    weights: &[u8],
    args: &Args,
) -> Result<Option<String>> {
    let Some(rows) = args.self_test.map(usize::from) else {
        return Ok(None);
    };
    let share = self_test::add(graph, inputs, header, weights, rows)?;
    Ok(Some(format!(
        "{}, which touch {:.0} % of the weights",
        count(rows, "row"),
        100.0 * share
    )))
}

fn read_spec(path: &Path) -> Result<Spec> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    Spec::parse(&text).with_context(|| path.display().to_string())
}

fn write_blob(path: &Path, header: &Header, weights: Vec<u8>) -> Result<Pending> {
    const ROOM_FOR_HEADER: usize = 1 << 24;
    if weights.len() > u32::MAX as usize - ROOM_FOR_HEADER {
        bail!(
            "the weights take {} bytes; a blob holds less than 4 GB",
            grouped(weights.len() as u64)
        );
    }
    let bytes = file::write(header, &weights);
    drop(weights);
    Pending::write(path, |to| Ok(to.write_all(&bytes)?))
}

/// Runs the blob through the engine and holds its outputs against an independent evaluation.
fn check(blob: &BlobBytes, against: &Against) -> Result<String> {
    let bar = progress("checking");
    let step = |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let done = match against {
        Against::Stored(inputs) => readback::float(blob, inputs, step).map(|c| float_checked(&c)),
        Against::Float(model, rows) => {
            readback::integer(blob, &model.0, &model.1, rows.as_ref(), step).map(|c| {
                format!(
                    "{} through the engine, bit for bit what the written rules give; the float \
                     model's outputs are {:.1e} away at worst, {:.1e} on average",
                    count(c.rows, "row"),
                    c.worst,
                    c.mean
                )
            })
        }
    };
    bar.finish_and_clear();
    done.map_err(|e| match e {
        CheckError::Differs { .. }
        | CheckError::NotFinite { .. }
        | CheckError::Bits { .. }
        | CheckError::Wrapped { .. } => anyhow::Error::new(CheckFailed(e.to_string())),
        other => other.into(),
    })
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
    text
}

/// Holds the imported weights, evaluated in f64, against the framework's outputs: whatever the
/// precision, this must fit.
fn golden_import(graph: &Graph, golden: &Data) -> Result<String> {
    let outline = Outline::of_graph(graph);
    let evaluate = |graph: &Graph| {
        golden::compare(&outline, golden, What::All, |x, _| -> Result<_> {
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            Ok(oracle::evaluate(graph, &x))
        })
    };
    let (rows, differences) = evaluate(graph)?;
    if let Some(CheckFailed(mut text)) = verify::failed(&differences, verify::F32) {
        let _ = write!(
            text,
            "; the worst per array:\n{}",
            verify::table(&differences, verify::F32).trim_end()
        );
        if let Some(hint) = transposition(graph, |g| {
            Ok(verify::failed(&evaluate(g)?.1, verify::F32).is_none())
        })? {
            let _ = write!(text, "\n{hint}");
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

/// What to say of square kernels, which fit either way round; `fits` is asked whether the model
/// with all of them turned is right.
fn transposition(graph: &Graph, fits: impl Fn(&Graph) -> Result<bool>) -> Result<Option<String>> {
    let mut turned = graph.clone();
    let mut names = Vec::new();
    for node in &mut turned.nodes {
        for layer in &mut node.layers {
            if let Layer::Dense(d) = layer
                && d.inputs == d.outputs
                && d.inputs > 1
            {
                names.push(format!("`{}`", d.name));
                let n = d.inputs;
                d.weight = (0..n * n).map(|i| d.weight[i % n * n + i / n]).collect();
            }
        }
    }
    let Some(first) = names.first() else {
        return Ok(None);
    };
    let others = if names.len() > 1 {
        format!(" (and {} more)", names.len() - 1)
    } else {
        String::new()
    };
    Ok(Some(if fits(&turned)? {
        format!(
            "hint: with its square kernels transposed the model fits: {first}{others} lie the \
             other way round; change `layout` in the spec (\"out_in\": PyTorch, \"in_out\": Keras)"
        )
    } else {
        format!(
            "hint: {first}{others} is square, so its shape does not tell which way round it lies: \
             check `layout` in the spec (\"out_in\": PyTorch, \"in_out\": Keras)"
        )
    }))
}

/// Holds the blob itself against the framework's outputs.
fn golden_engine(blob: &BlobBytes, golden: &Data, args: &Args) -> Result<String> {
    let mut runner = Runner::load(blob)?;
    let outline = Outline::of_blob(&runner);
    let what = if args.precision == Precision::F32 {
        What::All
    } else {
        What::Outputs
    };
    let (rows, differences) = golden::compare(&outline, golden, what, |x, e| -> Result<_> {
        Ok(runner.evaluate(x, e)?)
    })?;
    let tolerance = args
        .tolerance
        .or((args.precision == Precision::F32).then_some(verify::F32));
    if let Some(CheckFailed(text)) = tolerance.and_then(|t| verify::failed(&differences, t)) {
        let table = verify::table(&differences, tolerance.unwrap_or_default());
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

/// What is printed at the end.
struct Report {
    text: String,
    weights_bytes: u64,
}

impl Report {
    fn new(args: &Args, weights: &mmoe_tools::import::Weights) -> Self {
        let weights_bytes = std::fs::metadata(&args.weights).map_or(0, |m| m.len());
        let mut report = Self {
            text: String::new(),
            weights_bytes,
        };
        let numbers: usize = weights.tensors.values().map(|t| t.data.len()).sum();
        let read = format!(
            "{}: {}, {} with {}",
            args.weights.display(),
            weights.format,
            count(weights.tensors.len(), "tensor"),
            count(numbers, "number")
        );
        report.line("read", &read);
        for note in &weights.notes {
            report.line("note", note);
        }
        report
    }

    fn line(&mut self, what: &str, text: &str) {
        let _ = writeln!(self.text, "{what:<10} {text}");
    }

    fn model(&mut self, made: &Recognised, explain: bool) {
        if made.framework == "spec" {
            self.line("as", "the spec says");
        } else {
            self.line("as", &made.framework);
        }
        for assumption in &made.assumptions {
            self.line("assumed", assumption);
        }
        if let Some(embeddings) = &made.embeddings {
            self.line("embeddings", embeddings);
        }
        self.line("model", &summary(&made.graph));
        for node in made.graph.unseen() {
            let name = made.graph.node_name(node);
            self.line(
                "unseen",
                &format!(
                    "no gate sees {name}: it takes room in the blob and is never run; leave it \
                     out of the experts"
                ),
            );
        }
        if !explain {
            if !made.dropped.is_empty() {
                self.line(
                    "dropped",
                    &format!(
                        "{} that inference does not need (--explain lists them)",
                        count(made.dropped.len(), "tensor")
                    ),
                );
            }
            return;
        }
        for (tensor, place) in &made.placement {
            self.line("placed", &format!("`{tensor}` → {place}"));
        }
        for folded in &made.folded {
            self.line("folded", folded);
        }
        for dropped in &made.dropped {
            self.line("dropped", dropped);
        }
    }

    fn written(&mut self, blob: &BlobBytes, args: &Args) {
        let bytes = blob.as_slice().len() as u64;
        let share = (bytes * 100)
            .checked_div(self.weights_bytes)
            .map_or_else(String::new, |s| format!(", {s} % of the weights file"));
        self.line(
            "wrote",
            &format!(
                "{}: {}, {} bytes{share}",
                args.output.display(),
                args.precision.name(),
                grouped(bytes)
            ),
        );
    }
}

/// The model in a line.
pub(super) fn summary(graph: &Graph) -> String {
    let of = |kind: fn(&Op) -> bool| graph.nodes.iter().filter(|n| kind(&n.op)).count();
    let tasks: Vec<String> = graph
        .tasks
        .iter()
        .map(|t| format!("{} ({})", t.name, t.output.kind()))
        .collect();
    format!(
        "{}: {}, {}, {}, {} {}",
        graph.name,
        count(graph.width(0), "input"),
        count(of(|o| *o == Op::Expert), "expert"),
        count(of(|o| matches!(o, Op::Gate { .. })), "gate"),
        if tasks.len() == 1 { "task" } else { "tasks" },
        tasks.join(", ")
    )
}
