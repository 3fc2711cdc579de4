//! What a conversion assumes: the stop, the lines of a spec that settle it, and the Python that
//! writes golden rows.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use indexmap::IndexMap;
use mmoe_tools::describe;
use mmoe_tools::engine::Runner;
use mmoe_tools::front::{Front, Given};
use mmoe_tools::model::Recognised;
use mmoe_tools::plan::open::{Choice, Question};

/// How many other answers are named.
const NAMED: usize = 6;

/// The error for a file whose outputs could be others.
pub(super) fn stop(made: &Recognised, weights: &Path, format: &str) -> anyhow::Error {
    let mut text = format!(
        "{}: this file leaves open what changes the outputs; nothing was written.\n\n",
        weights.display()
    );
    for question in &made.open {
        let _ = writeln!(text, "  {}", question.text());
        for line in lines(question) {
            let _ = writeln!(text, "      {line}");
        }
    }
    let _ = write!(
        text,
        "\nSay it in a spec (--spec), or let the framework's own outputs decide (--golden). This \
         writes them:\n\n{}\nWith --accept-assumptions the lines above are taken as they stand, \
         and the blob carries them.",
        python(made, weights, format)
    );
    anyhow!(text)
}

/// The lines of a spec that settle a question, the other answers behind them.
fn lines(question: &Question) -> Vec<String> {
    let others = question.others.iter().take(NAMED).map(Choice::words);
    let others: Vec<String> = others.collect();
    let Some(assumed) = &question.assumed else {
        return Vec::new();
    };
    let (table, line) = question.line(assumed);
    let mut lines: Vec<String> = std::iter::once(table.to_owned())
        .chain(line.lines().map(str::to_owned))
        .collect();
    if let Some(first) = lines.get_mut(1) {
        let _ = write!(first, "   # or: {}", others.join(", "));
    }
    lines
}

/// Python that writes golden rows for this very file: of records where the model takes them.
fn python(made: &Recognised, weights: &Path, format: &str) -> String {
    let names: Vec<String> = made
        .graph
        .tasks
        .iter()
        .map(|t| format!("{:?}", t.name))
        .collect();
    let names = names.join(", ");
    let file = weights.display();
    let keras = format.contains("Keras");
    let (imports, load) = if keras {
        (
            "import numpy as np, keras",
            format!(
                "model = keras.models.load_model({file:?})   # or build it and load its weights",
                file = file.to_string()
            ),
        )
    } else {
        (
            "import numpy as np, torch",
            format!("model = ...                 # your model, the weights of {file} loaded"),
        )
    };
    let (rows, given, save) = match &made.graph.front {
        Some(front) => (
            records(front),
            "x",
            "**records, **{f\"p_{name}\": v for name, v in zip(names, y)}",
        ),
        None => (
            vectors(made),
            if keras { "x" } else { "torch.from_numpy(x)" },
            "x=x, **dict(zip(names, y))",
        ),
    };
    let call = if keras {
        format!("y = model.predict({given})")
    } else {
        format!("with torch.no_grad(): y = model.eval()({given})")
    };
    format!(
        "    {imports}\n    {load}\n{rows}    {call}\n    y = list(y.values()) if isinstance(y, \
         dict) else y if isinstance(y, (list, tuple)) else [y]\n    y = \
         [np.asarray(v).reshape(len(v), -1) for v in y]\n    names = [{names}]\n    if len(y) == 1 \
         and len(names) > 1: y = np.split(y[0], len(names), axis=1)\n    np.savez(\"golden.npz\", \
         {save})\n\nThen: mmoe convert {file} --golden golden.npz, with the options given now.\n"
    )
}

/// The lines that make vectors.
fn vectors(made: &Recognised) -> String {
    let inputs = made.graph.width(0);
    let what = if made.embeddings.is_some() {
        "the vector that enters the experts, behind the embeddings"
    } else {
        "better: rows of your data"
    };
    format!(
        "    x = np.random.default_rng(0).normal(size=(64, {inputs})).astype(\"float32\")   # {what}\n"
    )
}

/// The lines that collect records: a line for the fields of each kind, as an archive holds them.
fn records(front: &Front) -> String {
    let mut kinds: IndexMap<(Given, bool), Vec<&str>> = IndexMap::new();
    for field in &front.fields {
        let kind = (field.given, field.list.is_some());
        kinds.entry(kind).or_default().push(&field.name);
    }
    let mut text = "    data = ...                  # some hundred rows of your data, such as a \
                    DataFrame\n    records = {}\n"
        .to_owned();
    for ((given, list), names) in kinds {
        let what = match given {
            Given::F32 => "numbers",
            Given::I32 => "whole numbers",
            Given::Id => "ids",
            Given::Text => "texts",
        };
        let shape = if list {
            "[rows, items], filled up as in training"
        } else {
            "[rows]"
        };
        let _ = writeln!(
            text,
            "    for name in {names:?}: records[name] = np.array(list(data[name]))   # {what} {shape}"
        );
    }
    text + "    x = ...                     # the same rows as your model takes them\n"
}

/// What a blob's conversion assumed, as lines for a person; nothing where there is nothing.
pub(super) fn text(runner: &Runner<'_>) -> String {
    let said = describe::assumed(runner);
    if said.is_empty() {
        return String::new();
    }
    let mut text =
        "assumed at conversion, and compared with no outputs of the framework:\n".to_owned();
    for line in said {
        let _ = writeln!(text, "  {line}");
    }
    text
}
