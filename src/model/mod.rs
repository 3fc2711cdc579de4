//! Models: an input stage, a trunk, towers. The families of the literature are aliases.

mod families;
mod traced;

pub use families::{Cgc, Independent, Mmoe, Omoe, Ple, SharedBottom};
pub use traced::{Run, Traced};

use crate::blob::{self, Blob, Check, LoadError};
use crate::bytes::InPlace;
use crate::input::{InputCounts, InputStage};
use crate::layer::max;
use crate::level::{Buffers, ExpertFilter, Request, RunAll, SkipBelow, TaskMask};
use crate::math::{Libm, Math};
use crate::number::Element;
use crate::tower::Towers;
use crate::trunk::{LevelOutputs, Trunk};
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A model: exactly the weights of its blob, used where they lie.
///
/// A loaded model is a `&Model`: one pointer of RAM. Spell a model by its family: [`Mmoe`],
/// [`Omoe`], [`SharedBottom`], [`Cgc`], [`Ple`], [`Independent`]; `mmoe codegen` writes the
/// type for a blob.
///
/// ```
/// use mmoe::{Binary, Blob, Dense, F32, Gate, Head, LoadError, Mmoe, Seq};
///
/// type Expert<P> = Seq<Dense<64, 64, P>, Dense<64, 32, P>>;
/// type Tower<P> = Binary<Seq<Dense<32, 16, P>, Head<16, 1, P>>>;
/// type Ranker<P> = Mmoe<[Expert<P>; 4], [Gate<64, 4, P>; 3], [Tower<P>; 3]>;
///
/// fn click(blob: &[u8], features: &[f32; 64]) -> Result<f32, LoadError> {
///     let ranker = Ranker::<F32>::load(blob)?;
///     let [click, _like, _buy] = ranker.predict(features);
///     Ok(click)
/// }
/// assert!(click(b"not a blob", &[0.0; 64]).is_err());
/// const { assert!(Ranker::<F32>::SCRATCH < 2048) };
/// ```
///
/// # What the typed and the shape-erased model can do
///
#[doc = include_str!("../../docs/capabilities.md")]
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Model<S, L, T> {
    /// From features to activations.
    pub input: S,
    /// From activations to mixtures.
    pub trunk: L,
    /// From mixtures to outputs.
    pub towers: T,
}

impl<S, L, T> Model<S, L, T>
where
    Self: InPlace,
{
    /// Uses a blob's weights as a model, after checking all of it: magic, version, length,
    /// checksum, header, and every record against this type. Nothing is copied; the model is the
    /// blob's own bytes. The blob must lie at a multiple of 4, as an
    /// [`include_blob!`](crate::include_blob) does.
    ///
    /// After `Ok`, inference neither fails nor panics, whatever the weights are.
    ///
    /// This is [`Blob::open`] and then [`from_blob`](Self::from_blob).
    ///
    /// # Errors
    ///
    /// Each of [`LoadError`]'s cases but [`Record`](LoadError::Record), the first that applies.
    pub fn load<A: Element, const I: usize>(blob: &[u8]) -> Result<&Self, LoadError>
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::Stream, Count = L::Count>,
    {
        Self::from_blob(&Blob::open(blob)?)
    }

    /// [`load`](Self::load) of a blob that is open already, whose checksum is therefore not
    /// computed again.
    ///
    /// ```
    /// use mmoe::{Binary, Blob, Dense, F32, Gate, Head, Mmoe, SelfTestError};
    /// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 1], [Binary<Head<4, 1, F32>>; 1]>;
    ///
    /// /// What firmware does at boot: one pass over the bytes, then the stored rows.
    /// fn boot(bytes: &[u8]) -> Result<&Model, SelfTestError> {
    ///     let blob = Blob::open(bytes)?;
    ///     let model = Model::from_blob(&blob)?;
    ///     model.self_test(&blob)?;
    ///     Ok(model)
    /// }
    /// assert!(matches!(boot(b"MMOE"), Err(SelfTestError::Load(_))));
    /// ```
    ///
    /// # Errors
    ///
    /// The record that differs from this type, or the alignment.
    pub fn from_blob<'a, A: Element, const I: usize>(blob: &Blob<'a>) -> Result<&'a Self, LoadError>
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::Stream, Count = L::Count>,
    {
        blob::compare(blob, Self::describe::<A, I>, size_of::<Self>())?;
        let weights = blob.weights;
        Self::try_ref_from_bytes(weights).map_err(|_| LoadError::Alignment {
            offset: weights.as_ptr() as usize as u32 & 63,
        })
    }

    fn describe<A: Element, const I: usize>(to: &mut Check<'_>)
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::Stream, Count = L::Count>,
    {
        const { assert!(T::TASKS <= blob::MAX_TASKS, "a model has at most 32 tasks") };
        S::describe(to);
        let src = L::describe(to);
        T::describe(to, src, L::STREAM_STRIDE);
    }
}

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::Stream, Count = L::Count>,
{
    /// Bytes of buffers that a prediction has on the stack (beside return addresses and registers;
    /// with experts run one at a time): input, gate weights, one expert, one mixture per
    /// stream, the widest layer's intermediates, raw outputs.
    pub const SCRATCH: usize = S::SCRATCH
        + size_of::<L::Streams>()
        + max(L::EARLIER_SCRATCH, L::LAST_SCRATCH + T::SCRATCH)
        + size_of::<T::Out>();

    /// Computes all outputs for one row of features.
    pub fn predict(&self, x: &S::From) -> T::Shown {
        self.predict_with::<Libm>(x)
    }

    /// [`predict`](Self::predict) with another mathematics back end, such as
    /// [`Micromath`](crate::math::Micromath).
    pub fn predict_with<M: Math>(&self, x: &S::From) -> T::Shown {
        self.input.with(x, |q, _| {
            let mut raw = T::Out::new_zeroed();
            let mut weights = L::GateWeights::new_zeroed();
            self.run::<M, _>(q, Request::tasks(TaskMask::ALL), &mut weights, &mut raw);
            self.towers.show(&raw)
        })
    }

    /// [`predict`](Self::predict) for each row, into the caller's memory; as many as the shorter
    /// slice has. The bits are those of single rows.
    // Row by row: a kernel's panel of rows fills a host's vector units at batch 1 already.
    pub fn predict_batch<X>(&self, rows: &[X], outputs: &mut [T::Shown])
    where
        S: InputStage<From = X>,
    {
        for (x, y) in rows.iter().zip(outputs) {
            *y = self.predict(x);
        }
    }

    /// Computes all outputs, and returns them with all gate weights and what the prediction did.
    pub fn predict_traced(&self, x: &S::From) -> Traced<T::Shown, L::GateWeights> {
        self.traced(x, RunAll)
    }

    /// [`predict_traced`](Self::predict_traced) without the experts that a gate weighs less than
    /// `skip` says.
    pub fn predict_skipping(
        &self,
        x: &S::From,
        skip: SkipBelow,
    ) -> Traced<T::Shown, L::GateWeights> {
        self.traced(x, skip)
    }

    fn traced<F: ExpertFilter>(&self, x: &S::From, filter: F) -> Traced<T::Shown, L::GateWeights> {
        self.input.with(x, |q, input| {
            let (mut raw, mut gates) = (T::Out::new_zeroed(), L::GateWeights::new_zeroed());
            let request = Request {
                tasks: TaskMask::ALL,
                filter,
            };
            let experts = self.run::<Libm, F>(q, request, &mut gates, &mut raw);
            Traced {
                tasks: self.towers.show(&raw),
                gates,
                run: Run { experts, input },
            }
        })
    }

    /// Computes the outputs of these tasks and writes them to `y`; the outputs of all other tasks
    /// are left as they are.
    ///
    /// Only what the tasks need is computed: gates of other tasks are not, and experts that only
    /// they would weigh are not run. A [`Product`](crate::Product) that is asked for alone computes
    /// both of its factors, and writes only the product.
    ///
    /// ```
    /// use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, TaskMask};
    /// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<4, 1, F32>>; 2]>;
    ///
    /// fn second(model: &Model, x: &[f32; 8]) -> f32 {
    ///     let mut y = [0.0; 2];
    ///     model.predict_tasks(x, TaskMask::only(1), &mut y);
    ///     y[1]
    /// }
    /// ```
    pub fn predict_tasks(&self, x: &S::From, tasks: TaskMask, y: &mut T::Shown) -> Run {
        self.input.with(x, |q, input| {
            let mut raw = T::Out::new_zeroed();
            let mut weights = L::GateWeights::new_zeroed();
            let experts = self.run::<Libm, _>(q, Request::tasks(tasks), &mut weights, &mut raw);
            self.towers.show_tasks(tasks, &raw, y);
            Run { experts, input }
        })
    }

    /// Activations in, raw outputs out. In an integer model no float instruction runs: features are
    /// quantized by the caller (with [`quantize`](Self::quantize) or the scales in `self.input`),
    /// outputs are [`Q16`](crate::Q16) and [`Q31`](crate::Q31).
    pub fn predict_q(&self, x: &[A; I]) -> T::Out {
        let mut raw = T::Out::new_zeroed();
        let mut weights = L::GateWeights::new_zeroed();
        self.run::<Libm, _>(x, Request::tasks(TaskMask::ALL), &mut weights, &mut raw);
        raw
    }

    /// Converts raw outputs to f32.
    pub fn show(&self, raw: &T::Out) -> T::Shown {
        self.towers.show(raw)
    }

    /// Converts features to activations, as the input stage does. Returns how many were NaN or out
    /// of range.
    pub fn quantize(&self, x: &S::From, q: &mut [A; I]) -> InputCounts {
        self.input.with(x, |made, counts| {
            *q = *made;
            counts
        })
    }

    // In two frames, `run` and `finish`: the buffers of the levels before the last one and those of
    // the last one never live at the same time, and share their bytes of the stack.
    pub(crate) fn run<M: Math, F: ExpertFilter>(
        &self,
        x: &[A; I],
        request: Request<F>,
        weights: &mut L::GateWeights,
        raw: &mut T::Out,
    ) -> u32 {
        let request = request.of(T::needs(request.tasks));
        let mut streams = L::Streams::new_zeroed();
        let run = self
            .trunk
            .streams::<M, F>(x, request, weights, &mut streams);
        run.wrapping_add(self.finish::<M, F>(x, &streams, request, weights, raw))
    }

    /// The last level, and the towers that are asked for.
    #[inline(never)]
    fn finish<M: Math, F: ExpertFilter>(
        &self,
        x: &[A; I],
        streams: &L::Streams,
        request: Request<F>,
        weights: &mut L::GateWeights,
        raw: &mut T::Out,
    ) -> u32 {
        let (mut stream, mut mixtures) = (L::Stream::new_zeroed(), L::Mixtures::new_zeroed());
        let to = Buffers {
            weights,
            stream: &mut stream,
            mixtures: &mut mixtures,
        };
        let run = self.trunk.last::<M, F>(x, streams, request, to);
        for k in 0..T::COUNT {
            if request.tasks.contains(k) {
                // The expert's buffer is free now, and becomes the tower's input.
                mixtures.round_one(k, &mut stream);
                self.towers.run::<M>(k, &stream, raw);
            }
        }
        T::combine(raw);
        run
    }
}
