use mmoe::blob::{Check, NodeInfo, NodeOp};
use mmoe::layer::{Layer, Logits};
use mmoe::math::Math;
use mmoe::precision::F32;
use mmoe::zerocopy::{FromBytes, Immutable, KnownLayout};

/// The textbook gate's logits, clipped at 0 and divided by their sum, where the sum is not 0.
#[derive(FromBytes, KnownLayout, Immutable)]
#[zerocopy(crate = "mmoe::zerocopy")]
#[repr(C)]
pub struct Leader<const IN: usize, const N: usize> {
    pub logits: Logits<IN, N, F32>,
}

impl<const IN: usize, const N: usize> Layer for Leader<IN, N> {
    type Act = f32;
    type In = [f32; IN];
    type Out = [f32; N];
    // Which of the format's gates it takes the place of in a blob.
    const NODE: NodeInfo = NodeInfo {
        op: NodeOp::Sigmoid,
        ..NodeInfo::plain(IN)
    };
    fn describe(to: &mut Check<'_>) {
        Logits::<IN, N, F32>::describe(to);
    }
    fn forward<M: Math>(&self, x: &[f32; IN], weights: &mut [f32; N]) {
        self.logits.forward::<M>(x, weights);
        let mut sum = 0.0;
        for w in weights.iter_mut() {
            *w = w.max(0.0);
            sum += *w;
        }
        if sum > 0.0 {
            for w in weights {
                *w /= sum;
            }
        }
    }
}
