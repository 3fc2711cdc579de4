//! The shape-erased model: its shapes come from the blob's header and its scratch from the caller.

mod batch;
mod element;
mod error;
mod front;
mod level;
mod scratch;

use crate::blob::{
    ALIGN, Blob, LoadError, MAX_TASKS, NodeOp, NodeRecord, OutputKind, SelfTestError, Summary,
};
use crate::bytes::Pod;
use crate::kernel::{InputCounts, InputScale};
use crate::level::{ExpertFilter, Request, SkipBelow, TaskMask};
use crate::math::{Libm, Math};
use crate::model::Run;
use crate::number::read;
use element::Erased;
pub use error::RunError;
pub use front::Value;
use level::run;
use zerocopy::{FromBytes, IntoBytes};

/// A loaded model whose shapes are data. It is to a typed [`Model`](crate::Model) what `[T]` is to
/// `[T; N]`: the kernels, the walk and the bits are the same.
///
/// Use it where the architecture of the model is not known when the program is built, as in a host
/// tool or in a device that takes any model. It runs every blob in every packing, and so links every
/// kernel; a device whose architecture is fixed has far less code with a typed model.
///
/// There is no heap, so the caller brings every buffer: `scratch` with
/// [`scratch_words`](Self::scratch_words) words, and room for [`outputs`](Self::outputs) numbers.
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
/// # let edge = include_bytes!(concat!(
/// #     env!("CARGO_MANIFEST_DIR"),
/// #     "/tests/firmware/models/blobs/edge.f32.mmoe"
/// # ));
/// // In firmware: mmoe::include_blob!("edge.mmoe").
/// let blob = mmoe::Aligned(*edge);
/// assert!((0.0..=1.0).contains(&first(&blob[..])?));
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
    /// The kind of its output.
    pub output: OutputKind,
    /// How many numbers it has.
    pub width: usize,
    /// Where its numbers start among all outputs.
    pub start: usize,
}

/// One gate of a model, and where a prediction leaves its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateInfo {
    /// The number of its node in the wiring.
    pub node: usize,
    /// Its kind.
    pub op: NodeOp,
    record: NodeRecord,
}

impl GateInfo {
    /// Returns the nodes of the experts that it sees, in the order of its weights.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// let gate = model.gates().next().unwrap();
    /// assert!(gate.experts().eq([0, 1, 2, 3]));
    /// ```
    pub fn experts(&self) -> impl Iterator<Item = usize> + use<> {
        self.record
            .seen_values()
            .map(|value| value.saturating_sub(1))
    }
}

impl<'a> Dynamic<'a> {
    /// Checks a blob and returns the model that lies in it.
    ///
    /// There is no type to compare the records with, so each is checked against the rules of the
    /// format. Nothing is copied. The blob must lie at a multiple of 4 bytes.
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

    /// Does what [`load`](Self::load) does for a blob that is already open, so that its checksum is
    /// not computed a second time.
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

    /// Returns the blob, for its header and identity.
    #[must_use]
    pub const fn blob(&self) -> &Blob<'a> {
        &self.blob
    }

    /// Returns how many fields a record has that [`predict_record`](Self::predict_record) takes; 0 where
    /// the model takes plain numbers.
    #[must_use]
    pub const fn fields(&self) -> usize {
        self.summary.fields
    }

    /// Returns how many features it takes; of a model that takes records, how many elements its front end
    /// makes.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.summary.inputs
    }

    /// Returns how many numbers all tasks have together.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.summary.outputs
    }

    /// Returns `true` if activations are int16.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        self.summary.integer
    }

    /// Returns how many words of scratch a prediction needs.
    #[must_use]
    pub fn scratch_words(&self) -> usize {
        scratch::words(&self.blob, &self.summary)
    }

    /// Returns the multiply-accumulates of one prediction in which every expert runs.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.blob.macs()
    }

    /// Returns the tasks, in order.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// let names: Vec<&str> = model.tasks().map(|task| task.name).collect();
    /// assert_eq!(names, ["y0", "y1", "y2"]);
    /// ```
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

    /// Returns the gates, in the order of the wiring.
    pub fn gates(&self) -> impl Iterator<Item = GateInfo> + use<'a> {
        self.blob.nodes.iter().enumerate().filter_map(|(node, n)| {
            let op = n.op().filter(|op| op.is_gate())?;
            Some(GateInfo {
                node,
                op,
                record: *n,
            })
        })
    }

    /// Computes all outputs for one row of features, and writes them to `y` as f32, task after task.
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
        if self.blob.takes_record() {
            return Err(RunError::Record);
        }
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
            let (_, rest) = self.input_buffer::<f32>(scratch)?;
            let experts = self.run::<f32, M, F>(x, request, rest, words)?;
            Run {
                experts,
                input: InputCounts::default(),
            }
        };
        self.show_words(words, request.tasks);
        Ok(run)
    }

    /// Computes raw outputs from int16 activations, as `predict_q` of a typed model does. No float
    /// instruction runs.
    ///
    /// Each raw output is a word that holds a `Q16` or a `Q31`, or an activation where the tower has
    /// no layers. [`show`](Self::show) converts them.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// let (mut q, mut raw, mut y) = ([0i16; 64], [0u32; 3], [0.0; 3]);
    /// let mut scratch = vec![0; model.scratch_words()];
    /// model.quantize(&[0.5; 64], &mut q)?;
    /// model.predict_q(&q, &mut scratch, &mut raw)?;
    /// model.show(&raw, &mut y);
    ///
    /// let mut same = [0.0; 3];
    /// model.predict(&[0.5; 64], &mut scratch, &mut same)?;
    /// assert_eq!(y, same);
    /// # Ok::<(), mmoe::RunError>(())
    /// ```
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
        let (_, rest) = self.input_buffer::<i16>(scratch)?;
        Ok(Run {
            experts: self.run::<i16, Libm, _>(x, Request::tasks(TaskMask::ALL), rest, raw)?,
            input: InputCounts::default(),
        })
    }

    /// Converts the raw outputs of [`predict_q`](Self::predict_q) to f32.
    pub fn show(&self, raw: &[u32], y: &mut [f32]) {
        for (y, raw) in y.iter_mut().zip(raw) {
            *y = f32::from_bits(*raw);
        }
        if let Ok(words) = <[u32]>::mut_from_bytes(y.as_mut_bytes()) {
            self.show_words(words, TaskMask::ALL);
        }
    }

    /// Converts features to int16 activations, as the input stage of an integer model does. Returns
    /// how many were NaN or out of range.
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
        if self.blob.takes_record() {
            return Err(RunError::Record);
        }
        let Ok((scales, _)) =
            <[InputScale]>::ref_from_prefix_with_elems(self.blob.weights, self.summary.inputs)
        else {
            return Err(RunError::Element);
        };
        Ok(crate::kernel::quantize_f32(x, scales, q))
    }

    /// Returns how many words of scratch [`self_test`](Self::self_test) needs: those of a prediction,
    /// and room for its features and outputs.
    #[must_use]
    pub fn self_test_words(&self) -> usize {
        self.scratch_words()
            .saturating_add(self.inputs())
            .saturating_add(self.outputs())
    }

    /// Runs the rows that `mmoe convert --self-test N` stored in the blob, and compares the bits of
    /// every output with the stored ones. Returns the number of rows.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// let mut scratch = vec![0; model.self_test_words()];
    /// assert_eq!(model.self_test(&mut scratch)?, 4);
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
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

    /// Reads the weights of gate number `gate`, in the order of [`gates`](Self::gates), that the last
    /// prediction left in `scratch`. Writes one f32 per expert that the gate sees, and returns how
    /// many were written.
    ///
    /// The weights are 0 where no task that was asked for depends on the gate. Nothing is written,
    /// and 0 is returned, where there is no such gate or `weights` is too short.
    ///
    /// ```
    /// # let file: &mmoe::Aligned<[u8]> = mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/edge.mmoe"));
    /// # let model = mmoe::Dynamic::load(file).unwrap();
    /// let mut scratch = vec![0; model.scratch_words()];
    /// model.predict(&[0.5; 64], &mut scratch, &mut [0.0; 3])?;
    /// let mut weights = [0.0; 4];
    /// assert_eq!(model.gate_weights(&scratch, 0, &mut weights), 4);
    /// assert_eq!(weights.iter().sum::<f32>(), 1.0);
    /// # Ok::<(), mmoe::RunError>(())
    /// ```
    pub fn gate_weights(&self, scratch: &[u32], gate: usize, weights: &mut [f32]) -> usize {
        let layout = scratch::layout(&self.blob, &self.summary);
        level::gate_weights(&self.blob, &layout, scratch, gate, weights)
    }

    /// Computes the output of the expert that is node `node` and reads the input. Writes it to `y`,
    /// and returns its width.
    ///
    /// It works for float models. The outputs of an integer model's experts have no stored unit, so
    /// there is no f32 to convert them to.
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
        let (_, rest) = self.input_buffer::<f32>(scratch)?;
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

    /// The scratch's part for quantized features or for what a front end makes, and the rest.
    fn input_buffer<'s, A: Pod>(
        &self,
        scratch: &'s mut [u32],
    ) -> Result<(&'s mut [A], &'s mut [u32]), RunError> {
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
        run::<A, M, F, 1>(
            &self.blob,
            &layout,
            &[x],
            request,
            &mut [scratch],
            &mut [raw],
        )
        .ok_or(RunError::Scratch {
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

/// Returns the tasks whose towers these tasks are made of: a product is made of its factors.
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
