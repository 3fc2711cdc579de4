//! The users and the catalogue. A record is a plain struct, so that a table of them is a `static`,
//! which lies in flash as the texts do that it names. `build.rs` writes both from the CSV files.

use crate::feed::{Candidate, Context};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));
