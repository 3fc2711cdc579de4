//! Several layers side by side: arrays of equal ones, lists of unlike ones.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use crate::blob::{Check, NodeInfo, NodeOp, NodeRecord, OutputKind};
use crate::bytes::{Buffer, InPlace};
use crate::layer::{Layer, max};
use crate::math::Math;
use crate::number::Element;
use crate::tower::{self, Tower, Towers};
use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout};

/// Experts or gates side by side, with equal input and output: `[L; N]` or a list such as
/// [`List2`].
pub trait Parallel: InPlace {
    /// Activations.
    type Act: Element;
    /// What each reads.
    type In: Buffer;
    /// What each makes.
    type Out: Buffer;
    /// `[(); N]`: a number that bounds can compare.
    type Count;
    /// How many.
    const COUNT: usize;
    /// Bytes of the largest one's buffers.
    const SCRATCH: usize;
    /// What item `i` says about its step of the wiring.
    #[must_use]
    fn node(i: usize) -> NodeInfo;
    /// Says the step and the layers of item `i`.
    fn describe(to: &mut Check<'_>, i: usize, place: &Place);
    /// Runs item `i`.
    fn run<M: Math>(&self, i: usize, x: &Self::In, y: &mut Self::Out);
    /// Runs items `i` to `i + 3` on one input, side by side. `false`: that is no faster here, and
    /// nothing was done.
    fn run4<M: Math>(&self, _i: usize, _x: &Self::In, _y: &mut [Self::Out; 4]) -> bool {
        false
    }
}

/// Where an expert or a gate stands in the wiring.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// An expert that reads this value.
    Expert(u8),
    /// A gate.
    Gate {
        /// The value it reads.
        src: u8,
        /// The first expert of the level.
        first: u8,
        /// The width of the mixture.
        outputs: u16,
        /// Its first `own` experts are those from `own_at` on, the others those from `shared_at`
        /// on, counted from `first`.
        own: u8,
        /// See `own`.
        own_at: u8,
        /// See `own`.
        shared_at: u8,
    },
}

/// Says layer `L` as an expert or a gate.
pub(crate) fn describe<L: Layer>(to: &mut Check<'_>, place: &Place) {
    match *place {
        Place::Expert(src) => {
            to.node(&const { NodeRecord::new(&L::NODE, NodeOp::Expert, L::LAYERS, <L::Out as Buffer>::LEN) }, src, 0, 0);
        }
        Place::Gate {
            src,
            first,
            outputs,
            own,
            own_at,
            shared_at,
        } => {
            let seen = L::NODE.sees & const { mask(<L::Out as Buffer>::LEN) };
            let low = mask(own as usize);
            let sees = (seen & low).wrapping_shl(u32::from(own_at))
                | (seen & !low)
                    .wrapping_shr(u32::from(own))
                    .wrapping_shl(u32::from(shared_at));
            let record = const { NodeRecord::new(&L::NODE, L::NODE.op, L::LAYERS, 0) };
            to.node(
                &NodeRecord {
                    outputs: outputs.into(),
                    ..record
                },
                src,
                first,
                sees,
            );
        }
    }
    L::describe(to);
}

/// The lowest `n` bits.
pub(crate) const fn mask(n: usize) -> u32 {
    if n >= 32 { u32::MAX } else { (1 << n) - 1 }
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
    fn describe(to: &mut Check<'_>, _: usize, place: &Place) {
        describe::<L>(to, place);
    }
    fn run<M: Math>(&self, i: usize, x: &L::In, y: &mut L::Out) {
        if let Some(l) = self.get(i) {
            l.forward::<M>(x, y);
        }
    }
    fn run4<M: Math>(&self, i: usize, x: &L::In, y: &mut [L::Out; 4]) -> bool {
        let group = self.get(i..).and_then(<[L]>::first_chunk::<4>);
        group.is_some_and(|group| L::forward4::<M>(group.each_ref(), x, y))
    }
}

impl<T: Tower, const N: usize> Towers for [T; N]
where
    [T::Out; N]: FromZeros,
{
    type Act = T::Act;
    type In = T::In;
    type Out = [T::Out; N];
    type Shown = [T::Shown; N];
    type Count = [(); N];
    const COUNT: usize = N;
    const SCRATCH: usize = T::SCRATCH;
    const PROBABILITIES: u32 = if matches!(T::OUTPUT, OutputKind::Sigmoid) {
        mask(N)
    } else {
        0
    };
    fn describe(to: &mut Check<'_>, src: u8, step: u8) {
        let mut src = src;
        for _ in 0..N {
            tower::describe::<T>(to, src);
            src = src.wrapping_add(step);
        }
    }
    fn run<M: Math>(&self, k: usize, x: &T::In, out: &mut Self::Out) {
        if let (Some(t), Some(y)) = (self.get(k), out.get_mut(k)) {
            t.forward::<M>(x, y);
        }
    }
    fn show(&self, out: &Self::Out) -> Self::Shown {
        let mut shown = <[T::Shown; N]>::new_zeroed();
        for ((shown, t), y) in shown.iter_mut().zip(self).zip(out) {
            *shown = t.show(y);
        }
        shown
    }
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
        out.iter().for_each(|y| T::words(y, to));
    }
    fn probability(out: &Self::Out, k: usize) -> Option<<T::Act as Element>::Prob> {
        out.get(k).and_then(T::probability)
    }
}

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
            fn describe(to: &mut Check<'_>, i: usize, place: &Place) {
                match i { $($i => describe::<$T>(to, place),)+ _ => {} }
            }
            fn run<M: Math>(&self, i: usize, x: &X, y: &mut Y) {
                match i { $($i => self.$i.forward::<M>(x, y),)+ _ => {} }
            }
        }

        impl<$($T: Tower<Act = A, In = X>),+, A: Element, X: Buffer> Towers for $List<$($T),+> {
            type Act = A;
            type In = X;
            type Out = $List<$($T::Out),+>;
            type Shown = ($($T::Shown,)+);
            type Count = [(); $n];
            const COUNT: usize = $n;
            const SCRATCH: usize = { let m = 0; $(let m = max(m, $T::SCRATCH);)+ m };
            const PROBABILITIES: u32 = $(((matches!($T::OUTPUT, OutputKind::Sigmoid) as u32) << $i))|+;
            fn describe(to: &mut Check<'_>, src: u8, step: u8) {
                $(tower::describe::<$T>(to, src.wrapping_add(step.wrapping_mul($i)));)+
            }
            fn run<M: Math>(&self, k: usize, x: &X, out: &mut Self::Out) {
                match k { $($i => self.$i.forward::<M>(x, &mut out.$i),)+ _ => {} }
            }
            fn show(&self, out: &Self::Out) -> Self::Shown {
                ($(self.$i.show(&out.$i),)+)
            }
            fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
                $($T::words(&out.$i, to);)+
            }
            fn probability(out: &Self::Out, k: usize) -> Option<A::Prob> {
                match k { $($i => $T::probability(&out.$i),)+ _ => None }
            }
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

/// Towers with names: writes a struct of towers and a struct of their outputs.
///
/// ```
/// use mmoe::{Binary, Head, Scalar, tasks, F32, Mmoe, Dense, Gate};
/// tasks! {
///     /// The towers of a feed.
///     pub struct FeedTowers => Feed { click, rating }
/// }
/// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], FeedTowers<Binary<Head<4, 1, F32>>, Scalar<Head<4, 1, F32>>>>;
/// fn score(m: &Model, x: &[f32; 8]) -> f32 {
///     let y = m.predict(x);
///     y.click * y.rating
/// }
/// ```
#[macro_export]
macro_rules! tasks {
    ($(#[$doc:meta])* $vis:vis struct $Towers:ident => $Out:ident { $($name:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[allow(non_camel_case_types)]
        #[derive(Debug, $crate::zerocopy::TryFromBytes, $crate::zerocopy::KnownLayout, $crate::zerocopy::Immutable)]
        #[zerocopy(crate = "mmoe::zerocopy")]
        #[repr(C)]
        $vis struct $Towers<$($name),+> {
            $(
                #[doc = concat!("The tower of `", stringify!($name), "`.")]
                $vis $name: $name
            ),+
        }

        #[doc = concat!("The outputs of [`", stringify!($Towers), "`].")]
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy, Debug, PartialEq, $crate::zerocopy::FromBytes, $crate::zerocopy::KnownLayout, $crate::zerocopy::Immutable)]
        #[zerocopy(crate = "mmoe::zerocopy")]
        #[repr(C)]
        $vis struct $Out<$($name),+> {
            $(
                #[doc = concat!("The output `", stringify!($name), "`.")]
                $vis $name: $name
            ),+
        }

        #[allow(non_camel_case_types)]
        impl<Act: $crate::Element, In: $crate::Buffer, $($name: $crate::Tower<Act = Act, In = In>),+> $crate::Towers for $Towers<$($name),+>
        where
            $Out<$($name::Out),+>: $crate::zerocopy::FromZeros,
        {
            type Act = Act;
            type In = In;
            type Out = $Out<$($name::Out),+>;
            type Shown = $Out<$($name::Shown),+>;
            type Count = [(); [$(stringify!($name)),+].len()];
            const COUNT: usize = [$(stringify!($name)),+].len();
            const SCRATCH: usize = {
                let m = 0;
                $(let m = if $name::SCRATCH > m { $name::SCRATCH } else { m };)+
                m
            };
            const PROBABILITIES: u32 = {
                let (bits, i) = (0, 0);
                $(let (bits, i) = (bits | (matches!($name::OUTPUT, $crate::blob::OutputKind::Sigmoid) as u32) << (i & 31), i + 1);)+
                let _ = i;
                bits
            };
            fn describe(to: &mut $crate::blob::Check<'_>, src: u8, step: u8) {
                let mut src = src;
                $(
                    $crate::describe_tower::<$name>(to, src);
                    src = src.wrapping_add(step);
                )+
                let _ = src;
            }
            fn run<M: $crate::Math>(&self, k: usize, x: &In, out: &mut Self::Out) {
                let mut i = 0;
                $(
                    if k == i {
                        self.$name.forward::<M>(x, &mut out.$name);
                    }
                    i += 1;
                )+
                let _ = i;
            }
            fn show(&self, out: &Self::Out) -> Self::Shown {
                $Out { $($name: self.$name.show(&out.$name)),+ }
            }
            fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
                $($name::words(&out.$name, to);)+
            }
            fn probability(out: &Self::Out, k: usize) -> Option<<Act as $crate::Element>::Prob> {
                let mut i = 0;
                $(
                    if k == i {
                        return $name::probability(&out.$name);
                    }
                    i += 1;
                )+
                let _ = i;
                None
            }
        }
    };
}
