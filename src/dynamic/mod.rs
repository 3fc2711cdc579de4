//! The shape-erased view of a blob: shapes from its header, scratch from the caller, no heap.

mod element;
mod level;
mod scratch;

use crate::blob::{ALIGN, Blob, LoadError, MAX_TASKS, NodeOp, OutputKind, SelfTestError, Summary};
use crate::kernel::{InputCounts, InputScale};
use crate::level::{ExpertFilter, Request, SkipBelow, TaskMask};
use crate::math::{Libm, Math};
use crate::model::Run;
use crate::number::read;
use core::fmt;
use element::Erased;
use level::run;
use zerocopy::{FromBytes, IntoBytes};

/// A loaded model whose shapes are data: what `[T]` is to `[T; N]`, this is to a typed
/// [`Model`](crate::Model). The same kernels, the same walk, the same bits.
///
/// It runs every blob, in every packing, and so links every kernel: a device whose architecture is
/// fixed is better served by a typed model. The caller gives every buffer: `scratch` of
/// [`scratch_words`](Self::scratch_words), outputs of [`outputs`](Self::outputs).
///
/// ```
/// use mmoe::{Dynamic, TaskMask};
///
/// /// The first task of any model, on features that are all 1.
/// fn first(blob: &[u8]) -> Result<f32, Box<dyn std::error::Error>> {
///     let model = Dynamic::load(blob)?;
///     let x = vec![1.0; model.inputs()];
///     let (mut scratch, mut y) = (vec![0; model.scratch_words()], vec![0.0; model.outputs()]);
///     model.predict_tasks(&x, TaskMask::only(0), &mut scratch, &mut y)?;
///     Ok(y[0])
/// }
/// let blob = std::fs::read("tests/firmware/models/blobs/census.f32.mmoe")?;
/// # let mut words = vec![0u32; blob.len().div_ceil(4)];
/// # use zerocopy::IntoBytes;
/// # words.as_mut_bytes()[..blob.len()].copy_from_slice(&blob);
/// # let blob = words.as_bytes();
/// assert!((0.0..=1.0).contains(&first(&blob)?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What the typed and the shape-erased model can do
///
#[doc = include_str!("../../docs/capabilities.md")]
#[derive(Clone, Copy, Debug)]
pub struct Dynamic<'a> {
    blob: Blob<'a>,
    summary: Summary,
}

/// One output of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task<'a> {
    /// Its name; `?` where the blob's bytes are not text.
    pub name: &'a str,
    /// What it gives.
    pub output: OutputKind,
    /// How many numbers it gives.
    pub width: usize,
    /// Where they start among all outputs.
    pub start: usize,
}

/// One gate of a model, and where a prediction leaves its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateInfo {
    /// Its node in the wiring.
    pub node: usize,
    /// Its kind.
    pub op: NodeOp,
    /// The experts it sees, as nodes of the wiring: bit i of `sees` is node `first + i`.
    pub first: usize,
    /// See `first`.
    pub sees: u32,
}

/// Error of a [`Dynamic`] prediction: an argument does not fit the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// Not as many features as the model takes.
    Inputs {
        /// Features of the model.
        expected: u32,
        /// Features given.
        found: u32,
    },
    /// The output slice is too short.
    Outputs {
        /// Outputs of the model.
        expected: u32,
        /// Room given.
        found: u32,
    },
    /// The scratch is too short.
    Scratch {
        /// Words needed.
        expected: u32,
        /// Words given.
        found: u32,
    },
    /// There is no such expert or gate, or it does not read the input.
    Node,
    /// Integers given to a float model, or the other way round.
    Element,
}

impl RunError {
    /// The stable number of this error (see `docs/format.md`), for logs and for C.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::Inputs { .. } => 0x50,
            Self::Outputs { .. } => 0x51,
            Self::Scratch { .. } => 0x52,
            Self::Node => 0x53,
            Self::Element => 0x54,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Inputs { expected, found } => {
                write!(f, "{found} features given, the model takes {expected}")
            }
            Self::Outputs { expected, found } => {
                write!(f, "room for {found} outputs, the model gives {expected}")
            }
            Self::Scratch { expected, found } => {
                write!(f, "{found} words of scratch given, {expected} needed")
            }
            Self::Node => f.write_str("no such expert or gate, or it does not read the input"),
            Self::Element => f.write_str("a float model takes f32, an integer model int16"),
        }
    }
}

impl core::error::Error for RunError {}

impl<'a> Dynamic<'a> {
    /// Uses a blob's weights as a model, after checking all that a typed model checks, and every
    /// record against the rules of the format, since no type vouches for them. The blob must lie at
    /// a multiple of 4.
    ///
    /// After `Ok`, inference fails only on slices of wrong length, whatever the weights are.
    ///
    /// This is [`Blob::open`] and then [`from_blob`](Self::from_blob).
    ///
    /// # Errors
    ///
    /// Those of [`Blob::open`], and [`Record`](LoadError::Record), [`Weights`](LoadError::Weights),
    /// [`Alignment`](LoadError::Alignment).
    pub fn load(blob: &'a [u8]) -> Result<Self, LoadError> {
        Self::from_blob(&Blob::open(blob)?)
    }

    /// [`load`](Self::load) of a blob that is open already, whose checksum is therefore not
    /// computed again.
    ///
    /// # Errors
    ///
    /// [`Record`](LoadError::Record), [`Weights`](LoadError::Weights),
    /// [`Alignment`](LoadError::Alignment).
    pub fn from_blob(blob: &Blob<'a>) -> Result<Self, LoadError> {
        let summary = blob.validate()?;
        let address = blob.weights.as_ptr() as usize;
        if !address.is_multiple_of(ALIGN) {
            return Err(LoadError::Alignment {
                offset: (address & 63) as u32,
            });
        }
        Ok(Self {
            blob: *blob,
            summary,
        })
    }

    /// The header.
    #[must_use]
    pub const fn blob(&self) -> &Blob<'a> {
        &self.blob
    }

    /// How many features it takes.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.summary.inputs
    }

    /// How many numbers all tasks give together.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.summary.outputs
    }

    /// Whether activations are int16.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        self.summary.integer
    }

    /// Words of scratch that a prediction needs.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        scratch::words(&self.blob, &self.summary)
    }

    /// Multiply-accumulates of one prediction in which every expert runs: dense layers and mixing.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.blob.macs()
    }

    /// The tasks, in order.
    pub fn tasks(&self) -> impl Iterator<Item = Task<'a>> + use<'a> {
        let mut start = 0;
        self.blob
            .task_names()
            .zip(self.blob.tasks)
            .filter_map(move |(name, t)| {
                let width = t.width.get() as usize;
                let task = Task {
                    name: core::str::from_utf8(name).unwrap_or("?"),
                    output: t.output()?,
                    width,
                    start,
                };
                start += width;
                Some(task)
            })
    }

    /// The gates, in the order of the wiring.
    pub fn gates(&self) -> impl Iterator<Item = GateInfo> + use<'a> {
        self.blob.nodes.iter().enumerate().filter_map(|(node, n)| {
            let op = n.op().filter(|op| op.is_gate())?;
            Some(GateInfo {
                node,
                op,
                first: (n.first as usize).saturating_sub(1),
                sees: n.sees.get(),
            })
        })
    }

    /// Computes all outputs for one row, task after task, as f32.
    ///
    /// # Errors
    ///
    /// A slice of wrong length.
    pub fn predict(&self, x: &[f32], scratch: &mut [u32], y: &mut [f32]) -> Result<Run, RunError> {
        self.predict_with::<Libm>(x, scratch, y)
    }

    /// [`predict`](Self::predict) with another mathematics back end, such as
    /// [`Micromath`](crate::math::Micromath).
    ///
    /// # Errors
    ///
    /// A slice of wrong length.
    pub fn predict_with<M: Math>(
        &self,
        x: &[f32],
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        self.predict_where::<M, _>(x, Request::tasks(TaskMask::ALL), scratch, y)
    }

    /// Computes the outputs of these tasks and writes them to `y`; the outputs of all other tasks
    /// are left as they are.
    ///
    /// Only what the tasks need is computed: gates of other tasks are not, and experts that only
    /// they would weigh are not run. A product that is asked for alone computes both of its
    /// factors, and writes only the product.
    ///
    /// # Errors
    ///
    /// A slice of wrong length.
    pub fn predict_tasks(
        &self,
        x: &[f32],
        tasks: TaskMask,
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        self.predict_where::<Libm, _>(x, Request::tasks(tasks), scratch, y)
    }

    /// [`predict`](Self::predict) without the experts that a gate weighs less than `skip` says.
    ///
    /// # Errors
    ///
    /// A slice of wrong length.
    pub fn predict_skipping(
        &self,
        x: &[f32],
        skip: SkipBelow,
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        let request = Request {
            tasks: TaskMask::ALL,
            filter: skip,
        };
        self.predict_where::<Libm, _>(x, request, scratch, y)
    }

    fn predict_where<M: Math, F: ExpertFilter>(
        &self,
        x: &[f32],
        request: Request<F>,
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<Run, RunError> {
        let y = self.room(y)?;
        // The raw outputs pass through the words of `y`: asked-for tasks are converted, others keep
        // their value.
        let words: &mut [u32] =
            <[u32]>::mut_from_bytes(y.as_mut_bytes()).map_err(|_| RunError::Element)?;
        let run = if self.summary.integer {
            let (q, rest) = self.input_buffer(scratch)?;
            let input = self.quantize(x, q)?;
            let experts = self.run::<i16, M, F>(q, request, rest, words)?;
            Run { experts, input }
        } else {
            self.check_inputs(x.len())?;
            let (_, rest) = self.input_buffer(scratch)?;
            let experts = self.run::<f32, M, F>(x, request, rest, words)?;
            Run {
                experts,
                input: InputCounts::default(),
            }
        };
        self.show_words(words, request.tasks);
        Ok(run)
    }

    /// Int16 features in, raw outputs out, as a typed model's `predict_q`: a word each, `Q16` or
    /// `Q31` (or an activation, of a tower without layers).
    ///
    /// # Errors
    ///
    /// A slice of wrong length, or a float model.
    pub fn predict_q(
        &self,
        x: &[i16],
        scratch: &mut [u32],
        raw: &mut [u32],
    ) -> Result<Run, RunError> {
        if !self.summary.integer {
            return Err(RunError::Element);
        }
        self.check_inputs(x.len())?;
        let raw = self.room(raw)?;
        let (_, rest) = self.input_buffer(scratch)?;
        Ok(Run {
            experts: self.run::<i16, Libm, _>(x, Request::tasks(TaskMask::ALL), rest, raw)?,
            input: InputCounts::default(),
        })
    }

    /// Raw outputs as f32.
    pub fn show(&self, raw: &[u32], y: &mut [f32]) {
        for (y, raw) in y.iter_mut().zip(raw) {
            *y = f32::from_bits(*raw);
        }
        if let Ok(words) = <[u32]>::mut_from_bytes(y.as_mut_bytes()) {
            self.show_words(words, TaskMask::ALL);
        }
    }

    /// Features to int16: what the input stage of an integer model does.
    ///
    /// # Errors
    ///
    /// A slice of wrong length, or a float model.
    pub fn quantize(&self, x: &[f32], q: &mut [i16]) -> Result<InputCounts, RunError> {
        self.check_inputs(x.len())?;
        self.check_inputs(q.len())?;
        if !self.summary.integer {
            return Err(RunError::Element);
        }
        let Ok((scales, _)) =
            <[InputScale]>::ref_from_prefix_with_elems(self.blob.weights, self.summary.inputs)
        else {
            return Err(RunError::Element);
        };
        Ok(crate::kernel::quantize_f32(x, scales, q))
    }

    /// Words of scratch that [`self_test`](Self::self_test) needs: those of a prediction, and room
    /// for its features and outputs.
    #[must_use]
    pub fn self_test_words(&self) -> usize {
        self.scratch_words()
            .saturating_add(self.inputs())
            .saturating_add(self.outputs())
    }

    /// Runs the rows that `mmoe convert --self-test N` stored in the blob; every output must have
    /// its stored bits. Returns the number of rows.
    ///
    /// # Errors
    ///
    /// [`SelfTestError`], with the row and the output that differ, or
    /// [`Scratch`](SelfTestError::Scratch) where fewer words than
    /// [`self_test_words`](Self::self_test_words) were given.
    pub fn self_test(&self, scratch: &mut [u32]) -> Result<u32, SelfTestError> {
        let rows = self.blob.self_test()?;
        let count = rows.rows();
        let short = SelfTestError::Scratch {
            expected: self.self_test_words() as u32,
            found: scratch.len() as u32,
        };
        let (x, scratch) = scratch.split_at_mut_checked(self.inputs()).ok_or(short)?;
        let (raw, scratch) = scratch.split_at_mut_checked(self.outputs()).ok_or(short)?;
        let all = Request::tasks(TaskMask::ALL);
        for row in rows {
            let (q, rest) = self.input_buffer(scratch).map_err(|_| short)?;
            let run = if self.summary.integer {
                read(row.activations, q)?;
                self.run::<i16, Libm, _>(q, all, rest, raw)
            } else {
                let x = <[f32]>::mut_from_bytes(x.as_mut_bytes()).map_err(|_| short)?;
                read(row.activations, x)?;
                self.run::<f32, Libm, _>(x, all, rest, raw)
            };
            run.map_err(|_| short)?;
            row.compare(raw.iter().copied())?;
        }
        Ok(count)
    }

    /// After a prediction: the weights of gate number `gate` (in the order of
    /// [`gates`](Self::gates)), one per expert seen, as f32; 0 where no task that was asked for
    /// depends on the gate. Gives how many were written.
    pub fn gate_weights(&self, scratch: &[u32], gate: usize, weights: &mut [f32]) -> usize {
        let layout = scratch::layout(&self.blob, &self.summary);
        level::gate_weights(&self.blob, &layout, scratch, gate, weights)
    }

    /// The output of the expert that is step `node` and reads the input (of a float model; an
    /// integer model's have no stored unit). Gives its width.
    ///
    /// # Errors
    ///
    /// A slice of wrong length, or no such expert.
    pub fn expert(
        &self,
        node: usize,
        x: &[f32],
        scratch: &mut [u32],
        y: &mut [f32],
    ) -> Result<usize, RunError> {
        if self.summary.integer {
            return Err(RunError::Element);
        }
        self.check_inputs(x.len())?;
        let (_, rest) = self.input_buffer(scratch)?;
        let layout = scratch::layout(&self.blob, &self.summary);
        level::expert::<f32>(&self.blob, &layout, node, x, rest, y)
    }

    fn check_inputs(&self, found: usize) -> Result<(), RunError> {
        if found == self.summary.inputs {
            Ok(())
        } else {
            Err(RunError::Inputs {
                expected: self.summary.inputs as u32,
                found: found as u32,
            })
        }
    }

    fn room<'y, T>(&self, y: &'y mut [T]) -> Result<&'y mut [T], RunError> {
        let found = y.len() as u32;
        y.get_mut(..self.summary.outputs).ok_or(RunError::Outputs {
            expected: self.summary.outputs as u32,
            found,
        })
    }

    /// The scratch's part for quantized features, and the rest.
    fn input_buffer<'s>(
        &self,
        scratch: &'s mut [u32],
    ) -> Result<(&'s mut [i16], &'s mut [u32]), RunError> {
        let short = RunError::Scratch {
            expected: self.scratch_words() as u32,
            found: scratch.len() as u32,
        };
        if scratch.len() < self.scratch_words() {
            return Err(short);
        }
        let layout = scratch::layout(&self.blob, &self.summary);
        scratch::split_input(&layout, scratch).ok_or(short)
    }

    fn run<A: Erased, M: Math, F: ExpertFilter>(
        &self,
        x: &[A],
        request: Request<F>,
        scratch: &mut [u32],
        raw: &mut [u32],
    ) -> Result<u32, RunError> {
        let found = scratch.len() as u32;
        let layout = scratch::layout(&self.blob, &self.summary);
        run::<A, M, F>(&self.blob, &layout, x, request, scratch, raw).ok_or(RunError::Scratch {
            expected: self.scratch_words() as u32,
            found,
        })
    }

    /// Raw words to the bits of f32, for these tasks.
    fn show_words(&self, words: &mut [u32], tasks: TaskMask) {
        if !self.summary.integer {
            return;
        }
        let mut rest = words;
        for (k, t) in self.blob.tasks.iter().enumerate() {
            let Some((words, after)) =
                core::mem::take(&mut rest).split_at_mut_checked(t.width.get() as usize)
            else {
                return;
            };
            rest = after;
            if tasks.contains(k) {
                level::show(&self.blob, t, words);
            }
        }
    }
}

/// The tasks whose towers these tasks are made of: a product is made of its factors.
fn required_towers(blob: &Blob<'_>, tasks: TaskMask) -> TaskMask {
    let mut towers = TaskMask::NONE;
    for (k, t) in blob.tasks.iter().enumerate().take(MAX_TASKS) {
        if tasks.contains(k) {
            towers |= match t.factors() {
                Some((a, b)) => TaskMask::only(a) | TaskMask::only(b),
                None => TaskMask::only(k),
            };
        }
    }
    towers
}
