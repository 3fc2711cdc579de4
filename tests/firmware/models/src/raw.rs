//! Models that take raw records, typed and shape-erased, on seeded records: the blobs and types of the
//! firmware examples.

use crate::{Digest, Rng};
use mmoe::{Dynamic, Value};

#[rustfmt::skip]
#[path = "../../../../examples/firmware/rank/src/feed.rs"]
pub mod feed;
#[rustfmt::skip]
#[path = "../../../../examples/firmware/records/src/shop.rs"]
pub mod shop;

/// Records of both models together take at most so many words of scratch, shape-erased.
pub const SCRATCH: usize = 512;

/// What so many records give: the digest of the typed model's outputs, and that of the shape-erased
/// model's. `None` where a blob does not load or a record is refused.
pub type Digests = Option<[Digest; 2]>;

fn of<T: Copy>(rng: &mut Rng, some: &[T], otherwise: T) -> T {
    let at = rng.next_u32() as usize % some.len().max(1);
    some.get(at).copied().unwrap_or(otherwise)
}

/// A number that is not there once in eight times.
fn number(rng: &mut Rng) -> f32 {
    if rng.next_u32().is_multiple_of(8) {
        f32::NAN
    } else {
        rng.feature() * 40.0
    }
}

/// What stands for a field that may be missing, in the erased view.
fn maybe<'a, T>(field: Option<T>, value: impl FnOnce(T) -> Value<'a>) -> Value<'a> {
    field.map_or(Value::Missing, value)
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text.as_bytes())
}

/// A list, of any length from none to more than a model takes.
fn list<const N: usize, T: Copy>(rng: &mut Rng, some: &[T], otherwise: T) -> ([T; N], usize) {
    let mut items = [otherwise; N];
    for item in &mut items {
        *item = of(rng, some, otherwise);
    }
    (items, rng.next_u32() as usize % (N + 1))
}

fn first<T>((items, n): &([T; 10], usize)) -> &[T] {
    items.get(..*n).unwrap_or_default()
}

/// The bytes of the first texts.
fn bytes(texts: &([&'static str; 10], usize)) -> [&'static [u8]; 10] {
    texts.0.map(str::as_bytes)
}

const COUNTRIES: &[Option<&str>] = &[None, Some("DE"), Some("US"), Some("de"), Some("São Tomé")];
const DEVICES: &[Option<&str>] = &[Some("phone"), Some("tablet"), None, Some("radio"), Some("")];
const CAMPAIGNS: &[Option<&str>] = &[
    Some("campaign 4"),
    None,
    Some("a campaign whose name is longer than sixty-four bytes, for the last kind of hash"),
];
const USERS: &[&str] = &["886928001904", "17", "", "a user"];
const TAGS: &[&str] = &["sport", "food", "films", "unheard of"];
const INTERESTS: &[&str] = &["bikes", "boats", "planes", "", "horses"];
const ITEMS: &[u32] = &[0, 1, 13, 39, 40, u32::MAX];

/// The model of `keras-records`: embeddings, hashes, lists and one-hot columns.
pub fn shop(rows: u32, scratch: &mut [u32; SCRATCH]) -> Digests {
    let (typed, erased) = (shop::load().ok()?, Dynamic::load(shop::BLOB).ok()?);
    let mut digests = [Digest::default(); 2];
    let mut rng = Rng::new(crate::Golden::SEED);
    for _ in 0..rows {
        let r = &mut rng;
        let history = list(r, ITEMS, 0);
        let (interests, tags) = (list(r, INTERESTS, ""), list(r, TAGS, ""));
        let (interest_bytes, tag_bytes) = (bytes(&interests), bytes(&tags));
        let record = shop::Record {
            age: number(r),
            country: of(r, COUNTRIES, None),
            distance: Some(number(r)),
            zip: of(r, &[1010, 999_999_999, 0, 5], 0),
            campaign: of(r, CAMPAIGNS, None),
            user: of(r, USERS, ""),
            history: first(&history),
            item: of(r, ITEMS, 0),
            interests: first(&interests),
            motion_0: number(r),
            motion_1: number(r),
            clicks: number(r).abs(),
            price: number(r),
            income: of(r, &[None, Some(17_882.5), Some(0.0)], None),
            device: of(r, DEVICES, None),
            plan: of(r, &[10, 20, 30, 31], 0),
            site: of(r, &[None, Some("www.site11.example"), Some("")], None),
            hour: r.next_u32() % 26,
            tags: first(&tags),
        };
        let values = [
            Value::Number(record.age),
            maybe(record.country, text),
            maybe(record.distance, Value::Number),
            Value::Id(record.zip),
            maybe(record.campaign, text),
            text(record.user),
            Value::Ids(record.history),
            Value::Id(record.item),
            Value::Texts(interest_bytes.get(..interests.1)?),
            Value::Number(record.motion_0),
            Value::Number(record.motion_1),
            Value::Number(record.clicks),
            Value::Number(record.price),
            maybe(record.income, Value::Number),
            maybe(record.device, text),
            Value::Id(record.plan),
            maybe(record.site, text),
            Value::Id(record.hour),
            Value::Texts(tag_bytes.get(..tags.1)?),
        ];
        let y = typed.predict(record);
        let mut z = [0.0; shop::TASKS];
        erased.predict_record(&values, scratch, &mut z).ok()?;
        add(&mut digests, [y.click, y.buy], z);
    }
    Some(digests)
}

/// The model of `torcheasyrec-mmoe`, which ranks: four candidates in each context.
pub fn feed(rows: u32, scratch: &mut [u32; SCRATCH]) -> Digests {
    let (typed, erased) = (feed::load().ok()?, Dynamic::load(feed::BLOB).ok()?);
    let mut digests = [Digest::default(); 2];
    let mut rng = Rng::new(crate::Golden::SEED);
    for _ in 0..rows.div_ceil(4) {
        let r = &mut rng;
        let cities = [Some("Beijing"), Some("杭州"), None, Some("Oslo")];
        let context = feed::Context {
            age: number(r),
            city: of(r, &cities, None),
            birthplace: of(r, &cities, None),
            hour: of(r, &[Some(0), Some(23), None, Some(24)], None),
            spend: number(r),
        };
        let values = [
            Value::Number(context.age),
            maybe(context.city, text),
            maybe(context.birthplace, text),
            maybe(context.hour, Value::Id),
            Value::Number(context.spend),
        ];
        let kept = typed.context(context);
        erased.context(&values, scratch).ok()?;
        for _ in 0..4 {
            let tags = list(r, &["red", "green", "mauve"], "");
            let tag_bytes = bytes(&tags);
            let candidate = feed::Candidate {
                brand: of(r, &[Some("acme"), None, Some("umbrella")], None),
                tags: first(&tags),
                price: of(r, &[Some(1.1), Some(26.5), None], None),
                score: number(r),
            };
            let values = [
                maybe(candidate.brand, text),
                Value::Texts(tag_bytes.get(..tags.1)?),
                maybe(candidate.price, Value::Number),
                Value::Number(candidate.score),
            ];
            let y = typed.predict_in(&kept, candidate);
            let mut z = [0.0; feed::TASKS];
            erased.predict_in(&values, scratch, &mut z).ok()?;
            add(&mut digests, [y.ctr, y.cvr], z);
        }
    }
    Some(digests)
}

fn add<const N: usize>([typed, erased]: &mut [Digest; 2], y: [f32; N], z: [f32; N]) {
    y.into_iter().for_each(|y| typed.word(y.to_bits()));
    z.into_iter().for_each(|z| erased.word(z.to_bits()));
}
