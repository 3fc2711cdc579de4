//! What enters the layers of a program: numbers of the input, and rows of tables that its ids and
//! texts stand for.

use std::collections::{HashMap, HashSet};

use super::bags::Bag;
use super::codes::{Domain, Reads};
use super::formula::{Formula, Id};
use super::symbol::Symbols;
use super::{Given, Program, Refusal, Texts, outputs};
use crate::error::ModelError;
use crate::front::build::{Builder, Keys, Lookup, Rows, Scaling};
use crate::front::record::Record;
use crate::front::{self, Bounds, By, Field, FrontError, List, Number, Pool, Value};
use crate::graph::Input;
use crate::random::Random;

/// How many items of a list, and texts of a field, a check needs to know apart.
const STRANGERS: usize = 4;

/// Elements of the vector that one table makes.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    pool: Pool,
    /// The node that looked up or compared.
    node: usize,
    /// Per element: its formula, if anything reads it.
    columns: Vec<Option<Id>>,
    /// By class: the table's row; `None` where there is none.
    rows: Vec<Option<Vec<f64>>>,
    /// The row of what is in no class.
    other: Option<Vec<f64>>,
    /// By class: whether an item counts in a mean.
    counts: Vec<bool>,
    domain: Domain,
}

/// An element of the input, or several that are a list.
#[derive(Debug, Clone, PartialEq)]
struct Element {
    name: String,
    /// The first element, and how many.
    first: u32,
    count: usize,
    given: Given,
    /// Whether the layers read it as a number.
    number: bool,
    domain: Option<Domain>,
    groups: Vec<Group>,
    /// The class that is no item of a list.
    padding: Option<usize>,
}

/// Leaves that one table makes.
struct Leaves {
    pool: Pool,
    /// The table and the index that all of them are looked up by.
    row: Option<(u32, Id)>,
    mask: Option<Id>,
    hashed: bool,
    /// Formulas of the vector, and of one item.
    leaves: Vec<(Id, Id)>,
}

/// How an input becomes the vector that the layers read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Entry {
    elements: Vec<Element>,
    places: HashMap<Id, usize>,
    texts: Texts,
    /// The vector's width.
    pub(super) width: usize,
}

/// What a formula is in the vector.
#[derive(Debug, Clone)]
enum Leaf {
    Number(u32),
    Code(u32, Id),
    Bag(Bag, Id),
}

impl Leaf {
    /// The elements of the input that it reads.
    fn reads(&self) -> std::ops::Range<u32> {
        match self {
            Self::Number(at) | Self::Code(at, _) => *at..at + 1,
            Self::Bag(bag, _) => bag.first..bag.first + bag.count as u32,
        }
    }
}

impl Entry {
    /// After a run on symbols; `roots`: the formulas of the outputs.
    pub(super) fn new(
        program: &Program,
        symbols: &mut Symbols,
        roots: &[Id],
    ) -> Result<Self, Refusal> {
        let mut entry = Self {
            texts: program.texts.clone(),
            ..Self::default()
        };
        let of_port = ports(program)?;
        // Elements that are no items of a list: something reads them otherwise.
        let mut single: HashSet<u32> = HashSet::new();
        let leaves = loop {
            let leaves = leaves(symbols, roots, &single, &of_port);
            let odd = not_lists(&leaves);
            if odd.is_empty() {
                break leaves;
            }
            single.extend(odd);
        };
        let mut first = 0u32;
        while let Some((port, part, parts)) = of_port.get(first as usize).copied() {
            let own = |leaf: &&Leaf| leaf.reads().start == first;
            let own: Vec<&Leaf> = leaves.iter().filter(own).collect();
            let count = own.iter().find_map(|leaf| match leaf {
                Leaf::Bag(bag, _) => Some(bag.count),
                _ => None,
            });
            let name = &program.inputs[port].name;
            let name = match (count, parts) {
                (_, 1) => name.clone(),
                (Some(count), _) if count == parts => name.clone(),
                (Some(count), _) => format!("{name}_{part}_to_{}", part + count - 1),
                (None, _) => format!("{name}_{part}"),
            };
            let element = Element {
                name,
                first,
                count: count.unwrap_or(1),
                given: program.inputs[port].given,
                number: own.iter().any(|leaf| matches!(leaf, Leaf::Number(_))),
                domain: None,
                groups: Vec::new(),
                padding: None,
            };
            first += element.count as u32;
            let element = element.with(symbols, &own).map_err(|(id, why)| Refusal {
                node: program
                    .nodes
                    .get(symbols.origin(id))
                    .map_or_else(|| "the input".into(), ToString::to_string),
                shape: None,
                why,
            })?;
            entry.add(element, symbols);
        }
        Ok(entry)
    }

    fn add(&mut self, element: Element, symbols: &mut Symbols) {
        if element.takes_number() {
            let id = symbols.intern(Formula::Feature(element.first));
            if element.number {
                self.places.insert(id, self.width);
            }
            self.width += 1;
        }
        for group in &element.groups {
            for (at, id) in group.columns.iter().enumerate() {
                if let Some(id) = id {
                    self.places.insert(*id, self.width + at);
                }
            }
            self.width += group.columns.len();
        }
        self.elements.push(element);
    }

    /// Where a formula stands in the vector, if it is a part of it.
    pub(super) fn place(&self, id: Id) -> Option<usize> {
        self.places.get(&id).copied()
    }

    fn makes_records(&self) -> bool {
        self.elements.iter().any(|e| e.domain.is_some())
    }

    /// A row of the input: numbers within a reach, and ids and texts of which most are known.
    pub(super) fn sample(&self, random: &mut Random, reach: f64) -> Vec<f64> {
        let mut row = Vec::new();
        for element in &self.elements {
            for _ in 0..element.count {
                row.push(element.sample(random, reach, &self.texts));
            }
        }
        row
    }

    /// The record of a row of the input, by name; of lists without what is no item.
    pub(super) fn record(&self, row: &[f64]) -> HashMap<&str, Value> {
        let mut record = HashMap::new();
        for element in &self.elements {
            let start = element.first as usize;
            let items = row.get(start..start + element.count).unwrap_or_default();
            record.insert(element.name.as_str(), element.value(items, &self.texts));
        }
        record
    }

    /// The inputs of a plan, and what makes them of a record where ids or texts enter.
    pub(super) fn plan(
        &self,
        program: &Program,
    ) -> Result<(Vec<Input>, Option<Record>), ModelError> {
        if !self.makes_records() {
            let ports = program.inputs.iter().enumerate();
            let inputs = ports.map(|(at, port)| {
                let count = outputs::features(program, at)?;
                Ok(Input::new(&port.name, count))
            });
            let inputs = inputs.collect::<Result<_, _>>();
            return Ok((inputs.map_err(|r| outputs::refused(program, &r))?, None));
        }
        let invalid = |why: FrontError| ModelError::Unsupported {
            place: "the graph's look-ups".into(),
            what: why.to_string(),
            remedy: "describe the fields in the spec (docs/features.md)".into(),
        };
        let mut builder = Builder::default();
        for element in &self.elements {
            if !element.takes_number() && element.groups.is_empty() {
                builder.note(format!("input `{}` is read by nothing", element.name));
                continue;
            }
            let field = builder.field(element.field(&self.texts));
            if element.takes_number() {
                builder.number(field, Number::default(), &Scaling::default());
            }
            for group in &element.groups {
                let (lookup, rows) = element.table(group, program, &self.texts);
                builder
                    .rows(field, &lookup, &rows, group.pool)
                    .map_err(invalid)?;
            }
            if let Some(note) = element.note() {
                builder.note(note);
            }
        }
        builder.note(
            "ids and texts of the graph's input look rows up in its tables: the blob takes a record \
             of them, and what has no row makes zeros"
                .into(),
        );
        Ok((Vec::new(), Some(builder.finish().map_err(invalid)?)))
    }
}

impl Element {
    /// With what the leaves make of it; an error names a formula.
    fn with(mut self, symbols: &mut Symbols, leaves: &[&Leaf]) -> Result<Self, (Id, String)> {
        let mut groups: Vec<Leaves> = Vec::new();
        for leaf in leaves {
            let (pool, whole, item, mask) = match leaf {
                Leaf::Number(_) => continue,
                Leaf::Code(_, id) => (Pool::One, *id, *id, None),
                Leaf::Bag(bag, id) => (bag.pool, *id, bag.item, bag.mask),
            };
            let row = match symbols.formula(item) {
                Formula::Row { table, index, .. } => Some((*table, *index)),
                _ => None,
            };
            let (hashed, leaf) = (symbols.hashes(item), (whole, item));
            let like =
                |g: &&mut Leaves| (g.pool, g.row, g.mask, g.hashed) == (pool, row, mask, hashed);
            match groups.iter_mut().find(like) {
                Some(group) => group.leaves.push(leaf),
                None => groups.push(Leaves {
                    pool,
                    row,
                    mask,
                    hashed,
                    leaves: vec![leaf],
                }),
            }
        }
        let Some(any) = groups.first().and_then(|g| g.leaves.first()).map(|l| l.1) else {
            if self.given == Given::Texts && self.number {
                let id = symbols.intern(Formula::Feature(self.first));
                return Err((id, "computes with a text as with a number".into()));
            }
            return Ok(self);
        };
        // What is hashed has a class for each text, and tells no others apart.
        let mut domains: [Option<Domain>; 2] = [None, None];
        for hashed in [false, true] {
            let own = groups.iter().filter(|g| g.hashed == hashed);
            let formulas: Vec<Id> = own
                .flat_map(|g| g.leaves.iter().map(|(_, item)| *item).chain(g.mask))
                .collect();
            if !formulas.is_empty() {
                let domain = symbols.domain(self.first, &formulas);
                domains[usize::from(hashed)] = Some(domain.map_err(|why| (formulas[0], why))?);
            }
        }
        let [plain, hashed] = domains;
        let domain = plain.clone().or_else(|| hashed.clone());
        let Some(domain) = domain else {
            return Ok(self);
        };
        if self.number && !matches!(domain, Domain::Buckets(..)) {
            let why = "looks up by an id that is computed with as a number as well";
            return Err((any, why.into()));
        }
        groups.sort_by_key(|group| match group.row {
            Some((table, _)) => symbols.tables.get(table as usize).map_or(0, |t| t.node),
            None => group
                .leaves
                .first()
                .map_or(0, |(id, _)| symbols.origin(*id)),
        });
        for leaves in groups {
            let own = if leaves.hashed { &hashed } else { &plain };
            let own = own.as_ref().unwrap_or(&domain);
            let group = group(symbols, own, &leaves);
            self.groups.push(group.map_err(|why| (any, why))?);
        }
        if self.count > 1 {
            self.padding = self.no_item();
            let means = self.groups.iter().any(|g| g.pool == Pool::Mean);
            let counted = |g: &Group| g.counts.iter().all(|c| *c);
            if means && self.padding.is_none() && !self.groups.iter().all(counted) {
                return Err((
                    any,
                    "averages over items that others do not leave out".into(),
                ));
            }
        }
        self.domain = Some(domain);
        Ok(self)
    }

    /// The class that no group takes for an item.
    fn no_item(&self) -> Option<usize> {
        let classes = self.groups.first()?.rows.len();
        let alike = |g: &Group| Some(&g.domain) == self.groups.first().map(|g| &g.domain);
        if !self.groups.iter().all(alike) {
            return None;
        }
        let zero = |row: &Option<Vec<f64>>| row.iter().flatten().all(|v| *v == 0.0);
        (0..classes).find(|at| {
            self.groups.iter().all(|g| match g.pool {
                Pool::Sum => g.rows.get(*at).is_some_and(zero),
                Pool::Mean => g.counts.get(*at) == Some(&false),
                _ => false,
            })
        })
    }

    /// Whether a column of the vector is the number: also where nothing reads it.
    fn takes_number(&self) -> bool {
        self.number || self.domain.is_none() && self.given != Given::Texts
    }

    fn field(&self, texts: &Texts) -> Field {
        let given = match (&self.domain, self.given) {
            (None | Some(Domain::Buckets(Bounds::F32(_), _)), _) => front::Given::F32,
            (Some(Domain::Buckets(..)), _) => front::Given::I32,
            (Some(Domain::Texts(_)), _) | (Some(Domain::Hashed(_)), Given::Texts) => {
                front::Given::Text
            }
            _ => front::Given::Id,
        };
        let mut field = Field::new(&self.name, given);
        if self.count > 1 {
            field.list = Some(List {
                max: self.count,
                keep_last: false,
            });
            field.text.padding = self.padding.and_then(|class| {
                let class = *self.domain.as_ref()?.classes().get(class)?;
                Some(match given {
                    front::Given::Text => texts.text(class),
                    _ => class.to_string(),
                })
            });
        }
        field
    }

    /// A group as the builder of front ends takes it.
    #[expect(clippy::cast_possible_truncation, reason = "the one rounding to f32")]
    fn table(&self, group: &Group, program: &Program, texts: &Texts) -> (Lookup, Rows) {
        let width = group.columns.len();
        let mut data: Vec<f32> = Vec::with_capacity((group.rows.len() + 1) * width);
        let mut push = |row: &Option<Vec<f64>>, counts: bool| {
            let row = row.as_ref().filter(|_| counts)?;
            data.extend(row.iter().map(|v| *v as f32));
            Some(data.len() / width.max(1) - 1)
        };
        let rows: Vec<Option<usize>> = (group.rows.iter().zip(&group.counts))
            .map(|(row, counts)| push(row, *counts))
            .collect();
        let other = push(&group.other, true);
        // What is no key has no row, and so counts as no item.
        let keyed =
            |at: usize| group.pool != Pool::Mean || rows.get(at).is_some_and(Option::is_some);
        let keys = match &group.domain {
            Domain::Rows(_) if rows.iter().enumerate().all(|(at, row)| *row == Some(at)) => {
                Keys::Rows(rows.len())
            }
            Domain::Rows(_) => {
                let ids = rows.iter().enumerate().filter(|(at, _)| keyed(*at));
                Keys::Ids(ids.map(|(id, row)| (id as u32, *row)).collect())
            }
            Domain::Ids(ids) => {
                let ids = ids
                    .iter()
                    .zip(&rows)
                    .enumerate()
                    .filter(|(at, _)| keyed(*at));
                Keys::Ids(ids.map(|(_, (id, row))| (*id, *row)).collect())
            }
            Domain::Texts(known) => {
                let texts = known.iter().map(|number| texts.text(*number));
                let known = texts.zip(&rows).enumerate().filter(|(at, _)| keyed(*at));
                Keys::texts(known.map(|(_, (text, row))| (text, *row)).collect())
            }
            Domain::Buckets(bounds, _) => Keys::Buckets(By::Buckets(bounds.clone()), rows),
            Domain::Hashed(buckets) => Keys::Buckets(By::Farm(*buckets), rows),
        };
        let name = program.nodes.get(group.node).map(|n| n.name.clone());
        let lookup = Lookup {
            keys,
            other,
            missing: None,
        };
        let rows = Rows {
            name: name.unwrap_or_default(),
            data,
            width,
        };
        (lookup, rows)
    }

    /// What a person should know of it.
    fn note(&self) -> Option<String> {
        let pools = self.groups.iter().any(|g| g.pool != Pool::One);
        let name = &self.name;
        pools.then(|| match (&self.padding, &self.domain) {
            (Some(class), Some(domain)) => {
                let class = domain.classes().get(*class).copied().unwrap_or(0.0);
                format!(
                    "list `{name}` has up to {} items; {class} fills it up in the graph, and is no \
                     item of the record",
                    self.count
                )
            }
            _ => format!(
                "list `{name}` has {} items, always: none of them is padding in the graph",
                self.count
            ),
        })
    }

    fn sample(&self, random: &mut Random, reach: f64, texts: &Texts) -> f64 {
        let mut below = |count: usize| {
            let at = random.within(0.0, count as f64) as usize;
            at.min(count.saturating_sub(1))
        };
        let Some(domain) = &self.domain else {
            return random.within(-reach, reach);
        };
        match domain {
            Domain::Hashed(_) if self.given == Given::Texts => texts.unknown(below(1 << 16)),
            Domain::Hashed(_) => below(1 << 16) as f64,
            Domain::Buckets(bounds, numbers) => {
                let class = numbers[below(numbers.len())];
                match bounds {
                    // Somewhere in a class, and now and then anywhere.
                    Bounds::F32(_) if below(4) == 0 => {
                        f64::from(random.within(-reach, reach) as f32)
                    }
                    _ => class,
                }
            }
            _ => {
                let classes = domain.classes();
                // Unless the graph fails on what it does not know.
                let own = || self.groups.iter().filter(|g| g.domain == *domain);
                let known = own().all(|g| g.other.is_some());
                let strangers = if known && domain.other().is_some() {
                    1
                } else {
                    0
                };
                let at = below(classes.len() + strangers);
                let fails = |at: usize| {
                    let lacks = |g: &Group| g.rows.get(at).is_none_or(Option::is_none);
                    own().any(lacks)
                };
                match (classes.get(at), domain) {
                    (Some(class), _) if !fails(at) => *class,
                    (Some(_), _) => {
                        let good = (0..classes.len()).find(|at| !fails(*at));
                        good.map_or(0.0, |at| classes[at])
                    }
                    (None, Domain::Texts(_)) => texts.unknown(below(STRANGERS)),
                    (None, _) => domain.other().unwrap_or(0.0),
                }
            }
        }
    }

    fn value(&self, items: &[f64], texts: &Texts) -> Value {
        let one = items.first().copied().unwrap_or(0.0);
        let field = self.field(texts);
        if self.count == 1 {
            #[expect(clippy::cast_possible_truncation, reason = "fields are f32")]
            return match field.given {
                front::Given::F32 => Value::Number(one as f32),
                front::Given::I32 => Value::Int(one as i32),
                front::Given::Id => Value::Id(one as u32),
                front::Given::Text => Value::Text(texts.text(one)),
            };
        }
        let classes = self.domain.as_ref().map_or_else(Vec::new, Domain::classes);
        let padding = self.padding.and_then(|at| classes.get(at).copied());
        let items = items.iter().filter(|item| Some(**item) != padding);
        if field.given == front::Given::Text {
            Value::Texts(items.map(|item| texts.text(*item)).collect())
        } else {
            Value::Ids(items.map(|item| *item as u32).collect())
        }
    }
}

/// By element of the input: its port, its place there, and how many there are.
fn ports(program: &Program) -> Result<Vec<(usize, usize, usize)>, Refusal> {
    let mut all = Vec::new();
    for port in 0..program.inputs.len() {
        let count = outputs::features(program, port)?;
        all.extend((0..count).map(|part| (port, part, count)));
    }
    Ok(all)
}

/// The formulas that the layers read, from the outputs down, each once.
fn leaves(
    symbols: &mut Symbols,
    roots: &[Id],
    single: &HashSet<u32>,
    of_port: &[(usize, usize, usize)],
) -> Vec<Leaf> {
    let mut seen: HashSet<Id> = roots.iter().copied().collect();
    let mut open: Vec<Id> = roots.iter().rev().copied().collect();
    let mut leaves = Vec::new();
    while let Some(id) = open.pop() {
        if let Formula::Feature(at) = *symbols.formula(id) {
            leaves.push(Leaf::Number(at));
            continue;
        }
        if symbols.is_leaf(id)
            && let Reads::Code(at) = symbols.reads(id)
        {
            leaves.push(Leaf::Code(at, id));
            continue;
        }
        if let Some(bag) = symbols.bag(id) {
            let leaf = Leaf::Bag(bag, id);
            let mut ports = leaf.reads().map(|at| of_port.get(at as usize).map(|p| p.0));
            let first = ports.next();
            let whole = ports.all(|port| Some(port) == first);
            if whole && leaf.reads().all(|at| !single.contains(&at)) {
                leaves.push(leaf);
                continue;
            }
        }
        let mut parts = Vec::new();
        symbols.formula(id).parts(|part| {
            if seen.insert(part) {
                parts.push(part);
            }
        });
        open.extend(parts.into_iter().rev());
    }
    leaves
}

/// Elements of lists that something else reads as well, or another list that is not the same.
fn not_lists(leaves: &[Leaf]) -> Vec<u32> {
    let mut reader: HashMap<u32, std::ops::Range<u32>> = HashMap::new();
    let mut odd = Vec::new();
    for leaf in leaves {
        for at in leaf.reads() {
            let before = reader.entry(at).or_insert_with(|| leaf.reads());
            if *before != leaf.reads() {
                odd.extend(leaf.reads());
                odd.extend(before.clone());
            }
        }
    }
    odd
}

/// What leaves that are looked up together are for each class.
fn group(symbols: &mut Symbols, domain: &Domain, found: &Leaves) -> Result<Group, String> {
    let (leaves, row, mask) = (&found.leaves, found.row, found.mask);
    let mut node = leaves.first().map_or(0, |(id, _)| symbols.origin(*id));
    let (mut columns, mut items): (Vec<Option<Id>>, Vec<Id>) = leaves
        .iter()
        .map(|(whole, item)| (Some(*whole), *item))
        .unzip();
    if let Some((table, index)) = row {
        // The table as it is, so that fields may share it.
        let found = symbols.tables.get(table as usize);
        let (of_node, width) = found.map_or((0, 0), |t| (t.node, t.width));
        node = of_node;
        let wholes = std::mem::take(&mut columns);
        let mut by_item: HashMap<Id, Id> =
            items.drain(..).zip(wholes.into_iter().flatten()).collect();
        for column in 0..width as u32 {
            let item = symbols.intern(Formula::Row {
                table,
                index,
                column,
            });
            items.push(item);
            columns.push(by_item.remove(&item));
        }
    }
    /// More cells than a device has room for.
    const MOST: usize = 1 << 24;
    let hashed = matches!(domain, Domain::Hashed(_));
    let whole = whole_table(symbols, domain, row);
    let rows: Vec<Result<Vec<f64>, String>> = if let Some(rows) = whole {
        rows.into_iter().map(Ok).collect()
    } else if domain.count().saturating_mul(items.len()) > MOST {
        let (columns, count) = (items.len(), domain.count());
        return Err(format!("makes {columns} columns of {count} classes"));
    } else {
        symbols.tabulate(&items, &domain.classes(), hashed)
    };
    if let Some(Err(why)) = rows.first()
        && rows.iter().all(Result::is_err)
    {
        return Err(why.clone());
    }
    let other = domain
        .other()
        .map(|other| symbols.tabulate(&items, &[other], hashed));
    let other = other
        .and_then(|rows| rows.into_iter().next())
        .and_then(Result::ok);
    let mut counts = vec![true; rows.len()];
    if let Some(mask) = mask {
        let stranger = domain.other().unwrap_or(0.0);
        let mut all = domain.classes();
        all.push(stranger);
        let masks = symbols.tabulate(&[mask], &all, hashed);
        let masks: Vec<Option<f64>> = masks
            .iter()
            .map(|m| m.as_ref().ok()?.first().copied())
            .collect();
        let zero = |row: &[f64]| row.iter().all(|v| *v == 0.0);
        for (at, counts) in counts.iter_mut().enumerate() {
            let row = rows[at].as_ref().map_or(&[][..], Vec::as_slice);
            *counts = match masks[at] {
                Some(1.0) => true,
                Some(0.0) if zero(row) => false,
                _ => return Err("averages with weights that are not 0 or 1".into()),
            };
        }
        if domain.other().is_some() && masks.last() != Some(&Some(1.0)) {
            return Err("averages over unknown items otherwise than over known ones".into());
        }
    }
    Ok(Group {
        pool: found.pool,
        domain: domain.clone(),
        node,
        columns,
        rows: rows.into_iter().map(Result::ok).collect(),
        other,
        counts,
    })
}

/// The rows of a table that is looked up by an id as it enters.
fn whole_table(
    symbols: &Symbols,
    domain: &Domain,
    row: Option<(u32, Id)>,
) -> Option<Vec<Vec<f64>>> {
    let (table, index) = row?;
    let Domain::Rows(count) = *domain else {
        return None;
    };
    let table = symbols.tables.get(table as usize)?;
    let rows = table.rows.chunks_exact(table.width.max(1)).take(count);
    symbols
        .is_raw(index)
        .then(|| rows.map(<[f64]>::to_vec).collect())
}
