//! Float models: every number is an f32.

use super::{Affine32, Element};
use crate::blob::{ActivationKind, PrecisionKind};
use crate::features::FloatRows;
use crate::kernel::{self, Dice32, InputCounts, Norm32, NormKind, RowDice32};
use crate::math::Math;

impl Element for f32 {
    type Gate = f32;
    type MixtureSum = f32;
    type Logit = f32;
    type Prob = f32;
    type Unit = [f32; 0];
    type Slope = f32;
    type UnitSlope = f32;
    type Affine = Affine32;
    type Curve = [f32; 3];
    type Dice = Dice32;
    type RowDice = RowDice32;
    type Norm<const N: usize> = Norm32<N>;

    const NONE: f32 = 0.0;
    const PRECISION: PrecisionKind = PrecisionKind::F32;
    const CONVERTS: bool = false;
    type Scales<const N: usize> = [f32; 0];
    type IntScale = [f32; 0];
    type Cells<'a> = FloatRows<'a>;

    fn from_code(code: u32) -> f32 {
        // Up to here every whole number is an f32.
        if code <= 1 << 24 { code as f32 } else { -1.0 }
    }
    fn column(self) -> usize {
        // The cast saturates and drops fractions, and makes 0 of NaN: none of these comes back.
        let code = self as u32;
        if code as f32 == self {
            code as usize
        } else {
            usize::MAX
        }
    }
    fn hot(_: i16) -> f32 {
        1.0
    }

    fn with_features<const N: usize, R>(
        _: &[f32; 0],
        x: &[f32; N],
        f: impl FnOnce(&[f32; N], InputCounts) -> R,
    ) -> R {
        f(x, InputCounts::default())
    }
    fn zero_is_zero<const N: usize>(_: &[f32; 0]) -> bool {
        true
    }
    fn features<const N: usize>(_: &[f32; 0], _: usize, x: &[f32], y: &mut [f32]) -> InputCounts {
        for (y, x) in y.iter_mut().zip(x) {
            *y = *x;
        }
        InputCounts::default()
    }
    fn from_int(_: &[f32; 0], x: i32) -> (f32, bool) {
        (x as f32, false)
    }

    fn gate_softmax<M: Math>(z: &mut [f32], g: &mut [f32]) {
        kernel::softmax_f32::<M>(z, g);
    }
    fn gate_sigmoid<M: Math>(z: &mut [f32], g: &mut [f32]) {
        kernel::sigmoid_gate_f32::<M>(z, g);
    }
    fn gate_linear(z: &[f32], g: &mut [f32]) {
        for (g, z) in g.iter_mut().zip(z) {
            *g = *z;
        }
    }
    fn gate_hard(z: &[f32], g: &mut [f32]) {
        kernel::hard_f32(z, g);
    }
    fn gate_top_k<M: Math>(k: usize, renormalise: bool, z: &mut [f32], g: &mut [f32]) {
        kernel::top_k_f32::<M>(z, k, renormalise, g);
    }
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [f32], g: &mut [f32]) {
        if let Some((z, mix)) = z
            .len()
            .checked_sub(k)
            .and_then(|n| z.split_at_mut_checked(n))
        {
            kernel::d_select_k_f32::<M>(z, mix, g);
        }
    }
    fn gate_is_below(g: f32, least: f32) -> bool {
        // A linear gate's weights may be negative.
        g < least && -g < least
    }
    fn mix(m: &mut [f32], g: f32, h: &[f32]) {
        kernel::mix_f32(m, g, h);
    }
    fn round_mixture(m: &[f32], h: &mut [f32]) {
        for (h, m) in h.iter_mut().zip(m) {
            *h = *m;
        }
    }
    fn softmax<M: Math>(z: &[f32], p: &mut [f32]) {
        kernel::softmax_f32::<M>(z, p);
    }
    fn sigmoid<M: Math>(z: f32) -> f32 {
        let mut y = [z];
        kernel::sigmoid_f32::<M>(&mut y);
        let [p] = y;
        p
    }
    fn product(a: f32, b: f32) -> f32 {
        a * b
    }
    fn in_unit(z: f32, _: &[f32; 0]) -> f32 {
        z
    }
    fn activation_in_unit(v: f32, _: &[f32; 0]) -> f32 {
        v
    }
    fn logit_word(z: f32) -> u32 {
        z.to_bits()
    }
    fn prob_word(p: f32) -> u32 {
        p.to_bits()
    }
    fn word(v: f32) -> u32 {
        v.to_bits()
    }
    fn read(bytes: &[u8]) -> Option<(f32, &[u8])> {
        bytes
            .split_first_chunk()
            .map(|(b, rest)| (f32::from_le_bytes(*b), rest))
    }
    fn relu(y: &mut [f32]) {
        kernel::relu_f32(y);
    }
    fn leaky_relu(y: &mut [f32], slope: &f32) {
        kernel::leaky_relu_f32(y, *slope);
    }
    fn prelu(y: &mut [f32], slope: &[f32]) {
        kernel::prelu_f32(y, slope);
    }
    fn sigmoid_all<M: Math>(y: &mut [f32]) {
        kernel::sigmoid_f32::<M>(y);
    }
    fn tanh_all<M: Math>(y: &mut [f32]) {
        kernel::tanh_f32::<M>(y);
    }
    fn affine(y: &mut [f32], p: &[Affine32]) {
        kernel::affine_f32(y, p);
    }
    // Inlined, so that a typed model keeps the one function that it names.
    #[inline(always)]
    fn curve<M: Math>(kind: ActivationKind, [a, b, c]: &[f32; 3], y: &mut [f32]) {
        match kind {
            ActivationKind::Gelu => kernel::gelu_f32::<M>(y),
            ActivationKind::GeluTanh => kernel::gelu_tanh_f32::<M>(y),
            ActivationKind::Silu => kernel::silu_f32::<M>(y, *a),
            ActivationKind::Elu => kernel::elu_f32::<M>(y, *a, *b, *c),
            ActivationKind::Softplus => kernel::softplus_f32::<M>(y, *a, *b),
            ActivationKind::Mish => kernel::mish_f32::<M>(y),
            ActivationKind::Softsign => kernel::softsign_f32(y),
            ActivationKind::HardSwish => kernel::hard_swish_f32(y),
            ActivationKind::Clip => kernel::clip_f32(y, *a, *b),
            ActivationKind::Exp => kernel::exp_f32::<M>(y),
            ActivationKind::Square => kernel::square_f32(y),
            // These store no numbers.
            ActivationKind::Linear
            | ActivationKind::Relu
            | ActivationKind::LeakyRelu
            | ActivationKind::Sigmoid
            | ActivationKind::Tanh => {}
        }
    }
    fn dice<M: Math>(y: &mut [f32], p: &[Dice32]) {
        kernel::dice_f32::<M>(y, p);
    }
    fn row_dice<M: Math>(y: &mut [f32], p: &RowDice32) {
        kernel::row_dice_f32::<M>(y, p.epsilon, p.alpha);
    }
    #[inline(always)]
    fn norm<M: Math, const N: usize>(
        kind: NormKind,
        groups: usize,
        stored: &Norm32<N>,
        x: &[f32; N],
        y: &mut [f32; N],
    ) {
        norm::<M>(
            kind,
            groups,
            (&stored.gain, &stored.bias, stored.epsilon),
            x,
            y,
        );
    }
}

/// Normalizes each of `groups` groups of units, of gain, bias and ε.
#[inline(always)]
pub(crate) fn norm<M: Math>(
    kind: NormKind,
    groups: usize,
    (gain, bias, epsilon): (&[f32], &[f32], f32),
    x: &[f32],
    y: &mut [f32],
) {
    let one = match kind {
        NormKind::Layer => kernel::layer_norm_f32::<M>,
        NormKind::Rms => kernel::rms_norm_f32::<M>,
        NormKind::Unit => kernel::unit_norm_f32::<M>,
    };
    let width = x.len().checked_div(groups).unwrap_or(0).max(1);
    let parts = x.chunks(width).zip(y.chunks_mut(width));
    for ((x, y), (gain, bias)) in parts.zip(gain.chunks(width).zip(bias.chunks(width))) {
        one(x, gain, bias, epsilon, y);
    }
}
