//! Towers side by side: arrays of equal towers, and the macros for unlike ones.

#![allow(
    missing_debug_implementations,
    reason = "zerocopy's derives write helper types without it when a macro calls them"
)]

use super::{Tower, Towers, describe};
use crate::blob::{Check, OutputKind};
use crate::level::TaskMask;
use crate::math::Math;
use crate::number::Element;
use crate::parallel::mask;
use crate::rows;
use zerocopy::{FromBytes, FromZeros};

impl<T: Tower, const N: usize> Towers for [T; N]
where
    [T::Out; N]: FromBytes,
{
    type Act = T::Act;
    type In = T::In;
    type Out = [T::Out; N];
    type Shown = [T::Shown; N];
    type Count = [(); N];
    const COUNT: usize = N;
    const SCRATCH: usize = T::SCRATCH;
    const PROBABILITIES: u64 = if matches!(T::OUTPUT, OutputKind::Sigmoid) {
        mask(N) as u64
    } else {
        0
    };
    fn describe(to: &mut Check<'_>, src: u8, stride: u8) {
        let mut src = src;
        for _ in 0..N {
            describe::<T>(to, src);
            src = src.wrapping_add(stride);
        }
    }
    fn run<M: Math>(&self, k: usize, x: &T::In, out: &mut Self::Out) {
        if let (Some(t), Some(y)) = (self.get(k), out.get_mut(k)) {
            t.forward::<M>(x, y);
        }
    }
    fn run_rows<M: Math, const R: usize>(
        &self,
        k: usize,
        x: &[&T::In],
        out: &mut [&mut Self::Out],
    ) {
        if let Some(t) = self.get(k) {
            let mut y = rows::collect::<_, R>(out.iter_mut().filter_map(|out| out.get_mut(k)));
            t.forward_rows::<M, R>(x, &mut y);
        }
    }
    fn show(&self, out: &Self::Out) -> Self::Shown {
        let mut shown = <[T::Shown; N]>::new_zeroed();
        self.show_tasks(TaskMask::ALL, out, &mut shown);
        shown
    }
    fn show_tasks(&self, tasks: TaskMask, out: &Self::Out, to: &mut Self::Shown) {
        for (k, ((shown, t), y)) in to.iter_mut().zip(self).zip(out).enumerate() {
            if tasks.contains(k) {
                *shown = t.show(y);
            }
        }
    }
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
        out.iter().for_each(|y| T::words(y, to));
    }
    fn probability(out: &Self::Out, k: usize) -> Option<<T::Act as Element>::Prob> {
        out.get(k).and_then(T::probability)
    }
}

/// Implements `Towers` for a struct `$Towers` of unlike towers whose raw outputs are a struct
/// `$Out` with the same fields: what the lists and `tasks!` have in common. `$Shown` are the
/// outputs as f32, and `$show` makes them.
// A macro cannot number its repetitions, so the code counts the fields as it runs through them. The
// compiler turns that into the constants or the jump table that a person would have written.
#[doc(hidden)]
#[macro_export]
macro_rules! __towers {
    (
        $Towers:ident => $Out:ident, $Shown:ty,
        |$towers:ident, $raw:ident| $show:expr;
        $($T:ident $field:tt),+
    ) => {
        #[allow(non_camel_case_types)]
        impl<
            Act: $crate::number::Element,
            In: $crate::bytes::Buffer,
            $($T: $crate::tower::Tower<Act = Act, In = In>),+
        > $crate::tower::Towers for $Towers<$($T),+>
        where
            $Out<$($T::Out),+>: $crate::zerocopy::FromBytes,
        {
            type Act = Act;
            type In = In;
            type Out = $Out<$($T::Out),+>;
            type Shown = $Shown;
            type Count = [(); [$(stringify!($T)),+].len()];
            const COUNT: usize = [$(stringify!($T)),+].len();
            const SCRATCH: usize = {
                let m = 0;
                $(let m = if $T::SCRATCH > m { $T::SCRATCH } else { m };)+
                m
            };
            const PROBABILITIES: u64 = {
                let (bits, k) = (0, 0);
                $(
                    let probability = matches!($T::OUTPUT, $crate::blob::OutputKind::Sigmoid);
                    let (bits, k) = (bits | (probability as u64) << (k & 63), k + 1);
                )+
                let _ = k;
                bits
            };
            fn describe(to: &mut $crate::blob::Check<'_>, src: u8, stride: u8) {
                let mut src = src;
                $(
                    $crate::tower::describe::<$T>(to, src);
                    src = src.wrapping_add(stride);
                )+
                let _ = src;
            }
            fn run<M: $crate::math::Math>(&self, k: usize, x: &In, out: &mut Self::Out) {
                let mut at = 0;
                $(
                    if k == at {
                        self.$field.forward::<M>(x, &mut out.$field);
                    }
                    at += 1;
                )+
                let _ = at;
            }
            fn run_rows<M: $crate::math::Math, const R: usize>(
                &self,
                k: usize,
                x: &[&In],
                out: &mut [&mut Self::Out],
            ) {
                let mut at = 0;
                $(
                    if k == at {
                        let y = out.iter_mut().map(|out| &mut out.$field);
                        let mut y = $crate::rows::collect::<_, R>(y);
                        self.$field.forward_rows::<M, R>(x, &mut y);
                    }
                    at += 1;
                )+
                let _ = at;
            }
            fn show(&self, out: &Self::Out) -> Self::Shown {
                let ($towers, $raw) = (self, out);
                $show
            }
            fn show_tasks(
                &self,
                tasks: $crate::TaskMask,
                out: &Self::Out,
                to: &mut Self::Shown,
            ) {
                let mut k = 0;
                $(
                    if tasks.contains(k) {
                        to.$field = self.$field.show(&out.$field);
                    }
                    k += 1;
                )+
                let _ = k;
            }
            fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
                $($T::words(&out.$field, to);)+
            }
            fn probability(
                out: &Self::Out,
                k: usize,
            ) -> Option<<Act as $crate::number::Element>::Prob> {
                let mut at = 0;
                $(
                    if k == at {
                        return $T::probability(&out.$field);
                    }
                    at += 1;
                )+
                let _ = at;
                None
            }
        }
    };
}

/// Towers with names: writes a struct of towers and a struct of their outputs.
///
/// The struct of outputs is generic in the fields' types, since raw outputs and outputs as f32
/// have the same names. It is `Default` where its fields are.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, Regression, TaskMask, tasks};
/// tasks! {
///     /// The towers of a feed.
///     pub struct FeedTowers => Feed { click, rating }
/// }
/// type Towers = FeedTowers<Binary<Head<4, 1, F32>>, Regression<Head<4, 1, F32>>>;
/// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], Towers>;
///
/// fn score(model: &Model, x: &[f32; 8]) -> f32 {
///     let y = model.predict(x);
///     y.click * y.rating
/// }
/// fn rating_alone(model: &Model, x: &[f32; 8]) -> f32 {
///     let mut y = Feed::default();
///     model.predict_tasks(x, TaskMask::only(1), &mut y);
///     y.rating
/// }
/// ```
#[macro_export]
macro_rules! tasks {
    ($(#[$doc:meta])* $vis:vis struct $Towers:ident => $Out:ident { $($name:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[allow(non_camel_case_types)]
        #[derive(
            Debug,
            $crate::zerocopy::TryFromBytes,
            $crate::zerocopy::KnownLayout,
            $crate::zerocopy::Immutable
        )]
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
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            $crate::zerocopy::FromBytes,
            $crate::zerocopy::KnownLayout,
            $crate::zerocopy::Immutable
        )]
        #[zerocopy(crate = "mmoe::zerocopy")]
        #[repr(C)]
        $vis struct $Out<$($name),+> {
            $(
                #[doc = concat!("The output `", stringify!($name), "`.")]
                $vis $name: $name
            ),+
        }

        $crate::__towers! {
            $Towers => $Out, $Out<$($name::Shown),+>,
            |towers, raw| $Out { $($name: towers.$name.show(&raw.$name)),+ };
            $($name $name),+
        }
    };
}
