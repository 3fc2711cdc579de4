//! A catalogue in flash is ranked for one user after the other: the best ten of 500 items, by the
//! probability that the user clicks on the item and then buys it.
//!
//! What belongs to the user is looked up once, and the first layers' sums over it are kept. So an item
//! takes only its own look-ups and the rest of the model. `cargo xtask rank` runs this on an emulated
//! Cortex-M4F and on a Cortex-M0, and compares every score with what `mmoe run` says of the same rows.
#![no_std]
#![no_main]

// `mmoe codegen feed.mmoe -o feed.rs` wrote this file for the blob beside it, which `feed.toml` says
// how to make. The model of another product has its own file here, and its own tables.
#[rustfmt::skip]
mod feed;
mod tables;

use semihosting::{println, process};
use tables::{ITEMS, USERS};

#[cortex_m_rt::entry]
fn main() -> ! {
    let model = match feed::load() {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    };
    for (user, context) in USERS.iter().enumerate() {
        let best = model.rank::<10>(*context, ITEMS.iter().copied(), |y| y.ctr * y.cvr);
        for item in best.iter() {
            println!("user {user}: item {}, score {}", item.index, item.score);
        }
    }
    process::exit(0)
}
