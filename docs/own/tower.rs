use mmoe::blob::{Check, OutputKind};
use mmoe::layer::{Layer, Logits};
use mmoe::math::Math;
use mmoe::precision::F32;
use mmoe::tower::Tower;
use mmoe::zerocopy::{FromBytes, Immutable, KnownLayout};

/// Two numbers on `IN` values, of which the second is the logarithm of a scale.
#[derive(FromBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "mmoe::zerocopy")]
#[repr(C)]
pub struct Forecast<const IN: usize> {
    pub layers: Logits<IN, 2, F32>,
}

impl<const IN: usize> Layer for Forecast<IN> {
    type Act = f32;
    type In = [f32; IN];
    type Out = [f32; 2];
    fn describe(to: &mut Check<'_>) {
        Logits::<IN, 2, F32>::describe(to);
    }
    fn forward<M: Math>(&self, x: &[f32; IN], y: &mut [f32; 2]) {
        self.layers.forward::<M>(x, y);
        let [_, scale] = y;
        *scale = M::exp(*scale);
    }
}

impl<const IN: usize> Tower for Forecast<IN> {
    const OUTPUT: OutputKind = OutputKind::Linear;
    type Shown = [f32; 2];
    fn show(&self, raw: &[f32; 2]) -> [f32; 2] {
        *raw
    }
    fn words(raw: &[f32; 2], to: &mut dyn FnMut(u32)) {
        raw.iter().for_each(|y| to(y.to_bits()));
    }
}
