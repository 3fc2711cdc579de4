//! Placeholders in the names of a spec: `{expert}`, `{gate}`, `{task}`, `{task_name}`, and offsets
//! such as `{task+10}`.

/// What the placeholders stand for where a name is used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context<'a> {
    /// Index of the expert in its level.
    pub(super) expert: Option<usize>,
    /// Index of the gate in its level.
    pub(super) gate: Option<usize>,
    /// Index of the task.
    pub(super) task: Option<usize>,
    /// Name of the task.
    pub(super) task_name: Option<&'a str>,
}

impl Context<'_> {
    /// The index that a packed tensor is cut at where the spec gives none.
    pub(super) fn index(&self) -> Option<usize> {
        self.expert.or(self.task).or(self.gate)
    }

    /// `text` with its placeholders filled in, or what is wrong with it.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, tail)) = rest.split_once('{') {
            let (inside, after) = tail
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a `{{` without a `}}`"))?;
            out.push_str(before);
            out.push_str(&self.value(inside)?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, inside: &str) -> Result<String, String> {
        let at = inside.find(['+', '-']).unwrap_or(inside.len());
        let (word, offset) = inside.split_at(at);
        let offset: i64 = match offset {
            "" => 0,
            digits => digits.parse().map_err(|_| {
                format!(
                    "`{{{inside}}}` is no placeholder: an offset is a whole number, as in \
                     `{{task+10}}`"
                )
            })?,
        };
        let index = match word {
            "expert" => self.expert,
            "gate" => self.gate,
            "task" => self.task,
            "task_name" if offset == 0 => {
                return self.task_name.map(str::to_owned).ok_or_else(|| {
                    "`{task_name}` has no meaning here: no task belongs to this place".into()
                });
            }
            _ => {
                return Err(format!(
                    "`{{{inside}}}` is no placeholder: there are {{expert}}, {{gate}}, {{task}}, \
                     {{task_name}} and offsets such as {{task+10}}"
                ));
            }
        };
        let index = index.ok_or_else(|| {
            format!(
                "`{{{inside}}}` has no meaning here: {{expert}} belongs to experts, {{gate}} to \
                 gates, {{task}} to gates and towers"
            )
        })?;
        i64::try_from(index)
            .ok()
            .and_then(|i| i.checked_add(offset))
            .filter(|i| *i >= 0)
            .map(|i| i.to_string())
            .ok_or_else(|| format!("`{{{inside}}}` is negative for index {index}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Context;

    #[test]
    fn placeholders_are_filled_in_and_bad_ones_named() {
        let c = Context {
            expert: None,
            gate: Some(2),
            task: Some(3),
            task_name: Some("click"),
        };
        assert_eq!(
            c.fill("g.{gate}.{task}.dense_{task+10}/{task_name}/{task-3}")
                .unwrap(),
            "g.2.3.dense_13/click/0"
        );
        assert_eq!(c.fill("plain").unwrap(), "plain");
        for (text, says) in [
            ("{expert}", "belongs to experts"),
            ("{tsk}", "no placeholder"),
            ("{task", "without a `}`"),
            ("{task-4}", "negative"),
            ("{task+x}", "whole number"),
        ] {
            let err = c.fill(text).unwrap_err();
            assert!(err.contains(says), "{err}");
        }
    }
}
