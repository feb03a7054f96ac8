//! Columns for people: as wide as what is in them.

use crate::terminal::width as width_of;

/// Which way the text of a column goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    /// For figures.
    Right,
}

/// Rows under a line of names, each column as wide as its widest text, two blanks between.
pub(crate) fn table(columns: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let texts = rows.iter().filter_map(|row| row.get(at)).map(|text| width_of(text));
        texts.chain([columns[at].0.len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut out = String::new();
    let names: Vec<_> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    for row in std::iter::once(&names).chain(rows) {
        let mut line = String::new();
        for ((text, width), (_, side)) in row.iter().zip(&widths).zip(columns) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let room = " ".repeat(width.saturating_sub(width_of(text)));
            match side {
                Side::Left => line.extend([text, &*room]),
                Side::Right => line.extend([&*room, text]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [vec!["é".to_owned(), "10".to_owned()], vec!["long".to_owned(), "7".to_owned()]];
        let shown = table(&[("a", Side::Left), ("b", Side::Right)], &rows);
        assert_eq!(shown, "a      b\né     10\nlong   7\n");
        let rows = [vec!["日本".to_owned(), "x".to_owned()], vec!["abc".to_owned(), "y".to_owned()]];
        let shown = table(&[("a", Side::Left), ("b", Side::Left)], &rows);
        assert_eq!(shown, "a     b\n日本  x\nabc   y\n");
    }
}
