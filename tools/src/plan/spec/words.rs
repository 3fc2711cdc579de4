//! Short words that answer what recognition leaves open: `[defaults]`, `[experts]`, `[gates]` and
//! `[towers]` beside a file whose layers are recognised.

use toml::Spanned;

use super::expand::invalid;
use super::{Spec, gates, layers, raw};
use crate::error::ModelError;
use crate::plan::open::{At, Choice, NormChoice, Part, Topic};
use crate::plan::recognise::Found;
use crate::plan::{ActivationPlan, Plan};

/// Puts the spec's words into the plan that was found; `strict`: a word that says nothing is an
/// error.
pub(super) fn apply(spec: &Spec, found: &mut Found, strict: bool) -> Result<(), ModelError> {
    if let Some(defaults) = &spec.raw.defaults {
        let place = spec.place("[defaults]", defaults.span());
        // First, since it decides which layers the other words are about.
        if let Some(before) = defaults.as_ref().before {
            read_with(&mut found.plan, before, &place)?;
        }
        if let Some(rows) = defaults.as_ref().rows {
            found.plan.run_front(rows == raw::Rows::Raw);
        }
        part(found, Part::All, defaults.as_ref(), &place, false)?;
    }
    if let Some(stem) = &spec.raw.stem {
        let place = spec.place("[stem]", stem.span());
        part(found, Part::Stem, stem.as_ref(), &place, strict)?;
    }
    let units = [
        (&spec.raw.experts, Part::Experts, "[experts]"),
        (&spec.raw.towers, Part::Towers, "[towers]"),
    ];
    for (raw, of, title) in units {
        if let Some(raw) = raw {
            let place = spec.place(title, raw.span());
            part(found, of, &raw.as_ref().words(), &place, strict)?;
        }
    }
    if let Some(raw) = &spec.raw.gates {
        let place = spec.place("[gates]", raw.span());
        part(found, Part::Gates, &raw.as_ref().words(), &place, strict)?;
        if strict {
            kinds(found, raw, &place)?;
        }
    }
    Ok(())
}

/// Takes the reading of the file that the spec names.
fn read_with(plan: &mut Plan, before: usize, place: &str) -> Result<(), ModelError> {
    let counts: Vec<usize> = plan.readings.iter().map(|r| r.before.len()).collect();
    if plan.read_with(before) {
        return Ok(());
    }
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    Err(if counts.is_empty() {
        invalid(
            place.into(),
            "`before` says nothing here: the file settles which layers stand before experts and gates",
            "remove it, or describe the layers in full (`mmoe inspect WEIGHTS --write-spec S.toml`)",
        )
    } else {
        invalid(
            place.into(),
            &format!("before = {before}: the widths do not allow that"),
            &format!("they allow {}", counts.join(" or ")),
        )
    })
}

/// The kind of gates that the spec names.
fn kinds(found: &mut Found, raw: &Spanned<raw::Gates>, place: &str) -> Result<(), ModelError> {
    let group = raw.as_ref();
    let said = group.kind.is_some() || group.temperature.is_some();
    for level in found.plan.levels.iter_mut().filter(|_| said) {
        for gate in &mut level.gates {
            if group.kind.is_some() {
                gate.kind = gates::kind(group, None, None, place, 0, 1, gate.sees.len())?;
            }
            gate.temperature = gates::temperature(group, place)?;
            gate.open = false;
        }
    }
    Ok(())
}

/// The layers of a part.
fn places(plan: &Plan, of: Part) -> Vec<(At, Part, bool)> {
    let all = plan
        .places()
        .filter(|(_, part, ..)| of == Part::All || *part == of);
    all.map(|(at, part, last, _)| (at, part, last)).collect()
}

fn part(
    found: &mut Found,
    of: Part,
    words: &raw::Words,
    place: &str,
    strict: bool,
) -> Result<(), ModelError> {
    let to = To { of, place, strict };
    let named = |name: &Option<Spanned<String>>| {
        name.as_ref()
            .map(|n| {
                let slope = words
                    .slope
                    .filter(|_| ["leaky_relu", "elu"].contains(&n.as_ref().as_str()));
                layers::activation(n.as_ref(), slope, place.to_owned())
            })
            .transpose()
    };
    let (hidden, last) = (named(&words.activation)?, named(&words.last_activation)?);
    let one = found.habits.one_activation;
    if let Some(kind) = &words.norm {
        let choice = Choice::Norm(norm(kind.as_ref(), words.groups, place)?);
        to.choose(found, Topic::NormKind, &choice)?;
    }
    if hidden.is_some() || last.is_some() {
        to.activations(found, hidden.as_ref(), last.as_ref(), one)?;
    }
    let rest = [
        (
            Topic::Order,
            words.after_activation.map(Choice::AfterActivation),
        ),
        (Topic::Epsilon, words.epsilon.map(Choice::Epsilon)),
        (Topic::Residual, words.residual.map(Choice::Residual)),
        (
            Topic::Layout,
            words
                .layout
                .map(|l| Choice::Layout(layers::layout(Some(l)))),
        ),
    ];
    for (topic, choice) in rest {
        if let Some(choice) = choice {
            to.choose(found, topic, &choice)?;
        }
    }
    Ok(())
}

fn norm(name: &str, groups: Option<usize>, place: &str) -> Result<NormChoice, ModelError> {
    Ok(match (name, groups) {
        ("prelu", None) => NormChoice::PRelu,
        ("layer_norm", None) => NormChoice::Layer,
        ("rms_norm", None) => NormChoice::Rms,
        ("scale", None) => NormChoice::Scale,
        ("none", None) => NormChoice::Nothing,
        ("group_norm", Some(n)) if n > 0 => NormChoice::Group(n),
        ("group_norm", _) => {
            return Err(invalid(
                place.into(),
                "group_norm does not say how many groups",
                "add groups = 2 for two groups of units",
            ));
        }
        (other, _) => {
            return Err(invalid(
                place.into(),
                &format!("norm = \"{other}\""),
                "there are prelu, layer_norm, rms_norm, scale, none, and group_norm with groups; a \
                 batch norm shows in the file",
            ));
        }
    })
}

/// Where words go.
struct To<'a> {
    of: Part,
    place: &'a str,
    /// Whether a word that says nothing is an error.
    strict: bool,
}

impl To<'_> {
    /// Sets the functions of the layers that leave theirs open; where none does, of those that a
    /// framework fixed.
    fn activations(
        &self,
        found: &mut Found,
        hidden: Option<&ActivationPlan>,
        last: Option<&ActivationPlan>,
        one: bool,
    ) -> Result<(), ModelError> {
        let all = places(&found.plan, self.of);
        let plan = &mut found.plan;
        let mut meant: Vec<_> = all.clone();
        meant.retain(|(at, ..)| plan.layer_mut(*at).is_some_and(|l| l.open.activation));
        if meant.is_empty() && self.strict {
            meant = all;
            meant.retain(|(at, ..)| {
                plan.layer_mut(*at).is_some_and(|l| {
                    l.activation != ActivationPlan::Linear && !l.activation.is_trained()
                })
            });
        }
        if meant.is_empty() {
            return self.nothing("activation");
        }
        for (at, _, end) in meant {
            let own = last.filter(|_| end);
            let Some(layer) = plan.layer_mut(at) else {
                continue;
            };
            if let Some(activation) = own.or(hidden) {
                layer.activation = activation.clone();
                // What the last layer does is a question of its own, unless one setting gives all.
                layer.open.activation = end && !one && own.is_none();
            }
        }
        Ok(())
    }

    /// Settles a doubt wherever it stands; where nowhere does, the norms that a framework fixed.
    fn choose(&self, found: &mut Found, topic: Topic, choice: &Choice) -> Result<(), ModelError> {
        let all = places(&found.plan, self.of);
        let plan = &mut found.plan;
        let open = |plan: &mut Plan, at: At| {
            plan.layer_mut(at).is_some_and(|l| match topic {
                Topic::NormKind => l.open.norm,
                Topic::Order => l.open.order,
                Topic::Epsilon => l.open.epsilon,
                Topic::Residual => l.open.residual,
                Topic::Layout => l.open.layout,
                _ => false,
            })
        };
        let mut meant: Vec<At> = all.iter().map(|(at, ..)| *at).collect();
        meant.retain(|at| open(plan, *at));
        if meant.is_empty() && self.strict && matches!(topic, Topic::Order | Topic::Epsilon) {
            meant = all.iter().map(|(at, ..)| *at).collect();
            meant.retain(|at| {
                plan.layer_mut(*at)
                    .is_some_and(|l| l.before.is_some() || l.after.is_some())
            });
        }
        if meant.is_empty() {
            return self.nothing(match topic {
                Topic::NormKind => "norm",
                Topic::Order => "after_activation",
                Topic::Epsilon => "epsilon",
                Topic::Layout => "layout",
                _ => "residual",
            });
        }
        for at in meant {
            if let Some(layer) = plan.layer_mut(at) {
                layer.choose(choice);
            }
        }
        Ok(())
    }

    fn nothing(&self, key: &str) -> Result<(), ModelError> {
        if !self.strict {
            return Ok(());
        }
        Err(invalid(
            self.place.into(),
            &format!("`{key}` says nothing here: the file settles it for every layer"),
            "remove it, or describe the layers in full (`mmoe inspect WEIGHTS --write-spec S.toml`)",
        ))
    }
}
