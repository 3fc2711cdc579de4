//! A layer on numbers and codes gives the bits of the same layer on the expanded vector: in every
//! precision and packing, whole and in two parts.

use mmoe::layer::{Dense, Hot, HotColumns, Layer, Linear, Prefixed, Relu, Rest, Sigmoid};
use mmoe::math::Libm;
use mmoe::number::Element;
use mmoe::precision::{Pairs, Panels, Precision, Quad};
use mmoe::zerocopy::{FromZeros, IntoBytes, TryFromBytes};
use mmoe::{F32, I8, I16, Logits, W8};
use testkit::Rng;

/// Numbers, columns behind them, and codes. The rows of 13 fill panels of 8, of 4 and one row.
const DENSE: usize = 5;
const TOTAL: usize = 24;
const IN: usize = 9;

/// An element type's random numbers, and what it expands to.
trait Drawn: Element {
    fn number(r: &mut Rng) -> Self;
    /// The words of a layer: f32 that are finite and not zero, so that no sum is −0, or any bits.
    fn words(r: &mut Rng, words: &mut [u32]);
    fn bits(self) -> u32;
}

impl Drawn for f32 {
    fn number(r: &mut Rng) -> f32 {
        r.below(4001) as f32 / 997.0 - 2.0
    }
    fn words(r: &mut Rng, words: &mut [u32]) {
        // As int8 these are any bytes, too.
        words.fill_with(|| (0.25 + r.below(100_000) as f32 / 7.0).to_bits());
    }
    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Drawn for i16 {
    fn number(r: &mut Rng) -> i16 {
        r.below(65536) as u16 as i16
    }
    fn words(r: &mut Rng, words: &mut [u32]) {
        words.fill_with(|| (r.below(1 << 16) << 16 | r.below(1 << 16)) as u32);
    }
    fn bits(self) -> u32 {
        self as u32
    }
}

/// Rows of numbers and codes, and the vectors that they stand for.
fn rows<A: Drawn>(r: &mut Rng, one: i16) -> Vec<([A; IN], [A; TOTAL])> {
    let mut rows = Vec::new();
    for _ in 0..60 {
        let (mut x, mut whole) = ([A::default(); IN], [A::default(); TOTAL]);
        for (x, whole) in x.iter_mut().zip(&mut whole[..DENSE]) {
            *x = A::number(r);
            *whole = *x;
        }
        // In ascending order, as one-hot groups lie in a vector, so that floats add up alike.
        let mut from = 0;
        for x in &mut x[DENSE..] {
            let code = from + r.below(6);
            if code < TOTAL - DENSE && !r.one_in(5) {
                *x = A::from_code(code as u32);
                whole[DENSE + code] = if A::CONVERTS { i16_as(one) } else { i16_as(1) };
                from = code + 1;
            } else {
                let past = TOTAL - DENSE + r.below(3);
                *x = A::from_code([past as u32, 32767, 1 << 25, u32::MAX][r.below(4)]);
            }
        }
        rows.push((x, whole));
    }
    rows
}

/// A small number as an element.
fn i16_as<A: Element>(v: i16) -> A {
    let bytes = if A::CONVERTS {
        v.as_bytes().to_vec()
    } else {
        f32::from(v).as_bytes().to_vec()
    };
    A::read_from_bytes(&bytes).unwrap()
}

/// `L` behind codes, against `L` itself, from the same bytes.
fn check<A: Drawn, L, const OUT: usize>(seed: u64, bits: fn(&L::Out) -> Vec<u32>)
where
    L: HotColumns<Act = A, In = [A; TOTAL]>,
    L::Out: FromZeros,
{
    let mut r = Rng::new(seed);
    for one in [0, 3, 12, 14, 15, 16, 31] {
        let mut words = vec![0; size_of::<Hot<IN, DENSE, L>>() / 4];
        A::words(&mut r, &mut words);
        words[0] = one;
        let hot = Hot::<IN, DENSE, L>::try_ref_from_bytes(words.as_bytes()).unwrap();
        let plain = L::try_ref_from_bytes(words[1..].as_bytes()).unwrap();
        for (x, whole) in rows::<A>(&mut r, 1i16.wrapping_shl(one)) {
            let (mut y, mut wanted) = (L::Out::new_zeroed(), L::Out::new_zeroed());
            hot.forward::<Libm>(&x, &mut y);
            plain.forward::<Libm>(&whole, &mut wanted);
            let wanted = bits(&wanted);
            assert_eq!(bits(&y), wanted, "one {one}");
            // Split anywhere: in the numbers, between them and the codes, in the codes.
            for split in 0..=IN {
                let mut partial = <L::Partial as FromZeros>::new_zeroed();
                hot.begin(&x[..split], &mut partial);
                let mut y = L::Out::new_zeroed();
                hot.resume::<Libm>(&partial, Rest::From(split, &x[split..]), &mut y);
                assert_eq!(bits(&y), wanted, "one {one}, {split} and the rest");
            }
        }
        assert!(!hot.exact_without_zeros(), "code 0 is a code");
    }
}

fn precision<P: Precision, const OUT: usize>()
where
    P::Act: Drawn,
    Dense<TOTAL, OUT, P, Linear>:
        HotColumns<Act = P::Act, In = [P::Act; TOTAL], Out = [P::Act; OUT]>,
{
    let bits = |y: &[P::Act; OUT]| y.map(Drawn::bits).to_vec();
    check::<P::Act, Dense<TOTAL, OUT, P, Relu>, OUT>(1, bits);
    check::<P::Act, Dense<TOTAL, OUT, P, Linear>, OUT>(2, bits);
    check::<P::Act, Dense<TOTAL, OUT, P, Sigmoid>, OUT>(3, bits);
    check::<P::Act, Logits<TOTAL, OUT, P>, OUT>(4, |z| {
        z.as_bytes()
            .chunks(4)
            .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    });
}

#[test]
fn codes_are_the_expanded_vector() {
    precision::<F32, 13>();
    precision::<F32, 3>();
    precision::<W8, 13>();
    precision::<W8, 3>();
    precision::<I8<Panels>, 13>();
    precision::<I8<Panels>, 3>();
    precision::<I8<Quad>, 13>();
    precision::<I8<Pairs>, 13>();
    precision::<I16, 13>();
    precision::<I16, 4>();
}

/// What is no code names no column.
#[test]
fn numbers_that_are_no_code() {
    for none in [
        -1.0,
        -0.5,
        0.5,
        1.0 - f32::EPSILON,
        2.000_000_2,
        4_294_967_296.0,
        -4_294_967_296.0,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ] {
        assert!(none.column() > 65535, "{none}");
    }
    assert_eq!(
        [0.0f32, -0.0, 1.0, 65534.0].map(Element::column),
        [0, 0, 1, 65534]
    );
    for none in [0i16, -1, -2, i16::MIN] {
        assert!(none.column() > 65535, "{none}");
    }
    assert_eq!([1i16, 2, i16::MAX].map(Element::column), [0, 1, 32766]);
    for code in (0..40000).chain([1 << 24, (1 << 24) + 1, u32::MAX]) {
        let (float, integer) = (f32::from_code(code), i16::from_code(code));
        let fits = code <= 1 << 24;
        assert_eq!(
            float.column(),
            if fits { code as usize } else { usize::MAX }
        );
        let fits = code < 32767;
        assert_eq!(
            integer.column(),
            if fits { code as usize } else { usize::MAX }
        );
    }
}

/// A sum that is −0 stays −0, where the whole vector's zeros would make +0 of it.
#[test]
fn the_sign_of_a_zero() {
    let matrix = mmoe::precision::MatrixF32::<3, 1> {
        bias: [-0.0],
        weights: [[1.0; 3]],
    };
    let hot = Hot::<2, 0, _> {
        one: 0,
        layer: Dense::<3, 1, F32, Linear> {
            matrix,
            activation: [],
        },
    };
    let mut y = [1.0];
    hot.forward::<Libm>(&[-1.0, 7.0], &mut y);
    assert_eq!(y[0].to_bits(), (-0.0f32).to_bits());
    hot.layer.forward::<Libm>(&[0.0; 3], &mut y);
    assert_eq!(y[0].to_bits(), 0);
}
