//! Coders: from a raw value to the code of a row or of a column.

use std::collections::HashMap;

use super::{FrontError, Item};

/// Where the hash of a token starts, unless two tokens of a vocabulary would then have one hash:
/// FNV-1a's own beginning.
pub const FNV_SEED: u32 = 0x811c_9dc5;

/// How many other seeds are tried before a vocabulary is refused. Of 100,000 tokens about one pair
/// collides at every seed, and larger vocabularies are for dense ids.
const SEEDS: u32 = 10_000;

/// From a value to a code.
#[derive(Debug, Clone, PartialEq)]
pub struct Coder {
    /// How.
    pub by: By,
    /// The code of a value that is not there; `None`: the field always has one.
    pub missing: Option<u32>,
}

/// How a value becomes a code.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// The id is the code.
    Direct {
        /// Ids from here on are unknown.
        entries: u32,
        /// The code of an unknown id.
        other: u32,
    },
    /// The place of the id among sorted keys.
    Sorted {
        /// Ascending.
        keys: Vec<u32>,
        /// The code of an unknown id.
        other: u32,
    },
    /// The place of a token's hash among sorted hashes.
    Tokens {
        /// Where the hash starts.
        seed: u32,
        /// Ascending, one per token.
        hashes: Vec<u32>,
        /// The tokens, in the order of their hashes; empty where a blob does not have them.
        tokens: Vec<String>,
        /// The code of an unknown token.
        other: u32,
        /// Whether the blob has the tokens, so that an unknown one never passes for a known one.
        exact: bool,
    },
    /// The place of a token among these; the caller gives the place, as an enumeration in Rust has it,
    /// and no token is on the device.
    Named {
        /// In the order of their codes.
        tokens: Vec<String>,
        /// The code of an unknown token.
        other: u32,
    },
    /// How many bounds are not above the number. NaN counts as above all.
    Buckets(Bounds),
    /// FarmHash's `Fingerprint64` of the text, modulo this: TensorFlow's fast hash buckets.
    Farm(u32),
    /// SipHash-2-4 of the text with this key, modulo the first number: TensorFlow's strong buckets.
    Sip(u32, [u64; 2]),
    /// Murmur3 (32 bits, seed 0) of the text as a signed number, its magnitude modulo this:
    /// scikit-learn's `FeatureHasher`.
    Murmur(u32),
}

impl By {
    /// How many buckets there are, where values fall into some; else 0.
    #[must_use]
    pub fn buckets(&self) -> usize {
        match self {
            Self::Buckets(bounds) => bounds.len() + 1,
            Self::Farm(n) | Self::Sip(n, _) | Self::Murmur(n) => *n as usize,
            _ => 0,
        }
    }
}

/// Ascending bounds, of the kind that the field is given in.
#[derive(Debug, Clone, PartialEq)]
pub enum Bounds {
    /// For f32.
    F32(Vec<f32>),
    /// For i32.
    I32(Vec<i32>),
}

impl Bounds {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(bounds) => bounds.len(),
            Self::I32(bounds) => bounds.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// FNV-1a of a token from a seed on: what stands for the token on a device.
#[must_use]
pub fn token_hash(seed: u32, token: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    token.bytes().fold(seed, step)
}

impl Coder {
    /// A coder of tokens, and the order in which it has them: token number `order[i]` of those given
    /// gets code `i`, and so must the rows of its table be put. `other` is the code of an unknown
    /// token; `exact` stores the tokens themselves besides their hashes.
    ///
    /// # Errors
    ///
    /// A token that stands twice, or so many that no seed keeps their hashes apart.
    pub fn tokens(
        tokens: Vec<String>,
        other: u32,
        exact: bool,
    ) -> Result<(Self, Vec<usize>), FrontError> {
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (at, token) in tokens.iter().enumerate() {
            if let Some(before) = first.insert(token, at) {
                return Err(FrontError::Twice {
                    token: token.clone(),
                    first: before,
                    second: at,
                });
            }
        }
        let sorted = |seed: u32| -> Option<Vec<(u32, usize)>> {
            let hashes = tokens.iter().map(|t| token_hash(seed, t));
            let mut hashes: Vec<(u32, usize)> = hashes.zip(0..).collect();
            hashes.sort_unstable();
            let apart = hashes.windows(2).all(|pair| pair[0].0 != pair[1].0);
            apart.then_some(hashes)
        };
        let mut seeds = (0..SEEDS).map(|n| FNV_SEED.wrapping_add(n));
        let found = seeds.find_map(|seed| sorted(seed).map(|hashes| (seed, hashes)));
        let (seed, hashes) = found.ok_or(FrontError::TooManyTokens(tokens.len()))?;
        let (hashes, order): (Vec<u32>, Vec<usize>) = hashes.into_iter().unzip();
        let by = By::Tokens {
            seed,
            hashes,
            tokens: order.iter().map(|i| tokens[*i].clone()).collect(),
            other,
            exact,
        };
        Ok((Self { by, missing: None }, order))
    }

    /// A coder of ids, and the order in which it has them, as [`tokens`](Self::tokens). Ids that
    /// count from 0 are their own codes and need no keys.
    ///
    /// # Errors
    ///
    /// An id that stands twice.
    pub fn ids(ids: &[u32], other: u32) -> Result<(Self, Vec<usize>), FrontError> {
        let mut sorted: Vec<(u32, usize)> = ids.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(FrontError::Twice {
                token: pair[0].0.to_string(),
                first: pair[0].1,
                second: pair[1].1,
            });
        }
        let dense = (0..).zip(&sorted).all(|(i, (key, _))| i == *key);
        let (keys, order): (Vec<u32>, Vec<usize>) = sorted.into_iter().unzip();
        let by = if dense {
            By::Direct {
                entries: u32::try_from(keys.len()).unwrap_or(u32::MAX),
                other,
            }
        } else {
            By::Sorted { keys, other }
        };
        Ok((Self { by, missing: None }, order))
    }

    /// The code of a value; `None` if the coder does not take values of this kind.
    #[must_use]
    pub fn code(&self, item: Item<'_>) -> Option<u32> {
        self.find(item).map(|(code, _)| code)
    }

    /// Whether the coder knows a value, where it has a vocabulary; every value is known to a hash
    /// and to buckets.
    #[must_use]
    pub fn knows(&self, item: Item<'_>) -> bool {
        self.find(item).is_some_and(|(_, known)| known)
    }

    fn find(&self, item: Item<'_>) -> Option<(u32, bool)> {
        let found = |at: Option<usize>, other: u32| {
            let code = at.and_then(|at| u32::try_from(at).ok());
            Some(code.map_or((other, false), |code| (code, true)))
        };
        match (&self.by, item) {
            (By::Direct { entries, other }, Item::Id(id)) => {
                found((id < *entries).then_some(id as usize), *other)
            }
            (By::Sorted { keys, other }, Item::Id(id)) => {
                found(keys.binary_search(&id).ok(), *other)
            }
            (
                By::Tokens {
                    seed,
                    hashes,
                    tokens,
                    other,
                    exact,
                },
                Item::Text(text),
            ) => {
                let at = hashes.binary_search(&token_hash(*seed, text)).ok();
                let same = |at: &usize| !exact || tokens.get(*at).is_some_and(|t| t == text);
                found(at.filter(same), *other)
            }
            (By::Named { tokens, other }, Item::Text(text)) => {
                found(tokens.iter().position(|t| t == text), *other)
            }
            (By::Buckets(Bounds::F32(bounds)), Item::Number(x)) => {
                let above = bounds.iter().filter(|b| x.is_nan() || **b <= x).count();
                found(Some(above), 0)
            }
            (By::Buckets(Bounds::I32(bounds)), Item::Int(x)) => {
                found(Some(bounds.iter().filter(|b| **b <= x).count()), 0)
            }
            (By::Farm(n), item) => {
                let hash = |text: &[u8]| modulo(farmhash::fingerprint64(text), *n);
                hashed(item, hash).map(|code| (code, true))
            }
            (By::Sip(n, [k0, k1]), item) => {
                let hash = |text: &[u8]| {
                    let hash = siphasher::sip::SipHasher24::new_with_keys(*k0, *k1).hash(text);
                    modulo(hash, *n)
                };
                hashed(item, hash).map(|code| (code, true))
            }
            (By::Murmur(n), item) => {
                let hash = |mut text: &[u8]| {
                    let hash = murmur3::murmur3_32(&mut text, 0).unwrap_or(0);
                    modulo(u64::from(hash.cast_signed().unsigned_abs()), *n)
                };
                hashed(item, hash).map(|code| (code, true))
            }
            _ => None,
        }
    }
}

/// The hash of a value's text. A float has no text that everybody agrees on.
fn hashed(item: Item<'_>, hash: impl Fn(&[u8]) -> u32) -> Option<u32> {
    match item {
        Item::Text(text) => Some(hash(text.as_bytes())),
        Item::Id(id) => Some(hash(id.to_string().as_bytes())),
        Item::Int(x) => Some(hash(x.to_string().as_bytes())),
        Item::Number(_) => None,
    }
}

/// What is left of a hash; 0 for no buckets.
fn modulo(hash: u64, n: u32) -> u32 {
    let left = hash.checked_rem(u64::from(n)).unwrap_or(0);
    u32::try_from(left).unwrap_or(0)
}
