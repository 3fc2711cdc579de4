//! Experts, gates or towers side by side: arrays where all have one shape, lists where they differ.
//!
//! Both are what PyTorch calls a `ModuleList`. The array is `[Expert; 4]`; a list is
//! `List3<Wide, Narrow, Narrow>`. Members of a list may differ in precision, in depth and in kind, as
//! long as all read the same input and return the same kind of output:
//!
//! ```
//! use mmoe::gate::{HardGate, SoftmaxGate};
//! use mmoe::{F32, Logits, W8, parallel::{List2, Parallel}};
//! type Gates = List2<SoftmaxGate<Logits<8, 4, F32>>, HardGate<Logits<8, 4, W8>>>;
//! assert_eq!(Gates::COUNT, 2);
//! ```

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Check, GatePlace, NodeInfo, NodeOp, NodeRecord, SeesForm, seen_record};
use crate::bytes::{Buffer, InPlace};
use crate::layer::{Layer, Prefixed, Rest, max};
use crate::math::Math;
use crate::number::Element;
use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout};

/// Experts or gates side by side, which read the same kind of input and return the same kind of
/// output: `[L; N]` or a list such as [`List2`].
///
/// This trait appears in bounds; the engine implements it, and nobody else has to.
pub trait Parallel: InPlace {
    /// The activations of the model: `f32` or `i16`.
    type Act: Element;
    /// What each of them reads.
    type In: Buffer;
    /// What each of them returns.
    type Out: Buffer;
    /// `[(); N]`: a number that bounds can compare.
    type Count;
    /// How many there are.
    const COUNT: usize;
    /// Bytes of the buffers of the one that needs most.
    const SCRATCH: usize;
    /// The type-level description of item `i`'s node.
    #[must_use]
    fn node(i: usize) -> NodeInfo;
    /// Appends the node record and the layer records of item `i` to the description that `load`
    /// compares with the blob.
    fn describe(to: &mut Check<'_>, i: usize, role: &Role);
    /// Runs item `i`.
    fn run<M: Math>(&self, i: usize, x: &Self::In, y: &mut Self::Out);
    /// Runs item `i` on several rows, at most `R`.
    fn run_rows<M: Math, const R: usize>(
        &self,
        i: usize,
        x: &[&Self::In],
        y: &mut [&mut Self::Out],
    );
}

/// The place of an expert or a gate in the wiring, as its node record needs it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Role {
    /// An expert that reads this value.
    Expert(u8),
    /// A gate.
    Gate {
        /// Its place.
        place: GatePlace,
        /// The width of the mixture.
        outputs: u16,
        /// The experts that it sees, in the form that its place names.
        sees: u32,
    },
}

/// Appends the node record and the layer records of layer `L`, which is an expert or a gate.
pub(crate) fn describe<L: Layer>(to: &mut Check<'_>, role: &Role) {
    match *role {
        Role::Expert(src) => {
            to.node(&const { NodeRecord::new(&L::NODE, NodeOp::Expert, L::LAYERS, <L::Out as Buffer>::LEN) }, src);
        }
        Role::Gate {
            place,
            outputs,
            sees,
        } => {
            let record = &const { NodeRecord::new(&L::NODE, L::NODE.op, L::LAYERS, 0) };
            to.gate(record, outputs, place, sees);
        }
    }
    L::describe(to);
}

/// Returns a mask of the lowest `n` bits.
pub(crate) const fn mask(n: usize) -> u128 {
    if n >= 128 { u128::MAX } else { (1 << n) - 1 }
}

/// The form and the `sees` of a gate over all `N` experts of its level, whose type sees those in
/// `sees`.
// For up to 32 experts no arithmetic of more than a word is compiled: devices have such models.
#[inline(always)]
pub(crate) const fn sees<const N: usize>(sees: u128) -> (u8, u32) {
    if N <= 32 {
        return (SeesForm::Mask.code(), sees as u32 & mask(N) as u32);
    }
    match seen_record(sees & mask(N)) {
        Some((form, sees)) => (form.code(), sees),
        // The type of such a gate does not compile: see `MaskedGate`.
        None => (u8::MAX, 0),
    }
}

impl<L: Layer, const N: usize> Parallel for [L; N] {
    type Act = L::Act;
    type In = L::In;
    type Out = L::Out;
    type Count = [(); N];
    const COUNT: usize = N;
    const SCRATCH: usize = L::SCRATCH;
    fn node(_: usize) -> NodeInfo {
        L::NODE
    }
    fn describe(to: &mut Check<'_>, _: usize, role: &Role) {
        describe::<L>(to, role);
    }
    fn run<M: Math>(&self, i: usize, x: &L::In, y: &mut L::Out) {
        if let Some(l) = self.get(i) {
            l.forward::<M>(x, y);
        }
    }
    fn run_rows<M: Math, const R: usize>(&self, i: usize, x: &[&L::In], y: &mut [&mut L::Out]) {
        if let Some(l) = self.get(i) {
            l.forward_rows::<M, R>(x, y);
        }
    }
}

/// Experts or gates side by side, all of which can take their input in two parts ([`Prefixed`]).
pub trait PrefixedParallel: Parallel {
    /// The sums of each expert or gate over the first part of the input.
    type Partials: FromZeros;
    /// Computes the sums of all of them over the first part of the input.
    fn begin(&self, x: &[Self::Act], partials: &mut Self::Partials);
    /// Runs item `i` on the rest of the input.
    fn resume<M: Math>(
        &self,
        i: usize,
        partials: &Self::Partials,
        rest: Rest<'_, Self::Act>,
        y: &mut Self::Out,
    );
    /// Whether leaving out elements that are zero gives each of them the same bits.
    fn exact_without_zeros(&self) -> bool;
}

impl<L: Prefixed, const N: usize> PrefixedParallel for [L; N]
where
    [L::Partial; N]: FromBytes,
{
    type Partials = [L::Partial; N];
    fn begin(&self, x: &[L::Act], partials: &mut Self::Partials) {
        for (l, p) in self.iter().zip(partials) {
            l.begin(x, p);
        }
    }
    fn resume<M: Math>(
        &self,
        i: usize,
        partials: &Self::Partials,
        rest: Rest<'_, L::Act>,
        y: &mut L::Out,
    ) {
        if let (Some(l), Some(p)) = (self.get(i), partials.get(i)) {
            l.resume::<M>(p, rest, y);
        }
    }
    fn exact_without_zeros(&self) -> bool {
        self.iter().all(Prefixed::exact_without_zeros)
    }
}

// Lists are written by a macro, one struct for each length, and not as a recursive pair. Bounds
// compare the number of gates with the number of towers, so the count must be part of a type:
// `Count = [(); N]`. A recursive pair would have to add one to the count of its rest, and stable Rust
// cannot compute with constants in types.
macro_rules! list {
    ($(#[$doc:meta])* $List:ident $n:literal $($T:ident $i:tt)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, FromBytes, KnownLayout, Immutable)]
        #[repr(C)]
        pub struct $List<$($T),+>($(
            /// In order.
            pub $T
        ),+);

        impl<$($T: Layer<Act = A, In = X, Out = Y>),+, A: Element, X: Buffer, Y: Buffer> Parallel for $List<$($T),+> {
            type Act = A;
            type In = X;
            type Out = Y;
            type Count = [(); $n];
            const COUNT: usize = $n;
            const SCRATCH: usize = { let m = 0; $(let m = max(m, $T::SCRATCH);)+ m };
            fn node(i: usize) -> NodeInfo {
                match i { $($i => $T::NODE,)+ _ => NodeInfo::plain(0) }
            }
            fn describe(to: &mut Check<'_>, i: usize, role: &Role) {
                match i { $($i => describe::<$T>(to, role),)+ _ => {} }
            }
            fn run<M: Math>(&self, i: usize, x: &X, y: &mut Y) {
                match i { $($i => self.$i.forward::<M>(x, y),)+ _ => {} }
            }
            fn run_rows<M: Math, const R: usize>(&self, i: usize, x: &[&X], y: &mut [&mut Y]) {
                match i { $($i => self.$i.forward_rows::<M, R>(x, y),)+ _ => {} }
            }
        }

        impl<
            $($T: Prefixed<Act = A, In = X, Out = Y>),+,
            A: Element,
            X: Buffer,
            Y: Buffer,
        > PrefixedParallel for $List<$($T),+>
        where
            $List<$($T::Partial),+>: FromBytes,
        {
            type Partials = $List<$($T::Partial),+>;
            fn begin(&self, x: &[A], partials: &mut Self::Partials) {
                $(self.$i.begin(x, &mut partials.$i);)+
            }
            fn resume<M: Math>(
                &self,
                i: usize,
                partials: &Self::Partials,
                rest: Rest<'_, A>,
                y: &mut Y,
            ) {
                match i {
                    $($i => self.$i.resume::<M>(&partials.$i, rest, y),)+
                    _ => {}
                }
            }
            fn exact_without_zeros(&self) -> bool {
                true $(&& self.$i.exact_without_zeros())+
            }
        }

        $crate::__towers! {
            $List => $List, ($($T::Shown,)+),
            |towers, raw| ($(towers.$i.show(&raw.$i),)+);
            $($T $i),+
        }
    };
}

list!(
    /// Two unlike experts, gates or towers; also their outputs.
    List2 2 L0 0 L1 1
);
list!(
    /// Three unlike experts, gates or towers; also their outputs.
    List3 3 L0 0 L1 1 L2 2
);
list!(
    /// Four unlike experts, gates or towers; also their outputs.
    List4 4 L0 0 L1 1 L2 2 L3 3
);
list!(
    /// Five unlike experts, gates or towers; also their outputs.
    List5 5 L0 0 L1 1 L2 2 L3 3 L4 4
);
list!(
    /// Six unlike experts, gates or towers; also their outputs.
    List6 6 L0 0 L1 1 L2 2 L3 3 L4 4 L5 5
);
list!(
    /// Seven unlike experts, gates or towers; also their outputs.
    List7 7 L0 0 L1 1 L2 2 L3 3 L4 4 L5 5 L6 6
);
list!(
    /// Eight unlike experts, gates or towers; also their outputs.
    List8 8 L0 0 L1 1 L2 2 L3 3 L4 4 L5 5 L6 6 L7 7
);
