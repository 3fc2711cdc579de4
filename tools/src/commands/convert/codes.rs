//! Codes in place of one-hot columns that nobody named.

use std::path::Path;

use anyhow::Result;
use mmoe::Blob;
use mmoe::blob::SectionTag;
use mmoe_tools::data::{Data, Samples};
use mmoe_tools::graph::Graph;
use mmoe_tools::one_hot;
use mmoe_tools::quality;

use super::Args;

/// How many fields are named.
const NAMED: usize = 5;

/// The graph on codes where names and rows show one-hot columns, and what to say of it. A blob like an
/// earlier one has codes where that has them.
pub(super) fn find(
    args: &Args,
    graph: &Graph,
    rows: &Samples,
    path: &Path,
    like: Option<&Blob<'_>>,
) -> Result<Option<(Graph, String)>> {
    let Samples::Vectors(rows) = rows else {
        return Ok(None);
    };
    let unlike = like.is_some_and(|b| b.section(SectionTag::Vector).is_none());
    if args.keep_columns || unlike || graph.elements().is_some() || graph.front.is_some() {
        return Ok(None);
    }
    let names = match graph.feature_names.as_slice() {
        [] => {
            let labels = quality::label_columns_of(graph);
            Data::read(path)?.feature_names(graph.width(0), &labels)
        }
        names => Some(names.to_vec()),
    };
    let fields = one_hot::find(&names.unwrap_or_default(), rows);
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(one_hot::with_codes(graph, &fields).map(|coded| {
        let columns: usize = fields.iter().map(|f| f.columns.len()).sum();
        let shown: Vec<String> = (fields.iter().take(NAMED))
            .map(|f| format!("`{}` ({})", f.name, f.columns.len()))
            .collect();
        let more = match fields.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let said = format!(
            "names and calibration rows show {columns} one-hot columns of {}{more}: the blob takes {} \
             in their place, and old rows still serve as data (`--keep-columns` keeps the columns)",
            shown.join(", "),
            if fields.len() == 1 { "a code" } else { "codes" },
        );
        (coded, said)
    }))
}
