//! Turns `users.csv` and `items.csv` into tables of records.

use std::path::Path;
use std::{env, error::Error, fs};

/// What a column is in a record.
#[derive(Clone, Copy)]
enum Column {
    /// `f32`, where a missing number is NaN.
    Number,
    /// `Option<f32>`.
    MaybeNumber,
    /// `Option<u32>`.
    MaybeId,
    /// `Option<&str>`.
    MaybeText,
    /// `&[&str]`, with `|` between the items.
    Texts,
}
use Column::{MaybeId, MaybeNumber, MaybeText, Number, Texts};

fn main() -> Result<(), Box<dyn Error>> {
    let users = [
        ("city", MaybeText),
        ("birthplace", MaybeText),
        ("hour", MaybeId),
        ("age", Number),
        ("spend", Number),
    ];
    let items = [
        ("brand", MaybeText),
        ("tags", Texts),
        ("price", MaybeNumber),
        ("score", Number),
    ];
    let text = table("users.csv", "USERS", "Context", &users)?
        + &table("items.csv", "ITEMS", "Candidate", &items)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("tables.rs"), text)?;
    Ok(())
}

/// A `static` of records from a file whose first line names the columns.
fn table(
    file: &str,
    name: &str,
    record: &str,
    columns: &[(&str, Column)],
) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={file}");
    let text = fs::read_to_string(file)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let expected: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    if names != expected {
        return Err(format!("{file} has the columns {names:?}, not {expected:?}").into());
    }
    let mut rows = String::new();
    for (n, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != columns.len() {
            return Err(format!("{file}, line {}: {} cells", n + 2, cells.len()).into());
        }
        let fields = columns.iter().zip(cells).map(|((name, column), cell)| {
            let value = value(*column, cell)
                .map_err(|error| format!("{file}, line {}, {name}: {error}", n + 2))?;
            Ok(format!("{name}: {value}"))
        });
        let fields: Vec<String> = fields.collect::<Result<_, String>>()?;
        rows += &format!("    {record} {{ {} }},\n", fields.join(", "));
    }
    let count = rows.lines().count();
    Ok(format!(
        "/// The rows of `{file}`.\npub static {name}: [{record}<'static>; {count}] = [\n{rows}];\n"
    ))
}

/// A cell as Rust writes it. An empty one is missing.
fn value(column: Column, cell: &str) -> Result<String, Box<dyn Error>> {
    Ok(match column {
        Number if cell.is_empty() => "f32::NAN".to_owned(),
        Number => format!("{:?}", cell.parse::<f32>()?),
        MaybeNumber | MaybeId | MaybeText if cell.is_empty() => "None".to_owned(),
        MaybeNumber => format!("Some({:?})", cell.parse::<f32>()?),
        MaybeId => format!("Some({})", cell.parse::<u32>()?),
        MaybeText => format!("Some({cell:?})"),
        Texts => {
            let items: Vec<&str> = cell.split('|').filter(|item| !item.is_empty()).collect();
            format!("&{items:?}")
        }
    })
}
