//! Grid: a table for a terminal, its columns aligned by width.

use unicode_width::UnicodeWidthStr;

use crate::Align;
use crate::style::Style;

/// Text of one look.
pub(crate) type Run = (String, Style);

/// A table as it is gathered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    pub(crate) align: Vec<Align>,
    rows: Vec<Vec<Vec<Run>>>,
}

/// The blanks between two columns.
const GAP: usize = 2;
/// No column is made narrower.
const NARROWEST: usize = 6;

impl Grid {
    pub(crate) fn new(align: Vec<Align>) -> Self {
        Self { align, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self) {
        self.rows.push(Vec::new());
    }

    pub(crate) fn cell(&mut self) {
        if let Some(row) = self.rows.last_mut() {
            row.push(Vec::new());
        }
    }

    pub(crate) fn text(&mut self, text: &str, style: Style) {
        let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut()) else { return };
        match cell.last_mut() {
            Some((before, look)) if *look == style => before.push_str(text),
            _ => cell.push((text.to_owned(), style)),
        }
    }

    /// The table's lines, each of runs; at most `width` wide where words allow it.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<Vec<Run>> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let mut widths = vec![1; columns];
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                widths[column] = widths[column].max(cell.iter().map(|(text, _)| text.width()).sum());
            }
        }
        if let Some(width) = width {
            shrink(&mut widths, width.saturating_sub(GAP * columns.saturating_sub(1)));
        }
        let mut lines = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<Vec<Vec<Run>>> =
                row.iter().zip(&widths).map(|(cell, width)| wrap(cell, *width)).collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or_default().max(1);
            for line in 0..height {
                let mut runs = Vec::new();
                for (column, cell) in cells.iter().enumerate() {
                    let empty = Vec::new();
                    let text = cell.get(line).unwrap_or(&empty);
                    let last = column + 1 == cells.len();
                    self.place(text, column, widths[column], last, &mut runs);
                }
                while runs.last().is_some_and(|(text, _)| text.trim().is_empty()) {
                    runs.pop();
                }
                lines.push(runs);
            }
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
                let dim = Style { dim: true, ..Style::default() };
                lines.push(vec![(rules.join(&" ".repeat(GAP)), dim)]);
            }
        }
        lines
    }

    /// One line of a cell in its column.
    fn place(&self, text: &[Run], column: usize, width: usize, last: bool, out: &mut Vec<Run>) {
        let blank = width.saturating_sub(text.iter().map(|(text, _)| text.width()).sum());
        let before = match self.align.get(column) {
            Some(Align::Right) => blank,
            Some(Align::Center) => blank / 2,
            _ => 0,
        };
        let after = if last { 0 } else { blank - before + GAP };
        let plain = Style::default();
        if before > 0 {
            out.push((" ".repeat(before), plain));
        }
        out.extend(text.iter().cloned());
        if after > 0 {
            out.push((" ".repeat(after), plain));
        }
    }
}

/// Takes from the widest columns until all fit.
fn shrink(widths: &mut [usize], width: usize) {
    let mut over = widths.iter().sum::<usize>().saturating_sub(width);
    while over > 0 {
        let widest = widths.iter().copied().max().unwrap_or_default();
        if widest <= NARROWEST {
            return;
        }
        let next =
            widths.iter().copied().filter(|width| *width < widest).max().unwrap_or_default().max(NARROWEST);
        let count = widths.iter().filter(|width| **width == widest).count();
        let each = (widest - next).min(over.div_ceil(count));
        for width in widths.iter_mut().filter(|width| **width == widest) {
            let less = each.min(over);
            *width -= less;
            over -= less;
        }
    }
}

/// A cell in lines of a width, parted at blanks.
fn wrap(cell: &[Run], width: usize) -> Vec<Vec<Run>> {
    if cell.iter().map(|(text, _)| text.width()).sum::<usize>() <= width {
        return vec![cell.to_vec()];
    }
    let mut lines: Vec<Vec<Run>> = vec![Vec::new()];
    let mut column = 0;
    for (text, style) in cell {
        for word in text.split_inclusive(' ') {
            let wide = word.trim_end().width();
            if column > 0 && column + wide > width {
                if let Some((text, _)) = lines.last_mut().and_then(|line| line.last_mut()) {
                    text.truncate(text.trim_end().len());
                }
                lines.push(Vec::new());
                column = 0;
            }
            if let Some(line) = lines.last_mut() {
                match line.last_mut() {
                    Some((before, look)) if look == style => before.push_str(word),
                    _ => line.push((word.to_owned(), *style)),
                }
            }
            column += word.width();
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let mut grid = Grid::new(vec![Align::Left, Align::Right]);
        for row in [["日本", "n"], ["a", "1000"]] {
            grid.row();
            for cell in row {
                grid.cell();
                grid.text(cell, Style::default());
            }
        }
        let lines: Vec<String> =
            grid.lines(None).iter().map(|runs| runs.iter().map(|run| run.0.as_str()).collect()).collect();
        assert_eq!(lines, ["日本     n", "────  ────", "a     1000"]);
    }

    #[test]
    fn the_widest_give_way() {
        let mut widths = [40, 10, 30];
        shrink(&mut widths, 50);
        assert_eq!(widths, [20, 10, 20]);
        let words = [("one two three".to_owned(), Style::default())];
        let lines: Vec<String> = wrap(&words, 7).iter().map(|line| line[0].0.clone()).collect();
        assert_eq!(lines, ["one two", "three"]);
    }
}
