//! Finds the engine's type for a blob: what `codegen` writes, and how much RAM its predictions take.
//!
//! The type is built as a small tree and printed at the end, so that nothing has to be read out of a
//! string again. The RAM is computed from the same tree as `Model::SCRATCH` is from the type.

mod layers;
mod record;
mod scratch;
mod ty;
mod wiring;

use std::ops::Range;

use mmoe::blob::{Blob, LayerRecord, NodeRecord, TaskRecord};

use scratch::{Buffers, Sizes};
use ty::{Arg, Ty};
use wiring::{Form, Level, Trunk};

pub(crate) use record::FEATURES;
pub use record::{FeatureType, RecordType};

/// The type of a blob.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// Aliases that the model's type uses: name, what it is, type.
    pub aliases: Vec<(String, String, String)>,
    /// The model's type; it names the struct of towers `Towers`.
    pub model: String,
    /// The records that the model takes; none where it takes a vector.
    pub records: Vec<RecordType>,
    /// Items of the crate that all these types name, sorted.
    pub imports: Vec<&'static str>,
    /// Bytes of buffers of a prediction: the model's `SCRATCH`.
    pub scratch: usize,
}

/// Why a blob has no type.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}; the shape-erased view (`mmoe::Dynamic`) runs it")]
pub struct NotTyped(String);

fn refuse<T>(why: impl Into<String>) -> Result<T, NotTyped> {
    Err(NotTyped(why.into()))
}

/// Finds the type of a blob.
///
/// # Errors
///
/// [`NotTyped`], which names the part of the wiring for which the engine has no type.
pub fn typed(blob: &Blob<'_>) -> Result<Typed, NotTyped> {
    let integer = blob.is_integer();
    let number = if integer { 2 } else { 4 };
    let sizes = Sizes {
        act: number,
        gate: number,
    };
    let trunk = wiring::trunk(blob)?;
    let records = record::records(blob)?;
    let mut spelling = Spelling {
        blob,
        layers: blob.nodes_with_layers().map(|n| n.layers).collect(),
        integer,
        inputs: blob.input_count() as usize,
        stage: stage(blob, &records),
        aliases: Vec::new(),
    };
    let towers = spelling.towers(&trunk)?;
    let factors = blob.tasks.iter().filter_map(TaskRecord::factors);
    let products: Vec<(usize, usize)> = factors.collect();
    let (outputs, tower_scratch) = sizes.towers(&towers, products.len());
    let (model, levels) = spelling.model(&trunk, towers, &products, sizes)?;
    // The levels before the last one run one after the other on the same bytes of the stack, and each
    // leaves its streams to the next. So their RAM is the largest level plus the streams on either
    // side, as in `Stacked`.
    let (mut first, mut last, mut between) = (0, levels[0].own, 0);
    for pair in levels.windows(2) {
        first = first.max(last) + between;
        last = pair[1].own;
        between = pair[0].streams;
    }
    // The stage of a record makes a vector; that of floats passes theirs on.
    let input = if integer || !records.is_empty() {
        number * spelling.inputs
    } else {
        0
    };
    let mut imports = Vec::new();
    model.imports(&mut imports);
    for (_, _, ty) in &spelling.aliases {
        ty.imports(&mut imports);
    }
    imports.extend(record::names(&records));
    imports.retain(|name| !records.iter().any(|r| r.stage == *name));
    imports.sort_unstable();
    imports.dedup();
    let aliases = spelling.aliases.into_iter();
    Ok(Typed {
        aliases: aliases
            .map(|(name, about, ty)| (name, about, ty.to_string()))
            .collect(),
        model: model.to_string(),
        records,
        imports,
        scratch: input + between + first.max(last + tower_scratch) + outputs,
    })
}

/// The stage of the records, in the precision of the blob; `None` where it takes a vector.
fn stage(blob: &Blob<'_>, records: &[RecordType]) -> Option<Ty> {
    let precision = || Ty::plain(record::precision(blob));
    let of = |record: &RecordType| Ty::of(record.stage, [precision()]);
    match records {
        [] => None,
        [one] => Some(of(one)),
        all => {
            let number = Ty::Primitive(if blob.is_integer() { "i16" } else { "f32" });
            let vector = Ty::Array(Box::new(number), blob.input_count() as usize);
            Some(Ty::of("Both", all.iter().map(of).chain([vector])))
        }
    }
}

/// A blob on its way to a type, and the names given to parts so far.
struct Spelling<'b> {
    blob: &'b Blob<'b>,
    /// The layers of each node.
    layers: Vec<&'b [LayerRecord]>,
    integer: bool,
    inputs: usize,
    /// The stage of a model that takes records.
    stage: Option<Ty>,
    /// Name, what it is, type.
    aliases: Vec<(String, String, Ty)>,
}

/// A node and its layers.
#[derive(Clone, Copy)]
struct Part<'b> {
    record: &'b NodeRecord,
    layers: &'b [LayerRecord],
}

impl<'b> Spelling<'b> {
    fn node(&self, n: usize) -> Part<'b> {
        Part {
            record: &self.blob.nodes[n],
            layers: self.layers[n],
        }
    }

    /// Width of value `v`.
    fn width(&self, v: usize) -> usize {
        self.blob.value_width(v).unwrap_or(0)
    }

    /// Width of what node `n` reads.
    fn reads(&self, n: usize) -> usize {
        self.width(usize::from(self.blob.nodes[n].src))
    }

    /// A name for a type: `wanted`, unless it has one already or another type is called so.
    fn alias(&mut self, wanted: &str, about: &str, ty: &Ty) -> Ty {
        let known = self.aliases.iter().find(|(_, _, t)| t == ty);
        let name = known.map_or_else(
            || {
                let taken = |n: &str| self.aliases.iter().any(|(name, ..)| name == n);
                let others = (2..).map(|number| format!("{wanted}_{number}"));
                let mut names = std::iter::once(wanted.to_owned()).chain(others);
                names.find(|n| !taken(n)).unwrap_or_default()
            },
            |(name, ..)| name.clone(),
        );
        if known.is_none() {
            self.aliases
                .push((name.clone(), about.to_owned(), ty.clone()));
        }
        Ty::Alias(name, Box::new(ty.clone()))
    }

    /// Types side by side, each under its name: `Expert` for the only kind, else `Expert0`,
    /// `Expert1`, ….
    fn side_by_side(&mut self, parts: &[Ty], name: &str, about: &str) -> Result<Ty, NotTyped> {
        layers::side_by_side(parts, |part, i| self.alias(&numbered(name, i), about, part))
    }

    fn towers(&mut self, trunk: &Trunk) -> Result<Vec<Ty>, NotTyped> {
        let nodes = self.blob.nodes;
        let first = nodes.iter().position(NodeRecord::is_tower);
        let (base, step) = trunk.streams(self.blob);
        let mut towers = Vec::new();
        for (k, n) in (first.unwrap_or(nodes.len())..nodes.len()).enumerate() {
            let src = usize::from(nodes[n].src);
            if src != base + k * step {
                return refuse(format!(
                    "tower {k} reads value {src}, which no family of types says"
                ));
            }
            let Some(task) = self.blob.tasks.get(k) else {
                return refuse("a tower without a task");
            };
            let width = self.width(src);
            towers.push(layers::tower(self.node(n), task, width, self.integer)?);
        }
        let alike = towers.windows(2).all(|pair| pair[0] == pair[1]);
        Ok(towers
            .iter()
            .map(|t| {
                let index = towers.iter().position(|o| o == t).filter(|_| !alike);
                self.alias(&numbered("Tower", index), "A tower", t)
            })
            .collect())
    }

    /// The model's type, and the buffers of each of its levels.
    fn model(
        &mut self,
        trunk: &Trunk,
        towers: Vec<Ty>,
        products: &[(usize, usize)],
        sizes: Sizes,
    ) -> Result<(Ty, Vec<Buffers>), NotTyped> {
        let count = Arg::Number(towers.len());
        let towers = products.iter().fold(Ty::Towers(towers), |ty, (a, b)| {
            Ty::Named("Product", vec![ty.into(), (*a).into(), (*b).into()])
        });
        let towers = Arg::Type(towers);
        let number = Ty::Primitive(if self.integer { "i16" } else { "f32" });
        let input = Ty::Array(Box::new(number), self.inputs);
        let stage: Vec<Arg> = self.stage.iter().cloned().map(Arg::Type).collect();
        let staged = |args: Vec<Arg>| [args, stage.clone()].concat();
        Ok(match trunk {
            Trunk::Through => (
                Ty::Named("Independent", staged(vec![input.into(), towers, count])),
                vec![sizes.passed_on(self.inputs)],
            ),
            Trunk::Bottom(n) => {
                let expert = layers::expert(self.node(*n), self.inputs, self.integer)?;
                let name = self.alias("SharedExpert", "The shared bottom", &expert);
                (
                    Ty::Named("SharedBottom", staged(vec![name.into(), towers, count])),
                    vec![sizes.shared_expert(&expert)],
                )
            }
            Trunk::Levels { levels, one } => {
                let types = levels
                    .iter()
                    .map(|l| self.level(l, levels.len() > 1))
                    .collect::<Result<Vec<_>, _>>()?;
                let buffers = types.iter().map(|ty| sizes.level(ty)).collect();
                let family = family(&types, *one, &towers, &count)?;
                let family = family.map(|ty| match ty {
                    Ty::Named(name, args) => Ty::Named(name, staged(args)),
                    other => other,
                });
                let raw = || Ty::of("Raw", [input]);
                let stage = self.stage.clone().unwrap_or_else(raw);
                let model = family.unwrap_or_else(|| stacked(types, *one, stage, towers, count));
                (model, buffers)
            }
        })
    }

    fn gates(
        &self,
        range: Range<usize>,
        experts: usize,
        masked: bool,
    ) -> Result<Vec<Ty>, NotTyped> {
        range
            .map(|n| {
                let mask = masked
                    .then(|| wiring::steps_seen(self.blob, n).fold(0, |mask, s| mask | 1 << s));
                layers::gate(self.node(n), self.reads(n), experts, mask)
            })
            .collect()
    }

    fn level(&mut self, level: &Level, many: bool) -> Result<Ty, NotTyped> {
        let number = |what: &str| {
            if many {
                format!("{what}{}", level.index + 1)
            } else {
                what.to_owned()
            }
        };
        let about = |what: &str| {
            if many {
                format!("{what} of level {}", level.index + 1)
            } else {
                what.to_owned()
            }
        };
        let experts: Vec<Ty> = level
            .experts
            .clone()
            .map(|n| layers::expert(self.node(n), self.reads(n), self.integer))
            .collect::<Result<_, _>>()?;
        let all = experts.len();
        let (own, shared, shared_stream) = match level.form {
            Form::Mix => {
                let e = self.side_by_side(&experts, &number("Expert"), &about("An expert"))?;
                let sees_all = |n: usize| self.blob.nodes[n].seen() == all;
                let masked = !level.gates.clone().all(sees_all);
                let gates = self.gates(level.gates.clone(), all, masked)?;
                let g = self.side_by_side(&gates, &number("TaskGate"), &about("A gate"))?;
                return Ok(Ty::of("MmoeLevel", [e, g]));
            }
            Form::Cgc { own, shared } => (own, shared, false),
            Form::Extract { own, shared } => (own, shared, true),
        };
        let tasks = level.gates.len() - usize::from(shared_stream);
        let first = &experts[..own];
        if (1..tasks).any(|k| experts[k * own..(k + 1) * own] != *first) {
            return refuse(
                "each task's experts have their own shapes, which the types of CGC do not spell",
            );
        }
        let e = self.side_by_side(first, &number("Expert"), &about("A task's expert"))?;
        let sh = if shared == 0 {
            let name = self.alias(&number("Expert"), "", &first[0]);
            Ty::Array(Box::new(name), 0)
        } else {
            let name = number("SharedExpert");
            self.side_by_side(&experts[tasks * own..], &name, &about("A shared expert"))?
        };
        // A CGC gate weighs its own experts and the shared ones, whatever their numbers.
        let task_gates = level.gates.start..level.gates.start + tasks;
        let gates = self.gates(task_gates, own + shared, false)?;
        if gates.iter().any(|p| *p != gates[0]) {
            return refuse(
                "each task's gate has its own shape, which the types of CGC do not spell",
            );
        }
        let t = self.alias(&number("TaskGate"), &about("A task's gate"), &gates[0]);
        let cgc = Ty::Named(
            "CgcLevel",
            vec![e.into(), sh.into(), t.into(), tasks.into()],
        );
        if !shared_stream {
            return Ok(cgc);
        }
        let gate = self.gates(level.gates.end - 1..level.gates.end, all, false)?;
        let about = about("The shared stream's gate");
        let gate = self.alias(&number("StreamGate"), &about, &gate[0]);
        Ok(Ty::of("ExtractionLevel", [cgc, gate]))
    }
}

/// The arguments of a level's family: experts and gates, without the number of tasks, which the
/// towers say.
fn arguments(level: &Ty) -> Option<(&'static str, Vec<Arg>)> {
    match level {
        Ty::Named("MmoeLevel", args) => Some(("Mmoe", args.clone())),
        Ty::Named("CgcLevel", args) => Some(("Cgc", args[..3].to_vec())),
        Ty::Named("ExtractionLevel", args) => Some(("Extraction", args.clone())),
        _ => None,
    }
}

/// The model as one of the families that have a name; `None` where it has none.
fn family(levels: &[Ty], one: bool, towers: &Arg, count: &Arg) -> Result<Option<Ty>, NotTyped> {
    let arguments: Option<Vec<_>> = levels.iter().map(arguments).collect();
    Ok(match arguments.as_deref() {
        Some([("Mmoe", args)]) if one => match args.as_slice() {
            // The family takes the one gate itself, not an array of it.
            [experts, Arg::Type(Ty::Array(gate, 1))] => {
                let gate = Arg::Type((**gate).clone());
                let args = vec![experts.clone(), gate, towers.clone(), count.clone()];
                Some(Ty::Named("Omoe", args))
            }
            _ => return refuse("one gate for all tasks is an array of one"),
        },
        Some([("Mmoe", args)]) => Some(Ty::Named("Mmoe", with(args, &[towers]))),
        Some([("Cgc", args)]) => Some(Ty::Named("Cgc", with(args, &[towers, count]))),
        Some([("Extraction", _)]) => {
            return refuse("its last level has a shared stream that nothing reads");
        }
        // This family takes its levels whole.
        Some([("Extraction", _), ("Cgc", _)]) => {
            let levels: Vec<Arg> = levels.iter().cloned().map(Arg::Type).collect();
            Some(Ty::Named("Ple", with(&levels, &[towers])))
        }
        _ => None,
    })
}

fn with(args: &[Arg], more: &[&Arg]) -> Vec<Arg> {
    args.iter().chain(more.iter().copied()).cloned().collect()
}

/// Levels one after the other, spelled out.
fn stacked(levels: Vec<Ty>, one: bool, stage: Ty, towers: Arg, count: Arg) -> Ty {
    let trunk = levels
        .into_iter()
        .reduce(|before, level| Ty::of("Stacked", [before, level]))
        .unwrap_or(Ty::plain("Passthrough"));
    let trunk = if one {
        Ty::Named("SingleGate", vec![trunk.into(), count])
    } else {
        trunk
    };
    // The source calls its own type `Model`, so the engine's is named by its path.
    Ty::Named("mmoe::Model", vec![stage.into(), trunk.into(), towers])
}

/// `Expert` for the only kind, else `Expert0`, `Expert1`, ….
fn numbered(name: &str, i: Option<usize>) -> String {
    i.map_or_else(|| name.to_owned(), |i| format!("{name}{i}"))
}
