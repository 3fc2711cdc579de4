use mmoe::blob::{Check, LayerKind, LayerRecord, PrecisionKind};
use mmoe::layer::Layer;
use mmoe::math::Math;
use mmoe::zerocopy::{FromBytes, Immutable, KnownLayout};

/// `x + bend·x²` for each of `N` values.
#[derive(FromBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "mmoe::zerocopy")]
#[repr(C, align(4))]
pub struct Bent<const N: usize> {
    pub bend: [f32; N],
}

impl<const N: usize> Layer for Bent<N> {
    type Act = f32;
    type In = [f32; N];
    type Out = [f32; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&LayerRecord::user(
            LayerKind::USER,
            PrecisionKind::F32,
            N,
            N,
        ));
    }
    fn forward<M: Math>(&self, x: &[f32; N], y: &mut [f32; N]) {
        for ((y, x), bend) in y.iter_mut().zip(x).zip(&self.bend) {
            *y = x + bend * x * x;
        }
    }
}
