//! Models: an input stage, a trunk, towers. The families of the literature are aliases.

use crate::blob::{self, Blob, Check, LoadError};
use crate::bytes::InPlace;
use crate::input::{InputStage, Raw};
use crate::layer::max;
use crate::level::{All, CgcLevel, Choice, MmoeLevel, SkipBelow, asks};
use crate::list::Parallel;
use crate::math::{Libm, Math};
use crate::number::Element;
use crate::tower::Towers;
use crate::trunk::{Mixtures, Passthrough, SharedExpert, SingleGate, Stacked, Trunk};
use zerocopy::{FromZeros, Immutable, KnownLayout, TryFromBytes};

/// A model: exactly the weights of its blob, used where they lie.
///
/// A loaded model is a `&Model`: one pointer of RAM. Spell a model by its family: [`Mmoe`],
/// [`Omoe`], [`SharedBottom`], [`Cgc`], [`Ple`], [`Independent`]; `mmoe codegen` writes the
/// type for a blob.
///
/// ```
/// use mmoe::{Binary, Dense, Gate, Head, LoadError, Mmoe, Seq, F32};
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

/// Multi-gate mixture of experts (Ma et al., KDD 2018): experts `B`, a gate and a tower per task.
pub type Mmoe<B, G, T> = Model<Raw<<B as Parallel>::In>, MmoeLevel<B, G>, T>;
/// One-gate mixture of experts: `K` towers on one mixture.
pub type Omoe<B, G, T, const K: usize> =
    Model<Raw<<B as Parallel>::In>, SingleGate<MmoeLevel<B, [G; 1]>, K>, T>;
/// Shared bottom: `K` towers on one expert.
pub type SharedBottom<E, T, const K: usize> =
    Model<Raw<<E as crate::Layer>::In>, SharedExpert<E, K>, T>;
/// Customised gate control (Tang et al., RecSys 2020): experts `E` per task, shared experts `S`.
pub type Cgc<E, S, G, T, const K: usize> = Model<Raw<<E as Parallel>::In>, CgcLevel<E, S, G, K>, T>;
/// Two levels of progressive layered extraction; `Model<_, Stacked<Stacked<A, B>, C>, _>` for three.
pub type Ple<L1, L2, T> = Model<Raw<<L1 as Trunk>::In>, Stacked<L1, L2>, T>;
/// `K` towers on the input itself: independent models in one blob.
pub type Independent<X, T, const K: usize> = Model<Raw<X>, Passthrough<X, K>, T>;

/// A prediction with what led to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traced<Y, G> {
    /// The outputs.
    pub tasks: Y,
    /// Every gate's weights, level by level: for an [`Mmoe`] `[[weight; EXPERTS]; TASKS]`, f32 or
    /// [`Q15`](crate::Q15).
    pub gates: G,
    /// How many experts were run.
    pub experts_run: u32,
}

impl<S, L, T> Model<S, L, T>
where
    Self: InPlace,
{
    /// A blob's weights as a model, after checking all of it: magic, version, length, checksum,
    /// header, and every record against this type. Nothing is copied; the model is the blob's
    /// own bytes. The blob must lie at a multiple of 4 (an [`include_blob!
    /// `](crate::include_blob) does).
    ///
    /// After `Ok`, inference neither fails nor panics, whatever the weights are.
    ///
    /// # Errors
    ///
    /// Each of [`LoadError`]'s cases but [`Record`](LoadError::Record), the first that applies.
    pub fn load<A: Element, const I: usize>(blob: &[u8]) -> Result<&Self, LoadError>
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::H, Count = L::Count>,
    {
        Self::from_blob(&Blob::open(blob)?)
    }

    /// [`load`](Self::load) for a blob that was opened already, so that its checksum is computed
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load) that are not about the bytes as a whole.
    pub fn from_blob<'b, A: Element, const I: usize>(blob: &Blob<'b>) -> Result<&'b Self, LoadError>
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::H, Count = L::Count>,
    {
        let weights = blob::compare(
            blob,
            Self::describe::<A, I>,
            const { S::COUNT as u32 },
            size_of::<Self>(),
        )?;
        Self::try_ref_from_bytes(weights).map_err(|_| LoadError::Alignment {
            offset: weights.as_ptr() as usize as u32 & 63,
        })
    }

    fn describe<A: Element, const I: usize>(to: &mut Check<'_>)
    where
        S: InputStage<Out = [A; I]>,
        L: Trunk<Act = A, In = [A; I]>,
        T: Towers<Act = A, In = L::H, Count = L::Count>,
    {
        const { assert!(T::COUNT <= blob::MAX_TASKS, "a model has at most 32 towers") };
        let src = L::describe(to);
        T::describe(to, src, L::STEP);
    }
}

impl<S, L, T, A: Element, const I: usize> Model<S, L, T>
where
    S: InputStage<Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I]>,
    T: Towers<Act = A, In = L::H, Count = L::Count>,
{
    /// Bytes of buffers that a prediction has on the stack (beside return addresses and registers;
    /// with experts run one at a time): input, gate weights, one expert, one mixture per
    /// stream, the widest layer's intermediates, raw outputs.
    pub const SCRATCH: usize = S::SCRATCH
        + size_of::<L::Streams>()
        + max(L::FIRST, L::LAST + T::SCRATCH)
        + size_of::<T::Out>();

    /// All outputs for one row of features.
    pub fn predict(&self, x: &S::From) -> T::Shown {
        self.predict_with::<Libm>(x)
    }

    /// [`predict`](Self::predict) for each row, into the caller's memory; as many as the shorter
    /// slice has. The same bits as single rows: a kernel's panel of rows fills a host's vector
    /// units at batch 1 already.
    pub fn predict_batch<X>(&self, rows: &[X], outputs: &mut [T::Shown])
    where
        S: InputStage<From = X>,
    {
        for (x, y) in rows.iter().zip(outputs) {
            *y = self.predict(x);
        }
    }

    /// [`predict`](Self::predict) with another mathematics back end, such as
    /// [`Micromath`](crate::Micromath).
    pub fn predict_with<M: Math>(&self, x: &S::From) -> T::Shown {
        self.input.with(x, |q| {
            let mut raw = T::Out::new_zeroed();
            self.run::<M, All>(q, u32::MAX, All, &mut L::Gates::new_zeroed(), &mut raw);
            self.towers.show(&raw)
        })
    }

    /// All outputs, all gate weights, and how many experts ran.
    pub fn predict_traced(&self, x: &S::From) -> Traced<T::Shown, L::Gates> {
        self.input.with(x, |q| self.traced(q, All))
    }

    /// [`predict_traced`](Self::predict_traced) without what a gate weighs less than `skip` says.
    pub fn predict_skipping(&self, x: &S::From, skip: SkipBelow) -> Traced<T::Shown, L::Gates> {
        self.input.with(x, |q| self.traced(q, skip))
    }

    fn traced<C: Choice>(&self, q: &[A; I], choice: C) -> Traced<T::Shown, L::Gates> {
        let (mut raw, mut gates) = (T::Out::new_zeroed(), L::Gates::new_zeroed());
        let experts_run = self.run::<Libm, C>(q, u32::MAX, choice, &mut gates, &mut raw);
        Traced {
            tasks: self.towers.show(&raw),
            gates,
            experts_run,
        }
    }

    /// Only the tasks whose bit is set in `want`, into `raw`; the other outputs are left as they
    /// are. Gates of other tasks are not computed, and experts that only they would weigh are
    /// not run.
    pub fn predict_tasks(&self, x: &S::From, want: u32, raw: &mut T::Out) {
        self.input.with(x, |q| {
            self.run::<Libm, All>(q, want, All, &mut L::Gates::new_zeroed(), raw);
        });
    }

    /// Activations in, raw outputs out. In an integer model no float instruction runs: features are
    /// quantized by the caller (with [`Raw::quantize`] or the scales in `self.input`), outputs
    /// are [`Q16`](crate::Q16) and [`Q31`](crate::Q31).
    pub fn predict_q(&self, x: &[A; I]) -> T::Out {
        let mut raw = T::Out::new_zeroed();
        self.run::<Libm, All>(x, u32::MAX, All, &mut L::Gates::new_zeroed(), &mut raw);
        raw
    }

    /// Raw outputs as f32.
    pub fn show(&self, raw: &T::Out) -> T::Shown {
        self.towers.show(raw)
    }

    pub(crate) fn run<M: Math, C: Choice>(
        &self,
        x: &[A; I],
        want: u32,
        choice: C,
        gates: &mut L::Gates,
        raw: &mut T::Out,
    ) -> u32 {
        let mut s = L::Streams::new_zeroed();
        let run = self.trunk.streams::<M, C>(x, want, choice, gates, &mut s);
        run.wrapping_add(self.finish::<M, C>(x, &s, want, choice, gates, raw))
    }

    /// The last level and the towers, in a frame that shares its bytes with that of the levels
    /// before.
    #[inline(never)]
    fn finish<M: Math, C: Choice>(
        &self,
        x: &[A; I],
        s: &L::Streams,
        want: u32,
        choice: C,
        gates: &mut L::Gates,
        raw: &mut T::Out,
    ) -> u32 {
        let (mut h, mut m) = (L::H::new_zeroed(), L::Mixes::new_zeroed());
        let run = self
            .trunk
            .last::<M, C>(x, s, want, choice, gates, &mut h, &mut m);
        for k in 0..T::COUNT {
            if asks(want, k) {
                // The expert's buffer is free now.
                m.one(k, &mut h);
                self.towers.run::<M>(k, &h, raw);
            }
        }
        run
    }
}
