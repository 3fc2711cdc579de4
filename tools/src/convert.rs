//! The one way from weights to a blob.
//!
//! A conversion is a list of steps that have to happen in this order, and a blob of which one is
//! missing is wrong without looking so. They are therefore spelled here and nowhere else: the
//! command line, the examples, the benchmarks and the tests all call [`convert`], or
//! [`Conversion::run`] for a graph of their own.

use std::borrow::Cow;

use mmoe::LoadError;
use mmoe::blob::SectionTag;

use crate::blob::Blob;
use crate::blob::encode::Packing;
use crate::data::Samples;
use crate::error::ModelError;
use crate::front::RecordError;
use crate::graph::Graph;
use crate::graph::rules::GraphError;
use crate::import::Weights;
use crate::model::{self, build};
use crate::pack::{self, Int8Rows};
use crate::plan::spec::Spec;
use crate::quantize::folded::Whole;
use crate::quantize::{self, QuantizeError, Quantized};
use crate::self_test;

/// How weights are stored and computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// f32 weights and arithmetic.
    #[default]
    F32,
    /// int8 weights with a scale per row, f32 arithmetic.
    W8,
    /// int8 weights, int16 activations, integer arithmetic.
    I8,
}

impl Precision {
    /// Returns its name, as reports and types have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::W8 => "W8",
            Self::I8 => "I8",
        }
    }
}

/// What a person may choose about a conversion; the default is plain F32.
///
/// ```
/// use mmoe_tools::convert::{Conversion, Precision};
///
/// let conversion = Conversion {
///     self_test: Some(4),
///     ..Conversion::new(Precision::W8)
/// };
/// assert!(!conversion.narrow_heads);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Conversion {
    /// How weights are stored and computed.
    pub precision: Precision,
    /// W8 and I8: int8 weights in the towers' last layers as well. These make the outputs, and
    /// keep their precision otherwise.
    pub narrow_heads: bool,
    /// I8: the order of the weights, which changes speed and never results.
    pub packing: Packing,
    /// I8: rows of features, or records, that show which values occur. Without them every input needs a
    /// declared range.
    pub calibration: Option<Samples>,
    /// I8: layers (as `expert0.1`, or all of `expert0`) that get 16-bit weights.
    pub keep_wide: Vec<String>,
    /// I8: refuse, rather than widen a layer, where int8 weights cost more than this share of its
    /// output.
    pub max_loss: Option<f64>,
    /// I8: the only layers that get 16-bit weights (see [`quantize::Options::widths`]). W8: the only
    /// first layers that stay in f32, under the same names. `None`: the conversion decides.
    pub widths: Option<Vec<String>>,
    /// Store this many rows with the exact outputs that a device must give.
    pub self_test: Option<u8>,
    /// What the trained file left open, was assumed, and nobody compared with the framework's
    /// outputs: sentences that the blob carries, so that whoever gets it can read them.
    pub assumed: Vec<String>,
}

/// A blob, and what came about on the way to it.
#[derive(Debug)]
pub struct Converted<'g> {
    /// The blob.
    pub blob: Blob,
    /// The graph that it holds: the one given, but for layers that integers needed besides.
    pub graph: Cow<'g, Graph>,
    /// Of an I8 blob: its integers, and what was found out about them.
    pub quantized: Option<Quantized>,
    /// Of a W8 blob: which first layers stay in f32, and why, a line each.
    pub weights: Vec<String>,
    /// The share of all weights that the self-test rows touch, where rows were asked for.
    pub coverage: Option<f64>,
}

/// Why there is no blob.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum ConvertError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    #[error("the calibration rows are not rows of this model: {0}")]
    Record(#[from] RecordError),
    #[error(
        "input `{0}` has a mean or a deviation that no float layer applies: build the graph with \
         `fold_standardization`"
    )]
    Unfolded(String),
    #[error(
        "the engine does not load the blob that its self-test rows are made with: {0}. This is a \
         fault of mmoe, not of the model; nothing was written"
    )]
    SelfTest(LoadError),
    #[error(
        "no self-test row can be stored: on every row tried, an output is NaN or infinite; say in \
         the spec's [[inputs]] what values the features take"
    )]
    NoRow,
    #[error("the weights take {0} bytes; a blob holds less than 4 GB")]
    TooLarge(u64),
}

/// Makes a blob of a weights file: [`build`], then [`Conversion::run`].
///
/// # Errors
///
/// [`ConvertError`]: what keeps weights and spec from making a model, or the model from having this
/// precision.
///
/// ```
/// use mmoe_tools::convert::{Conversion, convert};
/// use mmoe_tools::{import, plan::spec::Spec};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/pytorch-edge");
/// # let folder = std::path::Path::new(folder);
/// let weights = import::read(&folder.join("model.safetensors"))?;
/// let spec = Spec::parse(&std::fs::read_to_string(folder.join("spec.toml"))?)?;
/// let blob = convert(weights, Some(&spec), &Conversion::default())?;
/// assert!(blob.bytes().is_blob());
/// # Ok(())
/// # }
/// ```
pub fn convert(
    weights: Weights,
    spec: Option<&Spec>,
    conversion: &Conversion,
) -> Result<Blob, ConvertError> {
    let model = build(weights, spec, conversion.model_options())?;
    conversion.run(&model.graph)
}

impl Conversion {
    /// A conversion to this precision, with nothing else chosen.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self {
            precision,
            ..Self::default()
        }
    }

    /// How [`build`] has to make the graph: float layers take over the inputs' means and
    /// deviations, while the input stage of an integer model applies them itself.
    #[must_use]
    pub fn model_options(&self) -> model::Options {
        model::Options {
            fold_standardization: self.precision != Precision::I8,
        }
    }

    /// Makes a blob of a graph.
    ///
    /// # Errors
    ///
    /// [`ConvertError`].
    pub fn run(&self, graph: &Graph) -> Result<Blob, ConvertError> {
        self.details(graph).map(|done| done.blob)
    }

    /// Makes a blob of a graph, as [`run`](Self::run) does, and keeps what a person may want to
    /// know or to check.
    ///
    /// # Errors
    ///
    /// [`ConvertError`].
    pub fn details<'g>(&self, graph: &'g Graph) -> Result<Converted<'g>, ConvertError> {
        graph.check()?;
        let mut done = match self.precision {
            Precision::F32 | Precision::W8 => self.float(graph)?,
            Precision::I8 => self.integer(graph)?,
        };
        check_size(&done.blob)?;
        if !self.assumed.is_empty() {
            let content = postcard::to_stdvec(&self.assumed).unwrap_or_default();
            done.blob.push_section(SectionTag::Assumed, content);
        }
        if let Some(rows) = self.self_test {
            done.coverage = Some(self.self_test(&mut done, rows)?);
        }
        Ok(done)
    }

    /// Adds self-test rows, which are activations: those of a model that takes records are made with the
    /// same model behind its front end. Returns the share of the weights that they touch.
    fn self_test(&self, done: &mut Converted<'_>, rows: u8) -> Result<f64, ConvertError> {
        if done.graph.front.is_none() {
            return self_test::add(&done.graph, &mut done.blob, rows);
        }
        let plain = Graph {
            front: None,
            feature_names: Vec::new(),
            ..done.graph.clone().into_owned()
        };
        let mut behind = match &done.quantized {
            None => {
                // What a table makes is known with the front end alone.
                let (int8, whole) = self.rows(&done.graph);
                pack::float(&plain, int8, &whole.nodes)
            }
            Some(quantized) => pack::integer(&plain, quantized, self.packing),
        };
        let coverage = self_test::add(&plain, &mut behind, rows)?;
        let section = behind.header.sections.pop();
        done.blob.header.sections.extend(section);
        Ok(coverage)
    }

    /// How a float model's dense layers are stored.
    fn rows(&self, graph: &Graph) -> (Int8Rows, Whole) {
        let int8 = match (self.precision, self.narrow_heads) {
            (Precision::W8, true) => Int8Rows::All,
            (Precision::W8, false) => Int8Rows::Hidden,
            (Precision::F32 | Precision::I8, _) => Int8Rows::None,
        };
        (int8, Whole::of(graph, int8, self.widths.as_deref()))
    }

    fn float<'g>(&self, graph: &'g Graph) -> Result<Converted<'g>, ConvertError> {
        let unfolded = graph.inputs.iter().find(|i| i.scaling() != (0.0, 1.0));
        if let Some(input) = unfolded {
            return Err(ConvertError::Unfolded(input.name.clone()));
        }
        let (int8, whole) = self.rows(graph);
        Ok(Converted {
            blob: pack::float(graph, int8, &whole.nodes),
            graph: Cow::Borrowed(graph),
            quantized: None,
            weights: whole.notes,
            coverage: None,
        })
    }

    fn integer<'g>(&self, graph: &'g Graph) -> Result<Converted<'g>, ConvertError> {
        let graph = quantize::unify_expert_scales(graph);
        let rows = self.calibration.as_ref();
        let rows = rows
            .map(|samples| samples.vectors(graph.front.as_ref()))
            .transpose()?;
        let options = quantize::Options {
            narrow_heads: self.narrow_heads,
            keep_wide: self.keep_wide.clone(),
            max_loss: self.max_loss,
            widths: self.widths.clone(),
        };
        let quantized = quantize::fit(
            &graph,
            rows.as_ref().map(|r| (r.data.as_slice(), r.width)),
            &options,
        )?;
        Ok(Converted {
            blob: pack::integer(&graph, &quantized, self.packing),
            graph,
            quantized: Some(quantized),
            weights: Vec::new(),
            coverage: None,
        })
    }
}

impl From<Precision> for Conversion {
    fn from(precision: Precision) -> Self {
        Self::new(precision)
    }
}

/// The preamble counts a blob's bytes in 32 bits.
fn check_size(blob: &Blob) -> Result<(), ConvertError> {
    const ROOM_FOR_HEADER: usize = 1 << 24;
    if blob.weights.len() > u32::MAX as usize - ROOM_FOR_HEADER {
        return Err(ConvertError::TooLarge(blob.weights.len() as u64));
    }
    Ok(())
}
