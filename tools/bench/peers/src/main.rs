//! The Rust side of the race against peers. `race.py` starts it and asks it, turn by turn, over its
//! standard input; answers are single lines.
//!
//! | asked | answered |
//! |---|---|
//! | `machine` | the machine's limits as JSON |
//! | `export MODEL FOLDER ROWS` | writes the model, rows and our outputs there, and answers `done` |
//! | `prepare MODEL BATCH ONNX` | the contestants' names with tabs between; standard error names those that do not take the model |
//! | `time NUMBER CALLS` | seconds that so many calls of that contestant took |

#[cfg(feature = "burn")]
mod burn;
#[cfg(feature = "candle")]
mod candle;
mod export;
mod ours;
#[cfg(feature = "rten")]
mod rten;
#[cfg(feature = "tract")]
mod tract;

use std::io::{BufRead, Write};
use std::time::Instant;

use cpu_time::ProcessTime;
use mmoe_bench::machine::Machine;
use mmoe_bench::models::{census, edge, wide};
use mmoe_tools::graph::Graph;

/// A name, and one call of the work.
type Contestant = (String, Box<dyn FnMut()>);

/// What a peer gives for a batch: all outputs of a row, row after row.
type Outputs = Vec<f32>;

/// The graph of B, C or W.
fn graph(model: &str) -> Graph {
    match model {
        "B" => census(),
        "C" => edge(),
        "W" => wide(),
        _ => panic!("{model}: the models are B, C and W"),
    }
}

/// A peer that takes part: `run` is one call, and gives the outputs, which are held against ours.
#[allow(dead_code, reason = "there may be no peer")]
fn admit<R>(contestants: &mut Vec<Contestant>, name: &str, expected: &[f32], run: R)
where
    R: Fn() -> Result<Outputs, String> + 'static,
{
    match run() {
        Ok(found) => {
            assert_eq!(found.len(), expected.len(), "{name} gives another number of outputs");
            for (i, (a, b)) in expected.iter().zip(&found).enumerate() {
                assert!(
                    (a - b).abs() < 1e-4 * a.abs().max(1.0),
                    "{name}: output {i} is {b}, ours is {a}"
                );
            }
            let run = move || {
                std::hint::black_box(run()).expect("it ran before");
            };
            contestants.push((name.into(), Box::new(run)));
        }
        Err(why) => eprintln!("{name} does not take this model: {why}"),
    }
}

fn prepare(model: &str, batch: usize, onnx: &str) -> Vec<Contestant> {
    let graph = graph(model);
    #[allow(unused_mut, reason = "there may be no peer")]
    let (mut contestants, rows, expected) = ours::contestants(model, &graph, batch);
    let _ = (onnx, &rows, &expected);
    #[cfg(feature = "tract")]
    {
        let peer = tract::Peer::new(onnx, batch, graph.width(0), &rows);
        admit(&mut contestants, "tract", &expected, move || peer.run());
    }
    #[cfg(feature = "candle")]
    {
        let peer = candle::Peer::new(&graph, &rows).expect("candle makes tensors");
        admit(&mut contestants, "candle", &expected, move || {
            peer.run().map_err(|e| e.to_string())
        });
    }
    #[cfg(feature = "rten")]
    {
        let peer = rten::Peer::new(onnx, graph.width(0), &rows);
        admit(&mut contestants, "rten", &expected, move || peer.run());
    }
    #[cfg(feature = "burn")]
    {
        let peer = burn::Peer::new(&graph, &rows);
        admit(&mut contestants, "burn", &expected, move || Ok(peer.run()));
    }
    contestants
}

/// Outputs task by task, `[rows, width]` each, as one row after the other.
#[allow(dead_code, reason = "only peers need it")]
fn by_rows(tasks: &[Vec<f32>], batch: usize) -> Outputs {
    let row = |r: usize| {
        tasks.iter().flat_map(move |t| {
            let width = t.len() / batch;
            t[r * width..][..width].iter().copied()
        })
    };
    (0..batch).flat_map(row).collect()
}

fn answer(line: &str, contestants: &mut Vec<Contestant>) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["machine"] => {
            let machine = Machine::measure();
            serde_json::json!({
                "processor": machine.processor, "fma": machine.fma, "read": machine.read
            })
            .to_string()
        }
        ["export", model, folder, rows] => {
            let rows = rows.parse().expect("a number of rows");
            export::write(model, &graph(model), folder.as_ref(), rows).expect("files are written");
            "done".into()
        }
        ["prepare", model, batch, onnx] => {
            contestants.clear();
            *contestants = prepare(model, batch.parse().expect("a batch"), onnx);
            let names: Vec<&str> = contestants.iter().map(|(name, _)| name.as_str()).collect();
            names.join("\t")
        }
        ["time", number, calls] => {
            let number: usize = number.parse().expect("a contestant's number");
            let calls: u32 = calls.parse().expect("a number of calls");
            let (_, run) = &mut contestants[number];
            let (begin, busy) = (Instant::now(), ProcessTime::now());
            (0..calls).for_each(|_| run());
            // Other work on the machine disturbs the processor's time less, which of several threads says nothing.
            let taken = match rayon::current_num_threads() {
                1 => busy.elapsed(),
                _ => begin.elapsed(),
            };
            taken.as_secs_f64().to_string()
        }
        _ => panic!("{line}: not known; see the head of this file"),
    }
}

fn main() {
    let mut contestants = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let text = answer(&line.expect("lines of text"), &mut contestants);
        println!("{text}");
        std::io::stdout().flush().expect("somebody listens");
    }
}
