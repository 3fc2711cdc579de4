//! Records arrive over a UART, each as one line of text with its fields by name, and named
//! probabilities go back: `click 0.79, buy 0.5`.
//!
//! A line has `name=value` for each field, with `;` between them. A list has `|` between its items.
//! A field that is left out is missing. `cargo xtask records` sends 200 rows to an emulated
//! Cortex-M4F and to a Cortex-M0, and compares the answers with those of `mmoe run`.
#![no_std]
#![no_main]

#[cfg_attr(target_abi = "eabihf", path = "../../uart/src/serial.rs")]
#[cfg_attr(not(target_abi = "eabihf"), path = "microbit.rs")]
mod serial;
// `mmoe codegen shop.mmoe -o shop.rs` wrote this file for the blob beside it.
#[rustfmt::skip]
mod shop;

use core::fmt::Write;
use core::str::FromStr;
use heapless::{String, Vec};
use semihosting::{println, process};
use serial::Serial;
use shop::{Model, Record};

/// What a line holds at most.
const LINE: usize = 512;
/// Items of the longest list. More may arrive; the model's own limit decides which of them count.
const ITEMS: usize = 32;

#[cortex_m_rt::entry]
fn main() -> ! {
    let model = match shop::load() {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    };
    let mut serial = Serial::new();
    let mut line = Vec::<u8, LINE>::new();
    let mut fits = true;
    loop {
        match serial.read() {
            b'\n' => {
                let text = core::str::from_utf8(&line).unwrap_or_default();
                if text == "quit" {
                    process::exit(0)
                }
                let mut reply = String::<96>::new();
                // The reply has room for two probabilities and for the longest name of a field.
                let _ = match (fits, predict(model, text)) {
                    (false, _) => writeln!(reply, "error: more than {LINE} bytes"),
                    (true, Ok(y)) => writeln!(reply, "click {}, buy {}", y.click, y.buy),
                    (true, Err(Unreadable(name))) => writeln!(reply, "error: field {name}"),
                };
                serial.write(reply.as_bytes());
                line.clear();
                fits = true;
            }
            byte => fits &= line.push(byte).is_ok(),
        }
    }
}

/// A field that is missing although the model has nothing for that, or that is not what it should
/// be.
struct Unreadable(&'static str);

/// Makes a record of a line. It borrows the texts from it.
fn predict(model: &Model, line: &str) -> Result<shop::Outputs<f32, f32>, Unreadable> {
    let cell = |name| {
        let mut cells = line.split(';').filter_map(|cell| cell.split_once('='));
        cells.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let text = |name| cell(name).ok_or(Unreadable(name));
    let texts = |name| list(cell(name), name);
    Ok(model.predict(Record {
        age: number(cell("age"), "age")?,
        country: cell("country"),
        income: optional(cell("income"), "income")?,
        distance: optional(cell("distance"), "distance")?,
        device: cell("device"),
        zip: number(cell("zip"), "zip")?,
        plan: number(cell("plan"), "plan")?,
        campaign: cell("campaign"),
        site: cell("site"),
        user: text("user")?,
        hour: number(cell("hour"), "hour")?,
        tags: &texts("tags")?,
        history: &list(cell("history"), "history")?,
        item: number(cell("item"), "item")?,
        interests: &texts("interests")?,
        motion_0: number(cell("motion_0"), "motion_0")?,
        motion_1: number(cell("motion_1"), "motion_1")?,
        clicks: number(cell("clicks"), "clicks")?,
        price: number(cell("price"), "price")?,
    }))
}

fn optional<T: FromStr>(cell: Option<&str>, name: &'static str) -> Result<Option<T>, Unreadable> {
    cell.map(|text| text.parse().map_err(|_| Unreadable(name)))
        .transpose()
}

fn number<T: FromStr>(cell: Option<&str>, name: &'static str) -> Result<T, Unreadable> {
    optional(cell, name)?.ok_or(Unreadable(name))
}

/// The items of a list; of a longer one, the first. A list that is left out is empty.
fn list<'a, T: Parse<'a>>(
    cell: Option<&'a str>,
    name: &'static str,
) -> Result<Vec<T, ITEMS>, Unreadable> {
    let items = cell.into_iter().flat_map(|text| text.split('|'));
    items
        .filter(|item| !item.is_empty())
        .take(ITEMS)
        .map(|item| T::parse(item).ok_or(Unreadable(name)))
        .collect()
}

/// An item of a list.
trait Parse<'a>: Sized {
    fn parse(text: &'a str) -> Option<Self>;
}

impl<'a> Parse<'a> for &'a str {
    fn parse(text: &'a str) -> Option<Self> {
        Some(text)
    }
}

impl Parse<'_> for u32 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}
