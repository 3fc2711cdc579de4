//! The engine's type for a blob: what `codegen` writes, and how much RAM its predictions take.

mod layers;
mod wiring;

use crate::blob::message::{Header, Node};
use layers::{Names, Part, gate, tower};
use wiring::{Form, Level, Trunk};

/// A blob's type.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed {
    /// Aliases that the model's type uses: name, what it is, type.
    pub aliases: Vec<(String, String, String)>,
    /// The model's type; it names the struct of towers `Towers`.
    pub model: String,
    /// The towers as items of `mmoe::tasks!` have them: one type per tower, in order.
    pub towers: Vec<String>,
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

/// Sizes of a model's numbers, in bytes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    integer: bool,
    /// One activation.
    act: usize,
    /// One gate weight.
    gate: usize,
}

/// Bytes of logits, probabilities and accumulators in every model.
const WORD: usize = 4;

/// Spells the type of a blob's header.
///
/// # Errors
///
/// A wiring for which the engine has no type, in words.
pub fn typed(header: &Header) -> Result<Typed, NotTyped> {
    let integer = header.layers.iter().any(|l| l.record().is_integer());
    let sizes = if integer {
        Sizes {
            integer,
            act: 2,
            gate: 2,
        }
    } else {
        Sizes {
            integer,
            act: 4,
            gate: 4,
        }
    };
    let mut names = Names::new(sizes);
    let trunk = wiring::trunk(header)?;
    let inputs = header.inputs.first().map_or(0, |i| i.count as usize);
    let (towers, task_bytes, tower_scratch) = towers(header, &trunk, &mut names)?;
    let (towers_type, tower_names) = towers_type(header, &towers, &mut names);
    let count = towers.len();
    let parts = Parts {
        header,
        sizes,
        inputs,
    };
    let (model, levels) = match &trunk {
        Trunk::Through => {
            names.import("Independent");
            let act = if integer { "i16" } else { "f32" };
            let model = format!("Independent<[{act}; {inputs}], {towers_type}, {count}>");
            (
                model,
                vec![Buffers {
                    first: 0,
                    last: 2 * inputs * sizes.act,
                    streams: 0,
                }],
            )
        }
        Trunk::Bottom(expert) => {
            names.import("SharedBottom");
            let expert = parts.unit(*expert, inputs, &mut names)?;
            let last = 2 * expert.outputs * sizes.act + expert.scratch;
            let name = names.alias("SharedExpert", "The shared bottom", &expert.text);
            (
                format!("SharedBottom<{name}, {towers_type}, {count}>"),
                vec![Buffers {
                    first: 0,
                    last,
                    streams: 0,
                }],
            )
        }
        Trunk::Levels { levels, one } => {
            let spelled: Vec<Spelled> = levels
                .iter()
                .map(|l| parts.level(l, levels.len() > 1, &mut names))
                .collect::<Result<_, _>>()?;
            let model = parts.model(levels, &spelled, *one, &towers_type, count, &mut names)?;
            (model, spelled.into_iter().map(|s| s.buffers).collect())
        }
    };
    // A stack's levels before its last one leave their streams to the next.
    let (mut first, mut last, mut between) = (levels[0].first, levels[0].last, 0);
    for pair in levels.windows(2) {
        first = first.max(last) + between;
        last = pair[1].last;
        between = pair[0].streams;
    }
    let input = if integer { 2 * inputs } else { 0 };
    let scratch = input + between + first.max(last + tower_scratch) + task_bytes;
    let (aliases, imports) = names.finish();
    Ok(Typed {
        aliases,
        model,
        towers: tower_names,
        imports,
        scratch,
    })
}

/// Bytes of one level's buffers.
#[derive(Debug, Clone, Copy)]
struct Buffers {
    /// Of what runs before it.
    first: usize,
    /// Its own.
    last: usize,
    /// Of what it leaves to a next level.
    streams: usize,
}

/// One level's type.
struct Spelled {
    /// As a trunk.
    text: String,
    /// As arguments of its family's alias.
    arguments: String,
    buffers: Buffers,
}

struct Parts<'h> {
    header: &'h Header,
    sizes: Sizes,
    inputs: usize,
}

impl Parts<'_> {
    fn node(&self, n: usize) -> &Node {
        &self.header.nodes[n]
    }

    /// Width of value `v`.
    fn width(&self, v: usize) -> usize {
        if v == 0 {
            self.inputs
        } else {
            usize::from(self.node(v - 1).outputs)
        }
    }

    /// The type of an expert.
    fn unit(&self, n: usize, width: usize, names: &mut Names) -> Result<Part, NotTyped> {
        layers::expert(self.header, n, width, names)
    }

    fn level(&self, level: &Level, many: bool, names: &mut Names) -> Result<Spelled, NotTyped> {
        let number = |what: &str| {
            if many {
                format!("{what}{}", level.index + 1)
            } else {
                what.to_owned()
            }
        };
        let place = if many {
            format!(" of level {}", level.index + 1)
        } else {
            String::new()
        };
        let experts: Vec<Part> = level
            .experts
            .clone()
            .map(|n| self.unit(n, self.width(usize::from(self.node(n).src)), names))
            .collect::<Result<_, _>>()?;
        let spell = |group: &[Part], what: &str, about: &str, names: &mut Names| {
            let (text, list) = layers::bank(group, |part, i| {
                names.alias(
                    &numbered(&number(what), i),
                    &format!("{about}{place}"),
                    &part.text,
                )
            })?;
            list.into_iter().for_each(|list| names.import(list));
            Ok::<String, NotTyped>(text)
        };
        let width = usize::from(self.node(level.experts.start).outputs);
        let all = level.experts.len();
        let (s, g) = (self.sizes, level.gates.len());
        let expert_scratch = experts.iter().map(|e| e.scratch).max().unwrap_or(0);
        let gates = |range: std::ops::Range<usize>,
                     seen_of: usize,
                     all_seen: bool,
                     names: &mut Names|
         -> Result<Vec<Part>, NotTyped> {
            range
                .map(|n| {
                    let node = self.node(n);
                    // A CGC gate weighs its own experts and the shared ones, whatever their
                    // numbers.
                    let mask = if all_seen { None } else { Some(node.sees) };
                    gate(
                        self.header,
                        n,
                        self.width(usize::from(node.src)),
                        seen_of,
                        mask,
                        names,
                    )
                })
                .collect()
        };
        let (text, arguments, rows, streams) = match level.form {
            Form::Mix => {
                let e = spell(&experts, "Expert", "An expert", names)?;
                let full = level
                    .gates
                    .clone()
                    .all(|n| u64::from(self.node(n).sees) == (1u64 << all) - 1);
                let gate_parts = gates(level.gates.clone(), all, full, names)?;
                let t = spell(&gate_parts, "TaskGate", "A gate", names)?;
                let inner = gate_parts
                    .iter()
                    .map(|p| p.scratch)
                    .max()
                    .unwrap_or(0)
                    .max(expert_scratch);
                names.import("MmoeLevel");
                (
                    format!("MmoeLevel<{e}, {t}>"),
                    format!("{e}, {t}"),
                    (g * all * s.gate, inner),
                    g,
                )
            }
            Form::Cgc { own, shared } | Form::Extract { own, shared } => {
                let tasks = if matches!(level.form, Form::Extract { .. }) {
                    g - 1
                } else {
                    g
                };
                let first = &experts[..own];
                if (1..tasks).any(|k| experts[k * own..(k + 1) * own] != *first) {
                    return refuse(
                        "each task's experts have their own shapes, which the types of CGC do not \
                         spell",
                    );
                }
                let e = spell(first, "Expert", "A task's expert", names)?;
                let sh = if shared == 0 {
                    format!(
                        "[{}; 0]",
                        names.alias(&number("Expert"), "", &first[0].text)
                    )
                } else {
                    spell(
                        &experts[tasks * own..],
                        "SharedExpert",
                        "A shared expert",
                        names,
                    )?
                };
                let own_gates = gates(
                    level.gates.start..level.gates.start + tasks,
                    own + shared,
                    true,
                    names,
                )?;
                if own_gates.iter().any(|p| *p != own_gates[0]) {
                    return refuse(
                        "each task's gate has its own shape, which the types of CGC do not spell",
                    );
                }
                let t = names.alias(
                    &number("TaskGate"),
                    &format!("A task's gate{place}"),
                    &own_gates[0].text,
                );
                let mut inner = own_gates[0].scratch.max(expert_scratch);
                let mut rows = tasks * (own + shared) * s.gate;
                names.import("CgcLevel");
                let mut text = format!("CgcLevel<{e}, {sh}, {t}, {tasks}>");
                let mut arguments = format!("{e}, {sh}, {t}");
                if matches!(level.form, Form::Extract { .. }) {
                    let q = gates(level.gates.end - 1..level.gates.end, all, true, names)?;
                    let q_name = names.alias(
                        &number("StreamGate"),
                        &format!("The shared stream's gate{place}"),
                        &q[0].text,
                    );
                    inner = inner.max(q[0].scratch);
                    rows += all * s.gate;
                    names.import("ExtractionLevel");
                    text = format!("ExtractionLevel<{text}, {q_name}>");
                    arguments = format!("{arguments}, {q_name}");
                }
                (text, arguments, (rows, inner), g)
            }
        };
        let (rows, inner) = rows;
        let last = width * s.act + g * width * WORD + rows + inner;
        Ok(Spelled {
            text,
            arguments,
            buffers: Buffers {
                first: 0,
                last,
                streams: streams * width * s.act,
            },
        })
    }

    fn model(
        &self,
        levels: &[Level],
        spelled: &[Spelled],
        one: bool,
        towers: &str,
        count: usize,
        names: &mut Names,
    ) -> Result<String, NotTyped> {
        let raw = |names: &mut Names| {
            names.import("Raw");
            format!(
                "Raw<[{}; {}]>",
                if self.sizes.integer { "i16" } else { "f32" },
                self.inputs
            )
        };
        let (form, text) = match (levels, spelled) {
            ([l], [s]) => (&l.form, s),
            ([a, b], [x, y])
                if matches!((a.form, b.form), (Form::Extract { .. }, Form::Cgc { .. })) =>
            {
                names.import("Ple");
                return Ok(format!("Ple<{}, {}, {towers}>", x.text, y.text));
            }
            _ => {
                let mut trunk = spelled[0].text.clone();
                for s in &spelled[1..] {
                    names.import("Stacked");
                    trunk = format!("Stacked<{trunk}, {}>", s.text);
                }
                if one {
                    names.import("SingleGate");
                    trunk = format!("SingleGate<{trunk}, {count}>");
                }
                return Ok(format!("mmoe::Model<{}, {trunk}, {towers}>", raw(names)));
            }
        };
        Ok(match form {
            Form::Mix if one => {
                names.unimport("MmoeLevel");
                names.import("Omoe");
                // The alias takes the one gate itself, not an array of it.
                let arguments = text
                    .arguments
                    .rsplit_once(", [")
                    .and_then(|(e, g)| Some((e, g.strip_suffix("; 1]")?)));
                let Some((experts, gate)) = arguments else {
                    return refuse("one gate for all tasks is an array of one");
                };
                format!("Omoe<{experts}, {gate}, {towers}, {count}>")
            }
            Form::Mix => {
                names.unimport("MmoeLevel");
                names.import("Mmoe");
                format!("Mmoe<{}, {towers}>", text.arguments)
            }
            Form::Cgc { .. } => {
                names.unimport("CgcLevel");
                names.import("Cgc");
                format!("Cgc<{}, {towers}, {count}>", text.arguments)
            }
            Form::Extract { .. } => {
                return refuse("its last level has a shared stream that nothing reads");
            }
        })
    }
}

/// `Expert` for the only kind, else `Expert0`, `Expert1`, ….
fn numbered(name: &str, i: Option<usize>) -> String {
    i.map_or_else(|| name.to_owned(), |i| format!("{name}{i}"))
}

/// The towers' types, the bytes of all raw outputs, and of the largest tower's buffers.
fn towers(
    header: &Header,
    trunk: &Trunk,
    names: &mut Names,
) -> Result<(Vec<Part>, usize, usize), NotTyped> {
    let first = header
        .nodes
        .iter()
        .position(|n| n.record().is_tower())
        .unwrap_or(header.nodes.len());
    let (base, step) = trunk.streams(header);
    let mut parts = Vec::new();
    let (mut bytes, mut align) = (0usize, 1);
    for (k, n) in (first..header.nodes.len()).enumerate() {
        let node = &header.nodes[n];
        if usize::from(node.src) != base + k * step {
            return refuse(format!(
                "tower {k} reads value {}, which no family of types says",
                node.src
            ));
        }
        let Some(task) = header.tasks.get(k) else {
            return refuse("a tower without a task");
        };
        let width = if node.src == 0 {
            header.inputs.first().map_or(0, |i| i.count as usize)
        } else {
            usize::from(header.nodes[usize::from(node.src) - 1].outputs)
        };
        let (part, size, alignment) = tower(header, n, task, width, names)?;
        bytes = bytes.next_multiple_of(alignment) + size;
        align = align.max(alignment);
        parts.push(part);
    }
    bytes += header
        .tasks
        .iter()
        .filter(|t| t.record().factors().is_some())
        .count()
        * WORD;
    let scratch = parts.iter().map(|p| p.scratch).max().unwrap_or(0);
    Ok((parts, bytes.next_multiple_of(align), scratch))
}

/// How the model's type names its towers, and the towers' types.
fn towers_type(header: &Header, towers: &[Part], names: &mut Names) -> (String, Vec<String>) {
    let spelled: Vec<String> = towers
        .iter()
        .map(|t| {
            let alike = towers.iter().all(|o| o == t);
            let index = towers.iter().position(|o| o == t).filter(|_| !alike);
            names.alias(&numbered("Tower", index), "A tower", &t.text)
        })
        .collect();
    let mut text = format!("Towers<{}>", spelled.join(", "));
    for p in header
        .tasks
        .iter()
        .filter(|t| t.record().factors().is_some())
    {
        names.import("Product");
        text = format!("Product<{text}, {}, {}>", p.a, p.b);
    }
    (text, spelled)
}
