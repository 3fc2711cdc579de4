//! Hashes, against what TensorFlow 2.21, Keras 3.15 and scikit-learn gave.

use mmoe::kernel;

/// The texts that the frameworks hashed.
fn texts() -> Vec<String> {
    let (long, longer) = ("x".repeat(65), "x".repeat(200));
    let texts = [
        "",
        "a",
        "DE",
        "de",
        "0",
        "-1",
        "hello world",
        "a longer string of 33 characters!",
        &long,
        &longer,
        " Never married",
    ];
    texts.map(str::to_owned).to_vec()
}

/// What the buckets of all texts are.
fn buckets(n: u32, hash: impl Fn(&[u8]) -> u64) -> Vec<u32> {
    let hash = |text: &String| kernel::modulo(hash(text.as_bytes()), n);
    texts().iter().map(hash).collect()
}

#[test]
fn farmhash_is_that_of_tensorflow_and_keras() {
    // `tf.strings.to_hash_bucket_fast`, 2³¹ − 1 and 10 buckets; `Hashing(10)` of Keras gives the latter.
    let many = [
        1699943623, 493484721, 1383873208, 915301014, 1633463888, 1833158626, 1022762667,
        1782398342, 535548725, 1551571893, 1295896098,
    ];
    assert_eq!(buckets(0x7fff_ffff, kernel::farm64), many);
    assert_eq!(
        buckets(10, kernel::farm64),
        [3, 9, 1, 4, 5, 0, 1, 2, 9, 7, 3]
    );
    // `to_hash_bucket_fast` of 9 buckets is `Hashing(10, mask_value="")` less one.
    assert_eq!(
        buckets(9, kernel::farm64),
        [5, 3, 8, 7, 1, 3, 0, 0, 7, 8, 5]
    );
    // Integers through their digits: `Hashing(10)` of 0, 1, −1.
    let mut digits = [0; 11];
    for (negative, size, bucket) in [(false, 0, 5), (false, 1, 9), (true, 1, 0)] {
        let text = kernel::decimal(negative, size, &mut digits);
        assert_eq!(kernel::modulo(kernel::farm64(text), 10), bucket);
    }
    // An integer of 64 bits is given as text.
    assert_eq!(kernel::modulo(kernel::farm64(b"12345678901"), 10), 2);
}

#[test]
fn digits_are_decimal() {
    let mut digits = [0; 11];
    for v in [0, 7, 10, -1, 4096, -70_000, i32::MAX, i32::MIN] {
        let found = kernel::decimal(v < 0, v.unsigned_abs(), &mut digits);
        assert_eq!(found, v.to_string().as_bytes());
    }
    assert_eq!(kernel::decimal(false, u32::MAX, &mut digits), b"4294967295");
}

#[test]
fn siphash_is_that_of_tensorflow_and_keras() {
    let key = |a: u32, b: u32| [[a, 0], [b, 0]];
    // `tf.strings.to_hash_bucket_strong(…, 1000, [133, 137])`.
    assert_eq!(
        buckets(1000, |text| kernel::sip24(text, key(133, 137))),
        [900, 354, 11, 101, 369, 874, 296, 821, 478, 806, 387]
    );
    // `Hashing(10, salt=133)` has the salt twice; `Hashing(10, salt=[133, 137])` is the key.
    assert_eq!(
        buckets(10, |text| kernel::sip24(text, key(133, 133))),
        [7, 7, 8, 8, 5, 6, 7, 6, 3, 4, 9]
    );
    assert_eq!(
        buckets(10, |text| kernel::sip24(text, key(133, 137))),
        [0, 4, 1, 1, 9, 4, 6, 1, 8, 6, 7]
    );
}

#[test]
fn murmurhash_is_the_published_one() {
    // From the reference implementation's own verification.
    let published: [(&[u8], u32, u32); 7] = [
        (b"", 0, 0),
        (b"", 1, 0x514e_28b7),
        (b"", 0xffff_ffff, 0x81f1_6f39),
        (&[0xff; 4], 0, 0x7629_3b50),
        (&[0x21, 0x43, 0x65, 0x87], 0, 0xf55b_516b),
        (&[0x21, 0x43, 0x65], 0, 0x7e4a_8634),
        (b"Hello, world!", 0x9747_b28c, 0x2488_4cba),
    ];
    for (text, seed, hash) in published {
        assert_eq!(kernel::murmur3(text, seed), hash);
    }
}

#[test]
fn any_number_of_buckets_is_a_remainder() {
    for n in [1, 2, 3, 10, 999, 0xffff, 0x1_0000, 0x1_0001, u32::MAX] {
        for hash in [0, 1, 0xffff_ffff, 1 << 63, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(u64::from(kernel::modulo(hash, n)), hash % u64::from(n));
        }
    }
    assert_eq!(kernel::modulo(7, 0), 0, "a hostile blob's");
}
