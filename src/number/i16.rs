//! Integer models: int16 activations, and fixed point for the rest.

use super::{Element, Q15, Q16, Q31};
use crate::blob::{ActivationKind, PrecisionKind};
use crate::bytes::Word;
use crate::features::IntRows;
use crate::kernel::{
    self, AffineRow, CurveTable, DiceRow, InputCounts, InputScale, IntScale, NormKind, NormRows,
    RowDiceQ,
};
use crate::math::Math;

impl Element for i16 {
    type Gate = Q15;
    type MixtureSum = i32;
    type Logit = Q16;
    type Prob = Q31;
    type Unit = f32;
    type Slope = i32;
    type UnitSlope = i16;
    type Affine = AffineRow;
    type Curve = CurveTable;
    type Dice = DiceRow;
    type RowDice = RowDiceQ;
    type Norm<const N: usize> = NormRows<N>;

    const NONE: Q15 = Q15(0);
    const PRECISION: PrecisionKind = PrecisionKind::I16;
    const CONVERTS: bool = true;
    type Scales<const N: usize> = [InputScale; N];
    type IntScale = IntScale;
    type Cells<'a> = IntRows<'a>;

    fn from_code(code: u32) -> i16 {
        if code < 0x7fff { code as i16 + 1 } else { 0 }
    }
    fn column(self) -> usize {
        // What is not above 0 wraps to beyond every column.
        (self as isize as usize).wrapping_sub(1)
    }
    fn hot(one: i16) -> i16 {
        one
    }

    fn with_features<const N: usize, R>(
        scales: &[InputScale; N],
        x: &[f32; N],
        f: impl FnOnce(&[i16; N], InputCounts) -> R,
    ) -> R {
        let mut q = Word::<[i16; N]>::new_zeroed();
        let counts = kernel::quantize_f32(x, scales, &mut *q);
        f(&q, counts)
    }
    fn zero_is_zero<const N: usize>(scales: &[InputScale; N]) -> bool {
        // NaN, which only a hostile blob has, gives 0 too.
        scales.iter().all(|s| s.offset == 0.0)
    }
    fn features<const N: usize>(
        scales: &[InputScale; N],
        start: usize,
        x: &[f32],
        y: &mut [i16],
    ) -> InputCounts {
        kernel::quantize_f32(x, scales.get(start..).unwrap_or(&[]), y)
    }
    fn from_int(scale: &IntScale, x: i32) -> (i16, bool) {
        kernel::quantize_i32(x, scale)
    }

    fn gate_softmax<M: Math>(z: &mut [Q16], g: &mut [Q15]) {
        kernel::gate_softmax_q15(zerocopy::transmute_mut!(z), zerocopy::transmute_mut!(g));
    }
    fn gate_sigmoid<M: Math>(z: &mut [Q16], g: &mut [Q15]) {
        kernel::sigmoid_gate_q15(zerocopy::transmute_ref!(&*z), zerocopy::transmute_mut!(g));
    }
    fn gate_linear(z: &[Q16], g: &mut [Q15]) {
        kernel::linear_gate_q15(zerocopy::transmute_ref!(z), zerocopy::transmute_mut!(g));
    }
    fn gate_hard(z: &[Q16], g: &mut [Q15]) {
        kernel::hard_q15(zerocopy::transmute_ref!(z), zerocopy::transmute_mut!(g));
    }
    fn gate_top_k<M: Math>(k: usize, renormalise: bool, z: &mut [Q16], g: &mut [Q15]) {
        kernel::top_k_q15(
            zerocopy::transmute_mut!(z),
            k,
            renormalise,
            zerocopy::transmute_mut!(g),
        );
    }
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [Q16], g: &mut [Q15]) {
        let z: &mut [i32] = zerocopy::transmute_mut!(z);
        if let Some((z, mix)) = z
            .len()
            .checked_sub(k)
            .and_then(|n| z.split_at_mut_checked(n))
        {
            kernel::d_select_k_q15(z, mix, zerocopy::transmute_mut!(g));
        }
    }
    fn gate_is_below(g: Q15, least: f32) -> bool {
        let least = (least * 32768.0) as i32;
        let g = kernel::signed_q15(g.0);
        g < least && -g < least
    }
    fn mix(m: &mut [i32], g: Q15, h: &[i16]) {
        kernel::mix_i16(m, g.0, h);
    }
    fn round_mixture(m: &[i32], h: &mut [i16]) {
        kernel::round_mixture_i16(m, h);
    }
    fn softmax<M: Math>(z: &[Q16], p: &mut [Q31]) {
        kernel::softmax_q31(zerocopy::transmute_ref!(z), zerocopy::transmute_mut!(p));
    }
    fn sigmoid<M: Math>(z: Q16) -> Q31 {
        Q31(kernel::sigmoid_q31(z.0))
    }
    fn product(a: Q31, b: Q31) -> Q31 {
        Q31(kernel::product_q31(a.0, b.0))
    }
    fn in_unit(z: Q16, unit: &f32) -> f32 {
        z.to_f32() * *unit
    }
    fn activation_in_unit(v: i16, unit: &f32) -> f32 {
        f32::from(v) * *unit
    }
    fn logit_word(z: Q16) -> u32 {
        z.0 as u32
    }
    fn prob_word(p: Q31) -> u32 {
        p.0
    }
    fn word(v: i16) -> u32 {
        i32::from(v) as u32
    }
    fn read(bytes: &[u8]) -> Option<(i16, &[u8])> {
        bytes
            .split_first_chunk()
            .map(|(b, rest)| (i16::from_le_bytes(*b), rest))
    }
    fn relu(y: &mut [i16]) {
        kernel::relu_i16(y);
    }
    fn leaky_relu(y: &mut [i16], slope: &i32) {
        kernel::leaky_relu_i16(y, *slope as i16);
    }
    fn prelu(y: &mut [i16], slope: &[i16]) {
        kernel::prelu_i16(y, slope);
    }
    fn sigmoid_all<M: Math>(y: &mut [i16]) {
        kernel::sigmoid_i16(y);
    }
    fn tanh_all<M: Math>(y: &mut [i16]) {
        kernel::tanh_i16(y);
    }
    fn affine(y: &mut [i16], p: &[AffineRow]) {
        kernel::affine_i16(y, p);
    }
    fn curve<M: Math>(_: ActivationKind, table: &CurveTable, y: &mut [i16]) {
        kernel::curve_i16(y, table);
    }
    fn dice<M: Math>(y: &mut [i16], p: &[DiceRow]) {
        kernel::dice_i16(y, p);
    }
    fn row_dice<M: Math>(y: &mut [i16], p: &RowDiceQ) {
        kernel::row_dice_i16(y, p.energy, p.alpha as i16);
    }
    fn norm<M: Math, const N: usize>(
        kind: NormKind,
        groups: usize,
        stored: &NormRows<N>,
        x: &[i16; N],
        y: &mut [i16; N],
    ) {
        let width = N.checked_div(groups).unwrap_or(0);
        kernel::norm_i16(kind, width, stored.energy, &stored.units, x, y);
    }
}
