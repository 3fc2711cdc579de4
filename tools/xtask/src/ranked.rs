//! The firmware example that ranks a catalogue: its best items and their scores must be those that
//! `mmoe run` gives for every user with every item.

use crate::board::{BOARDS, require_target};
use crate::shell::{mmoe, output, workspace};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;

const FOLDER: &str = "examples/firmware/rank";
/// How many items the example keeps for a user.
const BEST: usize = 10;

/// Runs the example on both boards.
pub(crate) fn run() -> Result<()> {
    let expected = expected()?;
    for name in ["m4f", "microbit"] {
        let board = BOARDS.iter().find(|board| board.name == name);
        let board = board.context("no such board")?;
        board.require()?;
        require_target(board.target)?;
        let printed = output(
            &workspace(FOLDER),
            Command::new("cargo")
                .args(["run", "--release", "--quiet", "--locked", "--target"])
                .arg(board.target),
            "the example that ranks",
        )?;
        for (here, there) in expected.iter().zip(printed.lines()) {
            ensure!(here == there, "{name} says `{there}`, the host `{here}`");
        }
        let lines = printed.lines().count();
        ensure!(
            lines == expected.len(),
            "{name} printed {lines} lines, not {}",
            expected.len()
        );
        println!(
            "{name}: {lines} ranked items and their scores as by `mmoe run`, to the last digit"
        );
    }
    Ok(())
}

/// The lines that the example should print.
fn expected() -> Result<Vec<String>> {
    let (users, items) = (csv("users.csv")?, csv("items.csv")?);
    let (users, items) = (users.lines(), items.lines());
    // Every user with every item, below both files' names of columns.
    let mut users = users;
    let mut items = items;
    let names = (
        users.next().unwrap_or_default(),
        items.next().unwrap_or_default(),
    );
    let items: Vec<&str> = items.collect();
    let mut rows = format!("{},{}\n", names.0, names.1);
    for user in users {
        for item in &items {
            rows += &format!("{user},{item}\n");
        }
    }
    let file = workspace("target").join("ranked.csv");
    fs::write(&file, rows).with_context(|| format!("writing {}", file.display()))?;
    let printed = mmoe(&[
        "run",
        &format!("{FOLDER}/src/feed.mmoe"),
        "--output",
        "-",
        "--input",
        "target/ranked.csv",
    ])?;
    let mut lines = printed.lines();
    ensure!(
        lines.next() == Some("ctr,cvr"),
        "not the tasks of the example"
    );
    let scores = lines.map(|line| {
        let (click, buy) = line.split_once(',').context("one output")?;
        Ok(click.parse::<f32>()? * buy.parse::<f32>()?)
    });
    let scores = scores.collect::<Result<Vec<f32>>>()?;
    let mut expected = vec![];
    for (user, scores) in scores.chunks(items.len()).enumerate() {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let best = order.iter().take(BEST);
        expected.extend(best.map(|i| format!("user {user}: item {i}, score {}", scores[*i])));
    }
    Ok(expected)
}

fn csv(name: &str) -> Result<String> {
    let file = workspace(FOLDER).join(name);
    fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
}
