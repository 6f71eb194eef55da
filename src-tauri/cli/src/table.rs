//! Plain tables: columns as wide as their widest cell, numbers to the right.

use std::borrow::Cow;

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
    let row = |cells: &[String]| -> Vec<String> {
        let cells = cells.iter();
        cells.map(|cell| visible(cell).into_owned()).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|cells| row(cells)).collect();
    let total = total.map(row);
    let cells = |row: usize, column: usize| rows[row].get(column).map_or("", String::as_str);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            let body = (0..rows.len()).map(|row| width(cells(row, column)));
            let total = total
                .as_ref()
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

/// Text out of logs and settings as it may be shown: what would steer the terminal, begin a line or turn the direction
/// of writing is spelt out.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

/// The same for text of several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(visible).collect();
    lines.join("\n")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

pub(crate) use clawspend_core::money::grouped as count;

/// "1 response", "2,345 responses".
pub(crate) fn responses(number: u64) -> String {
    plural(number, "response")
}

/// "1 log", "2,345 logs".
pub(crate) fn plural(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", count(number))
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

    #[test]
    fn what_steers_is_spelt_out() {
        for (text, shown) in [
            ("größer, 日本 🦀", "größer, 日本 🦀"),
            ("a\u{1b}]0;b\u{7}\r\n\t", r"a\u{1b}]0;b\u{7}\u{d}\u{a}\u{9}"),
            ("\u{7f}\u{9b}31m", r"\u{7f}\u{9b}31m"),
            (
                "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}",
                r"\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}",
            ),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert_eq!(visible_lines("a\r\nb\u{1b}\n"), "a\\u{d}\nb\\u{1b}\n");
    }
}
