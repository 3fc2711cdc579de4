//! What an exported graph computes: the form between the readers of graphs and a model.
//!
//! A weights file says what was learned, an exported graph also what is done with it. [`Program`]
//! is that: operations in the order of computation, on values that are inputs, constants or the
//! results of others. Readers of ONNX and TensorFlow Lite translate into it, each operation to one
//! or a few of the two dozen of [`Op`].
//!
//! ```text
//! file ─ reader ─▶ Program ─┬─ interpreted in f64 ─▶ outputs: what every conversion is held against
//!                           └─ run on symbols ─▶ formulas ─▶ vectors ─▶ Plan
//! ```
//!
//! The two ways have nothing in common but the [`Program`]: [`evaluate`] is a plain interpreter
//! with its own shapes and functions, so that a mistake in one way does not repeat itself in the
//! other. What a reader made of the file is common to both; that the framework's own outputs
//! check, in the tests and by `--golden`.
//!
//! The run on symbols, `run::run`, yields, for every element of every output, the formula that
//! makes it from the elements of the input. Whatever only moves elements about (reshapes, slices,
//! concatenations, shape arithmetic) has vanished by then, and all spellings of one formula have
//! become one, so that recognition reads what the graph computes and never what its tensors are
//! called.

mod bags;
pub(crate) mod build;
mod choices;
mod codes;
mod elements;
mod entry;
mod exact;
mod formula;
mod gates;
mod interpret;
mod layers;
mod layout;
mod mixtures;
mod norms;
mod outputs;
mod recognise;
mod resolve;
mod rewrite;
mod run;
mod selectors;
mod steps;
mod sums;
mod symbol;
mod texts;
mod vectors;
mod verify;
mod wiring;

use std::fmt;

pub use interpret::evaluate;
pub use outputs::Task;
pub use recognise::{Recognised, recognise};
pub(crate) use texts::DECIMALS;
pub use texts::Texts;
pub use verify::{Verified, verify};

/// A row-major array; an empty shape is a scalar.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<N> {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<N>,
}

impl<N> Array<N> {
    /// One element.
    pub fn scalar(value: N) -> Self {
        Self {
            shape: Vec::new(),
            data: vec![value],
        }
    }

    /// A list.
    pub fn vector(data: Vec<N>) -> Self {
        Self {
            shape: vec![data.len()],
            data,
        }
    }
}

/// An exported graph.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// What it was read from, for people: `ONNX graph`.
    pub format: &'static str,
    /// What enters, in order.
    pub inputs: Vec<Port>,
    /// Names and values of what leaves, in order.
    pub outputs: Vec<(String, usize)>,
    /// The operations, in an order in which each reads only what stands before it.
    pub nodes: Vec<Node>,
    /// By value: what is known of it beforehand.
    pub constants: Vec<Option<Array<f64>>>,
    /// The tasks' names where the user gives them; empty: the outputs' names.
    pub tasks: Vec<String>,
    /// The texts that it knows: values hold their numbers.
    pub texts: Texts,
}

/// What an input's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Given {
    /// Numbers.
    #[default]
    Numbers,
    /// Whole numbers.
    Wholes,
    /// Numbers of [`Texts`].
    Texts,
}

/// An input of a [`Program`].
#[derive(Debug, Clone)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The value that it is.
    pub value: usize,
    /// Its sizes, the batch first; `None` where the file leaves one open.
    pub shape: Vec<Option<usize>>,
    /// What its elements are.
    pub given: Given,
}

/// One operation of a [`Program`].
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// How the file calls what it does: `Gemm`.
    pub kind: String,
    /// Its name in the file.
    pub name: String,
    /// The values that it reads; `None` where an optional one is left out.
    pub inputs: Vec<Option<usize>>,
    /// The values that it makes.
    pub outputs: Vec<usize>,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Unary {
    Relu,
    LeakyRelu(f64),
    Sigmoid,
    Tanh,
    Elu(f64),
    /// `scale·(x > 0 ? x : alpha·(e^x − 1))`.
    Selu {
        alpha: f64,
        scale: f64,
    },
    Softplus,
    Softsign,
    Silu,
    Gelu,
    GeluTanh,
    Mish,
    Hardswish,
    /// `min(max(alpha·x + beta, 0), 1)`.
    HardSigmoid {
        alpha: f64,
        beta: f64,
    },
    Clip {
        min: f64,
        max: f64,
    },
    Erf,
    /// `1 − erf(x)`.
    Erfc,
    Exp,
    Log,
    Abs,
    Sign,
    Floor,
    Not,
    /// `x^p`.
    Power(f64),
    /// 0 up to −½, 1 from ½ on, between them `−2x³ + 1.5x + ½`.
    SmoothStep,
}

/// A function of two numbers; what compares yields 1 or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    Less,
    LessOrEqual,
    Equal,
    And,
    /// `(a − b)²`.
    SquaredDifference,
    /// `a ≥ 0 ? a : b·a`.
    PRelu,
}

/// How elements along axes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the function of its name")]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Product,
    L2,
    SumOfSquares,
}

/// What a [`Node`] does. Axes may be negative: counted from the last. Those that are `None` are an
/// input instead.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Element by element.
    Unary(Unary),
    /// Element by element, the shapes broadcast.
    Binary(Binary),
    /// `factor·x`.
    Scale(f64),
    /// `condition ? a : b`, element by element.
    Where,
    /// The product of matrices, batched; each may lie the other way round.
    MatMul {
        /// The first.
        transpose_a: bool,
        /// The second.
        transpose_b: bool,
    },
    /// Sums of products by an equation of letters.
    Einsum(String),
    /// A convolution whose kernel has size 1: `x` (batch, channels, places), weights, and bias.
    Pointwise {
        /// How many groups of channels know nothing of each other.
        groups: usize,
    },
    /// Along an axis.
    Softmax {
        /// Which.
        axis: i64,
        /// Along it and all that follow, as ONNX had it before opset 13.
        flatten: bool,
    },
    /// Elements along axes become one.
    Reduce {
        /// How.
        by: Reduction,
        /// Which; `Some` and empty: all.
        axes: Option<Vec<i64>>,
        /// The axes stay, of size 1.
        keep: bool,
    },
    /// `(x − mean) / √(variance + epsilon)·gain + bias` over the axes from `axis` on.
    LayerNorm {
        /// The first axis.
        axis: i64,
        /// Added to the variance.
        epsilon: f64,
        /// No mean is taken off: an RMS norm.
        rms: bool,
    },
    /// `x`, gain, bias: groups of channels are normalised by themselves.
    GroupNorm {
        /// How many; `None`: each channel is one.
        groups: Option<usize>,
        /// Added to the variance.
        epsilon: f64,
    },
    /// The mean over all axes behind the second, which stay.
    PlaceMean,
    /// `x`, gain, bias, mean, variance.
    BatchNorm {
        /// Added to the variance.
        epsilon: f64,
        /// The axis of the units.
        axis: i64,
    },
    /// The second input is the shape; −1 is what is left over.
    Reshape {
        /// 0 is a size like others and not the input's.
        zero: bool,
    },
    /// Two axes: those before this one, and the others.
    Flatten {
        /// Which.
        axis: i64,
    },
    /// Axes of size 1 vanish.
    Squeeze {
        /// Which; `Some` and empty: all.
        axes: Option<Vec<i64>>,
    },
    /// Axes of size 1 appear.
    Unsqueeze {
        /// Which, counted in the result.
        axes: Option<Vec<i64>>,
    },
    /// Axes change places.
    Transpose {
        /// The input's axes in their new order; `None`: turned round, or an input.
        order: Option<Vec<i64>>,
    },
    /// One behind the other.
    Concat {
        /// Along which axis.
        axis: i64,
    },
    /// Side by side along a new axis.
    Stack {
        /// Where it stands in the result.
        axis: i64,
    },
    /// Parts along an axis.
    Split {
        /// Which.
        axis: i64,
        /// Their sizes; `None`: the second input, or all alike.
        sizes: Option<Vec<i64>>,
    },
    /// One piece per index of an axis, without that axis.
    Unstack {
        /// Which.
        axis: i64,
    },
    /// Starts, ends, axes and steps are inputs.
    Slice,
    /// The same with one start and end per axis, and masks of bits as TensorFlow has them.
    StridedSlice {
        /// Axes that begin where they begin.
        begin: i64,
        /// Axes that end where they end.
        end: i64,
        /// Axes of which one index is taken.
        shrink: i64,
        /// Where a new axis appears.
        new_axis: i64,
    },
    /// Begins and sizes are inputs; −1 is the rest.
    SliceSize,
    /// The elements at the indices that are the second input.
    Gather {
        /// Along which axis.
        axis: i64,
    },
    /// Repeats to the shape that is the second input.
    Expand,
    /// Repeats as often as the second input says.
    Tile,
    /// The sizes of the input's axes from one to before another.
    Shape {
        /// The first.
        start: i64,
        /// `i64::MAX`: all that follow.
        end: i64,
    },
    /// An array of one number; the input is its shape.
    Fill(f64),
    /// An array of the second input; the first is its shape.
    FillWith,
    /// Start, limit, step.
    Range,
    /// The largest `k` (the second input) and where they stand.
    TopK {
        /// Along which axis.
        axis: i64,
    },
    /// Where the largest stands.
    ArgMax {
        /// Along which axis.
        axis: i64,
        /// The axis stays, of size 1.
        keep: bool,
    },
    /// Indices become rows that hold one number there and another elsewhere: indices, how long a
    /// row is, and the numbers, elsewhere first.
    OneHot {
        /// Where the rows lie in the result.
        axis: i64,
        /// Whether negative indices count from the end; elsewhere they make rows of the first number.
        wraps: bool,
    },
    /// The value that stands where the key is that an element equals: elements, keys, values, and
    /// what an element gets that is none of the keys.
    Find,
    /// A text's FarmHash, modulo this: the number of one of so many buckets.
    Hash(u32),
    /// `x` with updates put where indices say: `x`, indices, updates.
    Scatter {
        /// Along which axis.
        axis: i64,
    },
    /// Nothing.
    Identity,
    /// To whole numbers.
    Truncate,
    /// Something that is not computed; the file's word for it stands in the node.
    Other,
}

/// An operation in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The node: operation and name.
    pub node: String,
    /// The shape of what it makes, where known.
    pub shape: Option<Vec<usize>>,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.node)?;
        if let Some(shape) = &self.shape {
            write!(f, ", which makes {shape:?},")?;
        }
        write!(f, " {}", self.why)
    }
}

impl std::error::Error for Refusal {}
