//! Columns of text.

use mmoe_tools::text::shown_in_line;

/// Longer names are cut: one of them would otherwise widen every row. `--json` has them whole.
const WIDEST: usize = 200;

/// Columns of text: the first to the left, the others to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that stand to the left.
    left: usize,
}

impl Table {
    /// A table whose first `left` columns are words.
    pub(crate) fn new(left: usize, header: &[&str]) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            left,
        };
        table.row(header.iter().map(|h| (*h).to_owned()).collect());
        table
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows
            .push(cells.iter().map(|c| cut(&shown_in_line(c))).collect());
    }

    /// The text, each line behind `indent`.
    pub(crate) fn text(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            self.rows
                .iter()
                .filter_map(|r| r.get(c))
                .map(|s| s.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::from(indent);
            for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                let gap = if c == 0 { "" } else { "  " };
                let (before, after) = if c < self.left {
                    ("", padding.as_str())
                } else {
                    (padding.as_str(), "")
                };
                line.extend([gap, before, cell, after]);
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

fn cut(cell: &str) -> String {
    if cell.chars().count() <= WIDEST {
        return cell.to_owned();
    }
    cell.chars().take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn tables_line_up() {
        let mut t = Table::new(1, &["task", "auc"]);
        t.row(vec!["a".into(), "0.5".into()]);
        assert_eq!(t.text("  "), "  task  auc\n  a     0.5\n");
    }

    #[test]
    fn names_of_any_length_and_with_line_ends_stay_in_their_cell() {
        let mut t = Table::new(1, &["task", "auc"]);
        t.row(vec!["n".repeat(70_000), "1".into()]);
        t.row(vec!["a\nb".into(), "2".into()]);
        let text = t.text("");
        let widths: Vec<usize> = text.lines().map(|l| l.chars().count()).collect();
        assert_eq!(widths, [205, 205, 205]);
        assert!(text.contains("a\\u{a}b"));
    }
}
