//! The product of two probabilities as one more output.

use super::Towers;
use crate::blob::{Check, OutputKind};
use crate::level::TaskMask;
use crate::math::Math;
use crate::number::Element;
use crate::rows;
use zerocopy::{FromBytes, Immutable, KnownLayout, TryFromBytes};

/// Towers with one more output: the product of the probabilities of towers `A` and `B`, such as
/// ESMM's `ctcvr = ctr · cvr`.
///
/// The product is a task of its own, behind those of the towers `T`: its number is `T::TASKS`. For
/// several products, put one `Product` in another.
///
/// ```
/// use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, Product, ProductOutput, TaskMask};
///
/// type Clicks = Product<[Binary<Head<4, 1, F32>>; 2], 0, 1>;
/// type Model = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], Clicks>;
///
/// /// The probability that an offer is clicked and then bought.
/// fn ctcvr(model: &Model, x: &[f32; 8]) -> f32 {
///     let mut y = ProductOutput::default();
///     // Both factors are computed, and only the product is written.
///     model.predict_tasks(x, TaskMask::only(2), &mut y);
///     assert_eq!(y.towers, [0.0; 2]);
///     y.product
/// }
/// ```
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Product<T, const A: usize, const B: usize>(
    /// The towers.
    pub T,
);

/// The outputs of the towers of a [`Product`], and the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ProductOutput<T, P> {
    /// The towers' outputs.
    pub towers: T,
    /// The product of two of them.
    pub product: P,
}

impl<T: Towers, const A: usize, const B: usize> Towers for Product<T, A, B> {
    type Act = T::Act;
    type In = T::In;
    type Out = ProductOutput<T::Out, <T::Act as Element>::Prob>;
    type Shown = ProductOutput<T::Shown, f32>;
    type Count = T::Count;
    const COUNT: usize = T::COUNT;
    const TASKS: usize = T::TASKS + 1;
    const SCRATCH: usize = T::SCRATCH;
    const PROBABILITIES: u64 = T::PROBABILITIES;
    fn describe(to: &mut Check<'_>, src: u8, stride: u8) {
        const {
            assert!(
                A < T::COUNT
                    && B < T::COUNT
                    && T::PROBABILITIES >> (A & 63) & T::PROBABILITIES >> (B & 63) & 1 == 1,
                "Product: a factor is no tower of one probability (Binary)"
            )
        };
        T::describe(to, src, stride);
        to.task(OutputKind::Product, A as u8, B as u8, 1);
    }
    fn needs(tasks: TaskMask) -> TaskMask {
        if tasks.contains(T::TASKS) {
            T::needs(tasks | TaskMask::only(A) | TaskMask::only(B))
        } else {
            T::needs(tasks)
        }
    }
    fn run<M: Math>(&self, k: usize, x: &T::In, out: &mut Self::Out) {
        self.0.run::<M>(k, x, &mut out.towers);
    }
    fn run_rows<M: Math, const R: usize>(
        &self,
        k: usize,
        x: &[&T::In],
        out: &mut [&mut Self::Out],
    ) {
        let mut out = rows::collect::<_, R>(out.iter_mut().map(|out| &mut out.towers));
        self.0.run_rows::<M, R>(k, x, &mut out);
    }
    fn combine(out: &mut Self::Out) {
        T::combine(&mut out.towers);
        let factor = |k| T::probability(&out.towers, k);
        if let (Some(a), Some(b)) = (factor(A), factor(B)) {
            out.product = T::Act::product(a, b);
        }
    }
    fn show(&self, out: &Self::Out) -> Self::Shown {
        ProductOutput {
            towers: self.0.show(&out.towers),
            product: out.product.into(),
        }
    }
    fn show_tasks(&self, tasks: TaskMask, out: &Self::Out, to: &mut Self::Shown) {
        self.0.show_tasks(tasks, &out.towers, &mut to.towers);
        if tasks.contains(T::TASKS) {
            to.product = out.product.into();
        }
    }
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32)) {
        T::words(&out.towers, to);
        to(T::Act::prob_word(out.product));
    }
    fn probability(out: &Self::Out, k: usize) -> Option<<T::Act as Element>::Prob> {
        T::probability(&out.towers, k)
    }
}
