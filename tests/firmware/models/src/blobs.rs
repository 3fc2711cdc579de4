//! The blobs, aligned in flash, and the host's results on them; `cargo xtask blobs` makes both.

use crate::Golden;
use mmoe::{Aligned, include_blob};

/// A blob and what the host computed with it.
pub type Case = (&'static Aligned<[u8]>, Golden<'static>);

macro_rules! blobs {
    ($($(#[$attr:meta])* $name:ident $file:literal)*) => {$(
        $(#[$attr])*
        #[doc = concat!("`", $file, "`.")]
        pub static $name: Case = (
            include_blob!(concat!("../blobs/", $file, ".mmoe")),
            Golden(include_bytes!(concat!("../blobs/", $file, ".golden"))),
        );
    )*};
}

blobs! {
    EDGE_F32 "edge.f32"
    EDGE_W8 "edge.w8"
    EDGE_I8 "edge.i8"
    EDGE_I8_QUAD "edge.i8-quad"
    EDGE_I8_PAIRS "edge.i8-pairs"
    SMALL_I8 "small.i8"
    CURVED_F32 "curved.f32"
    CURVED_W8 "curved.w8"
    CURVED_I8 "curved.i8"
    RECSYS_F32 "recsys.f32"
    RECSYS_W8 "recsys.w8"
    RECSYS_I8 "recsys.i8"
    RECSYS_I8_QUAD "recsys.i8-quad"
    RECSYS_I8_PAIRS "recsys.i8-pairs"
    #[cfg(feature = "measured")]
    CENSUS_F32 "census.f32"
    #[cfg(feature = "measured")]
    CENSUS_W8 "census.w8"
    #[cfg(feature = "measured")]
    CENSUS_I8 "census.i8"
    #[cfg(feature = "measured")]
    CENSUS_I8_QUAD "census.i8-quad"
    #[cfg(feature = "measured")]
    CENSUS_I8_PAIRS "census.i8-pairs"
    #[cfg(feature = "measured")]
    CENSUS_CODES_F32 "census-codes.f32"
    #[cfg(feature = "measured")]
    CENSUS_CODES_W8 "census-codes.w8"
    #[cfg(feature = "measured")]
    CENSUS_CODES_I8 "census-codes.i8"
    #[cfg(feature = "measured")]
    CENSUS_CODES_I8_QUAD "census-codes.i8-quad"
    #[cfg(feature = "measured")]
    CENSUS_CODES_I8_PAIRS "census-codes.i8-pairs"
    #[cfg(feature = "measured")]
    AUTOENCODER_F32 "autoencoder.f32"
    #[cfg(feature = "measured")]
    AUTOENCODER_W8 "autoencoder.w8"
    #[cfg(feature = "measured")]
    AUTOENCODER_I8 "autoencoder.i8"
    #[cfg(feature = "measured")]
    AUTOENCODER_I8_QUAD "autoencoder.i8-quad"
    #[cfg(feature = "measured")]
    AUTOENCODER_I8_PAIRS "autoencoder.i8-pairs"
    #[cfg(feature = "measured")]
    SMALL_F32 "small.f32"
    #[cfg(feature = "measured")]
    SMALL_W8 "small.w8"
    #[cfg(feature = "measured")]
    SMALL_I8_QUAD "small.i8-quad"
    #[cfg(feature = "measured")]
    SMALL_I8_PAIRS "small.i8-pairs"
    #[cfg(feature = "measured")]
    DEEP_F32 "deep.f32"
    #[cfg(feature = "measured")]
    DEEP_W8 "deep.w8"
    #[cfg(feature = "measured")]
    DEEP_I8 "deep.i8"
    #[cfg(feature = "measured")]
    DEEP_I8_QUAD "deep.i8-quad"
    #[cfg(feature = "measured")]
    DEEP_I8_PAIRS "deep.i8-pairs"
    #[cfg(feature = "measured")]
    RECSYS_WIDE_I8 "recsys-wide.i8"
    #[cfg(feature = "measured")]
    RECSYS_HARD_I8 "recsys-hard.i8"
    #[cfg(feature = "measured")]
    RECSYS_TOP_I8 "recsys-top.i8"
    #[cfg(feature = "measured")]
    RECSYS_SELECT_I8 "recsys-select.i8"
    #[cfg(feature = "measured")]
    DEEP_HARD_I8 "deep-hard.i8"
    #[cfg(feature = "measured")]
    DEEP_TOP_I8 "deep-top.i8"
    #[cfg(feature = "measured")]
    DEEP_SELECT_I8 "deep-select.i8"
}

/// The host's digests of 100 and of 1,000 records of the models in [`raw`](crate::raw).
pub static SHOP: Golden<'static> = Golden(include_bytes!("../blobs/shop.golden"));
/// The same of the model that ranks.
pub static FEED: Golden<'static> = Golden(include_bytes!("../blobs/feed.golden"));
