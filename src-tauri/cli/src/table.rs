//! Plain tables: columns as wide as their widest cell, numbers to the right.

/// Whether a column holds words or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lays out a table with a heading, and a last row set apart when there is one.
pub(crate) fn table(
    heads: &[(&str, Align)],
    rows: &[Vec<String>],
    total: Option<&[String]>,
) -> String {
    let cells = |row: usize, column: usize| rows[row].get(column).map_or("", String::as_str);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let body = (0..rows.len()).map(|row| width(cells(row, column)));
            let total = total
                .and_then(|total| total.get(column))
                .map_or(0, |cell| width(cell));
            body.max()
                .unwrap_or(0)
                .max(width(heads[column].0))
                .max(total)
        })
        .collect();
    let lay = |cell: &dyn Fn(usize) -> String| {
        let mut line = String::new();
        for (column, (_, align)) in heads.iter().enumerate() {
            let text = cell(column);
            let gap = " ".repeat(widths[column].saturating_sub(width(&text)));
            let (before, after) = if *align == Align::Right {
                (gap.as_str(), "")
            } else {
                ("", gap.as_str())
            };
            line.push_str(before);
            line.push_str(&text);
            line.push_str(after);
            line.push_str("  ");
        }
        format!("{}\n", line.trim_end())
    };
    let rule = lay(&|column| "─".repeat(widths[column]));
    let mut out = lay(&|column| heads[column].0.to_owned()) + &rule;
    for row in 0..rows.len() {
        out += &lay(&|column| cells(row, column).to_owned());
    }
    if let Some(total) = total {
        out += &rule;
        out += &lay(&|column| total.get(column).cloned().unwrap_or_default());
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().count()
}

pub(crate) use clawspend_core::money::grouped as count;

/// "1 response", "2,345 responses".
pub(crate) fn responses(number: u64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} response{plural}", count(number))
}

/// Bytes in units people read: "1.5 GB".
pub(crate) fn bytes(number: u64) -> String {
    indicatif::DecimalBytes(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 2]| cells.map(String::from).to_vec();
        let rows = [row(["claude-sonnet-5", "$1.00"]), row(["é", "$12.50"])];
        let text = table(
            &[("model", Align::Left), ("cost", Align::Right)],
            &rows,
            Some(&row(["total", "$13.50"])),
        );
        let expected = "\
model              cost
───────────────  ──────
claude-sonnet-5   $1.00
é                $12.50
───────────────  ──────
total            $13.50
";
        assert_eq!(text, expected);
    }
}
