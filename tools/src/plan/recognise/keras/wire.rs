//! From what was followed through a configuration to a plan.

use super::config::REMEDY;
use super::layer::Step;
use super::trace::{Base, Chain, End, Mix, Traced};
use crate::error::ModelError;
use crate::plan::recognise::names::{Names, softmax_gate, unit};
use crate::plan::{
    ActivationPlan, Front, GateKindPlan, LayerPlan, Level, OutputPlan, Plan, Pointwise, Reads,
    TaskPlan, Unit,
};

/// A plan, and the tensor of the graph that is its input.
pub(super) struct Wired {
    pub(super) plan: Plan,
    pub(super) input: String,
    pub(super) notes: Vec<String>,
}

pub(super) fn wire(names: &Names<'_>, mut traced: Traced) -> Result<Wired, ModelError> {
    let mut notes = Vec::new();
    let ends = tasks(names, &mut traced, &mut notes)?;
    let input = input(names, &traced, &ends)?;
    let mut ends = ends;
    let front = front(&mut traced, &mut ends);
    let mut wiring = Wiring {
        names,
        mixes: &traced.mixes,
        depth: Vec::new(),
    };
    wiring.depths()?;
    let mut plan = Plan {
        front,
        ..Plan::default()
    };
    for depth in 1..=wiring.depth.iter().copied().max().unwrap_or(0) {
        plan.levels.push(wiring.level(depth)?);
    }
    if traced.mixes.is_empty()
        && let Some(bottom) = shared(&mut ends)
    {
        let level = Level {
            experts: vec![unit("expert 0".into(), layers(names, bottom)?)],
            gates: Vec::new(),
        };
        plan.levels.push(level);
        for end in ends.iter_mut().filter_map(|e| e.chain.as_mut()) {
            end.base = Base::Mix(0);
        }
        wiring.depth = vec![1];
    }
    for end in ends {
        let name = end.task.name.clone();
        if let Some(chain) = end.chain {
            plan.towers.push(Unit {
                name: format!("tower of `{name}`"),
                reads: wiring.tower_reads(&chain, &name, plan.levels.len())?,
                slice: None,
                layers: layers(names, chain.steps)?,
            });
        }
        plan.tasks.push(end.task);
    }
    Ok(Wired { plan, input, notes })
}

/// An output: its task, and the chain of its tower where it has one.
struct Task {
    task: TaskPlan,
    chain: Option<Chain>,
}

/// The outputs as tasks, products last, their factors among the others.
fn tasks(
    names: &Names<'_>,
    traced: &mut Traced,
    notes: &mut Vec<String>,
) -> Result<Vec<Task>, ModelError> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut chains: Vec<Chain> = Vec::new();
    let mut products = Vec::new();
    for (name, end) in std::mem::take(&mut traced.outputs) {
        match end {
            End::Chain(chain) => {
                let taken = tasks.iter().any(|t| t.task.name == name);
                let name = if taken || chain.steps.is_empty() {
                    format!("{name}_{}", tasks.len())
                } else {
                    name
                };
                chains.push(chain.clone());
                tasks.push(task(names, name, chain)?);
            }
            End::Product(a, b) => products.push((name, a, b)),
        }
    }
    for (name, a, b) in products {
        let mut factor = |chain: Chain| -> Result<usize, ModelError> {
            if let Some(i) = chains.iter().position(|c| *c == chain) {
                return Ok(i);
            }
            let own = chain.steps.last().map_or("factor", |s| &s.name);
            let own = own.rsplit('+').next().unwrap_or(own).to_owned();
            notes.push(format!(
                "`{own}` is no output of the file's, but a factor of `{name}`: it becomes one"
            ));
            chains.push(chain.clone());
            tasks.push(task(names, own, chain)?);
            Ok(tasks.len() - 1)
        };
        let output = Some(OutputPlan::Product(factor(a)?, factor(b)?));
        // A product's place in the list of chains stays empty.
        tasks.push(Task {
            task: TaskPlan::new(name, output),
            chain: None,
        });
        chains.push(Chain {
            base: Base::Mix(usize::MAX),
            steps: Vec::new(),
        });
    }
    // Products stand behind the tasks that they are made of.
    let last = |t: &Task| t.chain.is_none();
    let order: Vec<usize> = (0..tasks.len())
        .filter(|i| !last(&tasks[*i]))
        .chain((0..tasks.len()).filter(|i| last(&tasks[*i])))
        .collect();
    let at = |old: usize| order.iter().position(|o| *o == old).unwrap_or(old);
    let mut sorted: Vec<(usize, Task)> = tasks
        .into_iter()
        .enumerate()
        .map(|(i, t)| (at(i), t))
        .collect();
    sorted.sort_by_key(|(i, _)| *i);
    let moved = |(_, mut t): (usize, Task)| {
        if let Some(OutputPlan::Product(a, b)) = &mut t.task.output {
            (*a, *b) = (at(*a), at(*b));
        }
        t
    };
    Ok(sorted.into_iter().map(moved).collect())
}

/// The task that a chain ends in: its last activation is the task's.
fn task(names: &Names<'_>, name: String, mut chain: Chain) -> Result<Task, ModelError> {
    let output = match chain.steps.last_mut() {
        None => OutputPlan::Linear,
        Some(step) => match step.outer.take() {
            Some(output) => output,
            None => {
                let output = match &step.plan.activation {
                    ActivationPlan::Linear => OutputPlan::Linear,
                    ActivationPlan::Relu => OutputPlan::Relu,
                    ActivationPlan::Tanh => OutputPlan::Tanh,
                    ActivationPlan::Pointwise(Pointwise::Softplus) => OutputPlan::Softplus,
                    ActivationPlan::Pointwise(Pointwise::Exp) => OutputPlan::Exp,
                    ActivationPlan::Pointwise(Pointwise::Relu6) => {
                        OutputPlan::Clip { min: 0.0, max: 6.0 }
                    }
                    other => {
                        return Err(names.wrong(
                            &format!(
                                "output `{name}` ends in {}, which makes no output",
                                other.name()
                            ),
                            REMEDY,
                        ));
                    }
                };
                step.plan.activation = ActivationPlan::Linear;
                output
            }
        },
    };
    Ok(Task {
        task: TaskPlan::new(name, Some(output)),
        chain: Some(chain),
    })
}

/// The one tensor from which everything is computed.
fn input(names: &Names<'_>, traced: &Traced, ends: &[Task]) -> Result<String, ModelError> {
    let mut inputs: Vec<&String> = Vec::new();
    let mixes = traced
        .mixes
        .iter()
        .flat_map(|m| m.experts.iter().chain([&m.gate]));
    for chain in mixes.chain(ends.iter().filter_map(|e| e.chain.as_ref())) {
        if let Base::Raw(name) = &chain.base
            && !inputs.contains(&name)
        {
            inputs.push(name);
        }
    }
    match inputs.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(names.wrong("nothing in it reads an input", REMEDY)),
        several => {
            let list: Vec<String> = several.iter().map(|n| format!("`{n}`")).collect();
            Err(names.wrong(
                &format!("its parts read several inputs ({})", list.join(", ")),
                "the engine reads one vector: describe the model in a spec, with slices of it",
            ))
        }
    }
}

/// The layers that all that reads the input has in common, taken off everything.
fn front(traced: &mut Traced, ends: &mut [Task]) -> Option<Front> {
    if traced.mixes.is_empty() {
        return None;
    }
    let mut chains: Vec<&mut Chain> = traced
        .mixes
        .iter_mut()
        .flat_map(|m| m.experts.iter_mut().chain([&mut m.gate]))
        .chain(ends.iter_mut().filter_map(|e| e.chain.as_mut()))
        .filter(|c| matches!(c.base, Base::Raw(_)))
        .collect();
    let common = common(&chains.iter().map(|c| &**c).collect::<Vec<_>>());
    // A chain that is all front would be an expert without a layer.
    if common == 0 {
        return None;
    }
    let steps: Vec<Step> = chains.first()?.steps[..common].to_vec();
    for chain in &mut chains {
        chain.steps.drain(..common);
    }
    let name = steps.first()?.name.clone();
    let layers = steps.into_iter().map(|s| s.inside().plan).collect();
    Some(Front {
        layers,
        runs: false,
        open: true,
        name,
    })
}

/// How many steps chains have in common from the start.
fn common(chains: &[&Chain]) -> usize {
    let Some((first, rest)) = chains.split_first() else {
        return 0;
    };
    let alike = |i: &usize| rest.iter().all(|c| c.steps.get(*i) == first.steps.get(*i));
    (0..first.steps.len()).take_while(alike).count()
}

/// The layers that all towers share, taken off them; `None` where there are none.
fn shared(ends: &mut [Task]) -> Option<Vec<Step>> {
    let mut chains: Vec<&mut Chain> = ends.iter_mut().filter_map(|e| e.chain.as_mut()).collect();
    let common = common(&chains.iter().map(|c| &**c).collect::<Vec<_>>());
    if chains.len() < 2 || common == 0 {
        return None;
    }
    let steps = chains.first()?.steps[..common].to_vec();
    for chain in &mut chains {
        chain.steps.drain(..common);
    }
    Some(steps)
}

fn layers(names: &Names<'_>, steps: Vec<Step>) -> Result<Vec<LayerPlan>, ModelError> {
    if let Some(inner) = steps.iter().find(|s| s.outer == Some(OutputPlan::Softmax)) {
        return Err(names.wrong(
            &format!(
                "layer `{}` has a softmax inside an expert or a tower",
                inner.name
            ),
            REMEDY,
        ));
    }
    let plans = steps.into_iter().map(|s| s.inside().plan);
    Ok(plans.filter(|p| *p != LayerPlan::default()).collect())
}

/// Mixtures in levels.
struct Wiring<'w, 'a> {
    names: &'w Names<'a>,
    mixes: &'w [Mix],
    /// Level of each mixture, from 1.
    depth: Vec<usize>,
}

impl Wiring<'_, '_> {
    /// A mixture stands one level above those that its parts read; sources come first.
    fn depths(&mut self) -> Result<(), ModelError> {
        for mix in self.mixes {
            let of = |chain: &Chain| match chain.base {
                Base::Raw(_) => Some(0),
                Base::Mix(m) => self.depth.get(m).copied(),
            };
            let parts = mix.experts.iter().chain([&mix.gate]);
            let deepest = parts.map(of).collect::<Option<Vec<usize>>>();
            let deepest =
                deepest.ok_or_else(|| self.names.wrong("its mixtures read each other", REMEDY))?;
            self.depth.push(1 + deepest.into_iter().max().unwrap_or(0));
        }
        Ok(())
    }

    /// The mixtures of a level, in their order.
    fn of(&self, depth: usize) -> Vec<usize> {
        (0..self.mixes.len())
            .filter(|m| self.depth.get(*m) == Some(&depth))
            .collect()
    }

    fn level(&self, depth: usize) -> Result<Level, ModelError> {
        let mut level = Level::default();
        let mut experts: Vec<&Chain> = Vec::new();
        for number in self.of(depth) {
            let Some(mix) = self.mixes.get(number) else {
                continue;
            };
            let mut sees = Vec::new();
            for expert in &mix.experts {
                let at = experts
                    .iter()
                    .position(|e| *e == expert)
                    .unwrap_or_else(|| {
                        experts.push(expert);
                        experts.len() - 1
                    });
                sees.push(at);
            }
            let (kind, open) = match mix.gate.steps.last().and_then(|s| s.outer) {
                Some(OutputPlan::Softmax) => (GateKindPlan::Softmax, mix.open),
                Some(OutputPlan::Sigmoid) => (GateKindPlan::Sigmoid, mix.open),
                _ => (GateKindPlan::Linear, mix.open),
            };
            let mut steps = mix.gate.steps.clone();
            if let Some(last) = steps.last_mut() {
                last.outer = None;
            }
            let mut made = unit(
                format!("gate {}", level.gates.len()),
                layers(self.names, steps)?,
            );
            made.reads = self.reads(&mix.gate, depth)?;
            let mut gate = softmax_gate(made, sees);
            gate.kind = kind;
            gate.open = open;
            level.gates.push(gate);
        }
        for (e, chain) in experts.into_iter().enumerate() {
            let mut made = unit(
                format!("expert {e}"),
                layers(self.names, chain.steps.clone())?,
            );
            made.reads = self.reads(chain, depth)?;
            level.experts.push(made);
        }
        Ok(level)
    }

    /// What a part of a level reads.
    fn reads(&self, chain: &Chain, depth: usize) -> Result<Reads, ModelError> {
        match chain.base {
            Base::Raw(_) => Ok(Reads::Input),
            Base::Mix(m) => {
                let before = self.of(depth.saturating_sub(1));
                let at = before.iter().position(|b| *b == m);
                at.map(Reads::Stream).ok_or_else(|| {
                    self.names
                        .wrong("one of its levels reads past the one before it", REMEDY)
                })
            }
        }
    }

    fn tower_reads(&self, chain: &Chain, name: &str, levels: usize) -> Result<Reads, ModelError> {
        if self.mixes.is_empty() && chain.base == Base::Mix(0) {
            return Ok(Reads::Stream(0));
        }
        self.reads(chain, levels + 1).map_err(|_| {
            self.names.wrong(
                &format!("output `{name}` reads no mixture of the last level"),
                REMEDY,
            )
        })
    }
}
