//! Models: an input stage, a trunk and towers, put together.

mod families;
mod traced;

pub use families::{Cgc, Independent, Mmoe, Omoe, Ple, SharedBottom};
pub use traced::{Run, Traced};

use crate::blob::{self, Blob, Check, LoadError};
use crate::bytes::{InPlace, Word};
use crate::input::{InputCounts, InputStage};
use crate::layer::max;
use crate::level::{Buffers, ExpertFilter, Request, RunAll, SkipBelow, TaskMask};
use crate::math::{Libm, Math};
use crate::number::Element;
use crate::rows::{self, Rows};
use crate::tower::Towers;
use crate::trunk::{LevelOutputs, Trunk};
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A model whose architecture is its type.
///
/// The struct holds exactly the weights of a blob, in the order in which they lie there. A loaded
/// model is therefore a reference into the blob: it takes one pointer of RAM, and nothing is copied.
///
/// Use one of the aliases for the families of the literature ([`Mmoe`], [`Omoe`],
/// [`SharedBottom`], [`Cgc`], [`Ple`], [`Independent`]) rather than `Model` itself. You seldom write
/// the type by hand: `mmoe codegen` writes it for a blob.
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
    /// The input stage, which turns features into activations.
    pub input: S,
    /// The experts and gates, which turn activations into one mixture per tower.
    pub trunk: L,
    /// The towers, which turn mixtures into outputs.
    pub towers: T,
}

impl<S, L, T> Model<S, L, T>
where
    Self: InPlace,
{
    /// Checks a blob and returns the model that lies in it.
    ///
    /// The magic number, the version, the length, the checksum and the header are checked, and every
    /// record is compared with this type. Nothing is copied: the model is the blob's own bytes. The
    /// blob must lie at a multiple of 4 bytes, as one from [`include_blob!`](crate::include_blob)
    /// does.
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

    /// Does what [`load`](Self::load) does for a blob that is already open, so that its checksum is
    /// not computed a second time.
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
    /// [`LoadError`] names the first record that differs from this type, or the alignment.
    pub fn from_blob<'a, A: Element, const I: usize>(blob: &Blob<'a>) -> Result<&'a Self, LoadError>
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::Stream, Count = L::Count>,
    {
        // Before the length of the weights, which says less about what differs.
        if S::RECORD {
            blob::compare_features(blob, S::features)?;
        }
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
        const { assert!(T::TASKS <= blob::MAX_TASKS, "a model has at most 64 tasks") };
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
    /// Bytes of buffers that a prediction keeps on the stack: the input, the gate weights, one
    /// expert's output, one mixture per tower, the intermediate values of the widest layer, and the
    /// raw outputs.
    ///
    /// Return addresses and saved registers come on top; `mmoe inspect --core` estimates both
    /// together. The figure holds where experts run one at a time, as they do on microcontrollers.
    pub const SCRATCH: usize = S::SCRATCH
        + size_of::<L::Streams>()
        + max(L::EARLIER_SCRATCH, L::LAST_SCRATCH + T::SCRATCH)
        + size_of::<T::Out>();

    /// Computes all outputs for one row of features.
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// let (click, like, rating) = model.predict(&[0.5; 64]);
    /// assert!((0.0..=1.0).contains(&click) && (0.0..=1.0).contains(&like));
    /// assert!(rating.is_finite());
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict(&self, x: S::From<'_>) -> T::Shown {
        self.predict_with::<Libm>(x)
    }

    /// [`predict`](Self::predict) with another mathematics back end, such as
    /// [`Micromath`](crate::math::Micromath).
    pub fn predict_with<M: Math>(&self, x: S::From<'_>) -> T::Shown {
        self.input.with(x, |q, _| {
            let mut raw = T::Out::new_zeroed();
            let mut weights = L::GateWeights::new_zeroed();
            self.one::<M, _>(q, Request::tasks(TaskMask::ALL), &mut weights, &mut raw);
            self.towers.show(&raw)
        })
    }

    /// Computes all outputs for each row and writes them to the caller's memory, for as many rows
    /// as there are in the shorter of the two. The bits are those of [`predict`](Self::predict).
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// let rows = [[0.0; 64], [0.5; 64]];
    /// let mut outputs = [(0.0, 0.0, 0.0); 2];
    /// model.predict_batch(&rows, &mut outputs);
    /// assert_eq!(outputs[1], model.predict(&rows[1]));
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict_batch<'a>(
        &self,
        rows: impl IntoIterator<Item = S::From<'a>>,
        outputs: &mut [T::Shown],
    ) {
        // The rows of a block share each weight that is loaded. The block is as large as a limit on
        // its buffers lets it be; a microcontroller has no room for any.
        #[cfg(not(target_os = "none"))]
        {
            const BLOCK: usize = 128 << 10;
            let row = const { Self::SCRATCH + size_of::<[A; I]>() };
            if row * 32 <= BLOCK {
                return self.blocks::<_, 32>(rows.into_iter(), outputs);
            }
            if row * 8 <= BLOCK {
                return self.blocks::<_, 8>(rows.into_iter(), outputs);
            }
        }
        for (x, y) in rows.into_iter().zip(outputs) {
            *y = self.predict(x);
        }
    }

    /// A batch in blocks of `R` rows.
    #[cfg(not(target_os = "none"))]
    fn blocks<'a, X, const R: usize>(&self, mut rows: X, outputs: &mut [T::Shown])
    where
        X: Iterator<Item = S::From<'a>>,
    {
        let mut x = Word::<[[A; I]; R]>::new_zeroed();
        for outputs in outputs.chunks_mut(R) {
            let mut len = 0;
            // The rows come last, so that none is taken that the block has no room for.
            for (x, row) in x.iter_mut().take(outputs.len()).zip(&mut rows) {
                self.input.with(row, |q, _| *x = *q);
                len += 1;
            }
            if len == 0 {
                return;
            }
            let mut weights = <[L::GateWeights; R]>::new_zeroed();
            let mut raw = <[T::Out; R]>::new_zeroed();
            self.run::<Libm, RunAll, R>(
                Rows::first(&x, len),
                Request::tasks(TaskMask::ALL),
                weights.each_mut(),
                raw.each_mut(),
            );
            for (y, raw) in outputs.iter_mut().zip(&raw).take(len) {
                *y = self.towers.show(raw);
            }
        }
    }

    /// Computes all outputs, and returns them with all gate weights and with what the prediction
    /// did: how many experts ran, and how many features were NaN or out of range.
    ///
    /// Use it to see why a prediction is what it is, or to watch for gates that have stopped using
    /// an expert. It does the work of [`predict`](Self::predict) and copies the gate weights.
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// let traced = model.predict_traced(&[0.5; 64]);
    /// assert_eq!(traced.tasks, model.predict(&[0.5; 64]));
    /// assert_eq!(traced.run.experts, 4, "a softmax gate uses every expert");
    /// // One array of weights per gate. In integer models they add up to exactly one.
    /// for weights in traced.gates {
    ///     assert_eq!(weights.iter().map(|w| u32::from(w.0)).sum::<u32>(), 32768);
    /// }
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict_traced(&self, x: S::From<'_>) -> Traced<T::Shown, L::GateWeights> {
        self.traced(x, RunAll)
    }

    /// Does what [`predict_traced`](Self::predict_traced) does, but runs no expert that every gate
    /// weighs less than `skip`, and adds an expert only to the mixtures of gates that weigh it more.
    ///
    /// It trades accuracy for time: see [`SkipBelow`] for how to find out what a threshold costs.
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// let skip = mmoe::SkipBelow::new(0.3).unwrap();
    /// let traced = model.predict_skipping(&[0.5; 64], skip);
    /// assert!(traced.run.experts < 4);
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict_skipping(
        &self,
        x: S::From<'_>,
        skip: SkipBelow,
    ) -> Traced<T::Shown, L::GateWeights> {
        self.traced(x, skip)
    }

    fn traced<F: ExpertFilter>(
        &self,
        x: S::From<'_>,
        filter: F,
    ) -> Traced<T::Shown, L::GateWeights> {
        self.input.with(x, |q, input| {
            let (mut raw, mut gates) = (T::Out::new_zeroed(), L::GateWeights::new_zeroed());
            let request = Request {
                tasks: TaskMask::ALL,
                filter,
            };
            let experts = self.one::<Libm, F>(q, request, &mut gates, &mut raw);
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
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// // NaN marks what nobody asked for.
    /// let mut y = (f32::NAN, f32::NAN, f32::NAN);
    /// model.predict_tasks(&[0.5; 64], TaskMask::only(1), &mut y);
    /// assert_eq!(y.1, model.predict(&[0.5; 64]).1);
    /// assert!(y.0.is_nan() && y.2.is_nan(), "the other outputs are left as they were");
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict_tasks(&self, x: S::From<'_>, tasks: TaskMask, y: &mut T::Shown) -> Run {
        self.input.with(x, |q, input| {
            let mut raw = T::Out::new_zeroed();
            let mut weights = L::GateWeights::new_zeroed();
            let experts = self.one::<Libm, _>(q, Request::tasks(tasks), &mut weights, &mut raw);
            self.towers.show_tasks(tasks, &raw, y);
            Run { experts, input }
        })
    }

    /// Computes raw outputs from activations, for cores without a float unit.
    ///
    /// In an integer model no float instruction runs. The caller quantizes the features, with
    /// [`quantize`](Self::quantize) or from the scales in `self.input`; the outputs are
    /// [`Q16`](crate::Q16) and [`Q31`](crate::Q31), which [`show`](Self::show) converts to f32.
    ///
    /// Activations at an address that is a multiple of 4 are read two at a time on cores that can;
    /// others take a longer loop, with the same results. An `Aligned<[i16; N]>` promises more.
    ///
    /// ```
    #[doc = include_str!("../../docs/doctest-model.txt")]
    /// let mut activations = [0i16; 64];
    /// let counts = model.quantize(&[0.5; 64], &mut activations);
    /// assert_eq!(counts.nan, 0);
    /// let raw = model.predict_q(&activations);
    /// assert_eq!(model.show(&raw), model.predict(&[0.5; 64]));
    /// # Ok::<(), mmoe::SelfTestError>(())
    /// ```
    pub fn predict_q(&self, x: &[A; I]) -> T::Out {
        let mut raw = T::Out::new_zeroed();
        let mut weights = L::GateWeights::new_zeroed();
        self.one::<Libm, _>(x, Request::tasks(TaskMask::ALL), &mut weights, &mut raw);
        raw
    }

    /// Converts the raw outputs of [`predict_q`](Self::predict_q) to f32.
    pub fn show(&self, raw: &T::Out) -> T::Shown {
        self.towers.show(raw)
    }

    /// Converts features to the activations that [`predict_q`](Self::predict_q) takes, as the input
    /// stage does in every prediction. Returns how many were NaN or out of range.
    pub fn quantize(&self, x: S::From<'_>, q: &mut [A; I]) -> InputCounts {
        self.input.with(x, |made, counts| {
            *q = *made;
            counts
        })
    }

    /// A prediction for one row.
    #[inline(always)]
    pub(crate) fn one<M: Math, F: ExpertFilter>(
        &self,
        x: &[A; I],
        request: Request<F>,
        weights: &mut L::GateWeights,
        raw: &mut T::Out,
    ) -> u32 {
        self.run::<M, F, 1>(Rows::one(x), request, [weights], [raw])
    }

    // A prediction is split into two functions so that it has two stack frames. The buffers of the
    // earlier levels and those of the last level are never alive at the same time, but the compiler
    // gives every local of one function its own bytes. `finish` is entered only after the frame of
    // `Trunk::streams` is gone, so the two share the stack and `SCRATCH` is their maximum.
    fn run<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, [A; I], R>,
        request: Request<F>,
        mut weights: [&mut L::GateWeights; R],
        raw: [&mut T::Out; R],
    ) -> u32 {
        let request = request.of(T::needs(request.tasks));
        let mut streams = Word::<[L::Streams; R]>::new_zeroed();
        let now = weights.each_mut().map(|w| &mut **w);
        let run = self.trunk.streams::<M, F, R>(x, request, now, &mut streams);
        run.wrapping_add(self.finish::<M, F, R>(x, &streams, request, weights, raw))
    }

    /// Runs the last level and then the towers that are asked for.
    #[inline(never)]
    fn finish<M: Math, F: ExpertFilter, const R: usize>(
        &self,
        x: Rows<'_, [A; I], R>,
        streams: &[L::Streams; R],
        request: Request<F>,
        weights: [&mut L::GateWeights; R],
        mut raw: [&mut T::Out; R],
    ) -> u32 {
        let (mut stream, mut mixtures) = (
            Word::<[L::Stream; R]>::new_zeroed(),
            <[L::Mixtures; R]>::new_zeroed(),
        );
        let to = Buffers {
            weights,
            stream: &mut stream,
            mixtures: mixtures.each_mut(),
        };
        let run = self.trunk.last::<M, F, R>(x, streams, request, to);
        let (raw, _) = raw.split_at_mut(x.len());
        for k in 0..T::COUNT {
            if request.tasks.contains(k) {
                // The expert's buffer is free now, and becomes the tower's input. Where all towers
                // read one mixture, that is mixture 0.
                let mixture = if L::STREAM_STRIDE == 0 { 0 } else { k };
                for (mixtures, stream) in mixtures.iter().zip(stream.iter_mut()).take(x.len()) {
                    mixtures.round_one(mixture, stream);
                }
                rows::each::<_, _, R>(
                    stream.iter().take(x.len()),
                    raw.iter_mut().map(|raw| &mut **raw),
                    |x, raw| self.towers.run::<M>(k, x, raw),
                    |x, raw| self.towers.run_rows::<M, R>(k, x, raw),
                );
            }
        }
        for raw in raw {
            T::combine(raw);
        }
        run
    }
}
