//! Lines of text as records: `name=value` for each field with `;` between them, and `|` between the
//! items of a list. A field that is left out is missing.

use crate::shop::{Model, Outputs, Record};
use core::fmt::Write;
use core::str::FromStr;
use heapless::{String, Vec};

/// What a line holds at most.
const LINE: usize = 512;
/// Items of the longest list. More may arrive; the model's own limit decides which of them count.
const ITEMS: usize = 32;

/// An answer: it has room for two probabilities, and for the longest name of a field.
pub type Reply = String<96>;

/// A line that has arrived, or what has arrived of it.
#[derive(Clone, Default)]
pub struct Line {
    bytes: Vec<u8, LINE>,
    too_long: bool,
}

impl Line {
    /// Takes a byte; returns the line when it was its last one.
    pub fn push(&mut self, byte: u8) -> Option<Self> {
        if byte == b'\n' {
            return Some(core::mem::take(self));
        }
        self.too_long |= self.bytes.push(byte).is_err();
        None
    }

    /// Whether the other end asks the program to stop.
    pub fn quits(&self) -> bool {
        self.bytes == b"quit"
    }

    /// What the model says of it, by name.
    pub fn answer(&self, model: &Model) -> Reply {
        let text = core::str::from_utf8(&self.bytes).unwrap_or_default();
        let mut reply = Reply::new();
        // It has room for all of these.
        let _ = match (self.too_long, predict(model, text)) {
            (true, _) => writeln!(reply, "error: more than {LINE} bytes"),
            (false, Ok(y)) => writeln!(reply, "click {}, buy {}", y.click, y.buy),
            (false, Err(Unreadable(name))) => writeln!(reply, "error: field {name}"),
        };
        reply
    }
}

/// A field that is missing although the model has nothing for that, or that is not what it should
/// be.
struct Unreadable(&'static str);

/// Makes a record of a line. It borrows the texts from it.
fn predict(model: &Model, line: &str) -> Result<Outputs<f32, f32>, Unreadable> {
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
