//! Lines of cells in columns, as Go's `text/tabwriter` lays them out: a tab ends a cell, and the cells of one column that
//! stand on lines right below each other are as wide as the widest of them and two blanks.

use std::fmt::{Display, Write as _};

/// Blanks between a cell and the next.
const PADDING: usize = 2;

/// Lines, to be laid out when they are complete.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A text, indented by `depth` steps, that does not end the line.
    pub(super) fn write(&mut self, depth: usize, text: impl Display) {
        let _ = write!(self.0, "{:indent$}{text}", "", indent = depth * 2);
    }

    /// A line.
    pub(super) fn line(&mut self, depth: usize, text: impl Display) {
        self.write(depth, text);
        self.0.push('\n');
    }

    /// A line that what follows belongs to.
    pub(super) fn title(&mut self, depth: usize, name: impl Display) {
        self.line(depth, format_args!("{name}:"));
    }

    /// A name and its value.
    pub(super) fn put(&mut self, depth: usize, name: impl Display, value: impl Display) {
        self.line(depth, format_args!("{name}:\t{value}"));
    }

    /// The same where the value may be absent.
    pub(super) fn put_if(&mut self, depth: usize, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(depth, name, value);
        }
    }

    /// A line of a table.
    pub(super) fn row(&mut self, depth: usize, cells: &[&dyn Display]) {
        self.write(depth, "");
        for (index, cell) in cells.iter().enumerate() {
            let _ = if index == 0 { write!(self.0, "{cell}") } else { write!(self.0, "\t{cell}") };
        }
        self.0.push('\n');
    }

    /// The titles of a table, each underlined.
    pub(super) fn titles(&mut self, depth: usize, titles: &[&str]) {
        self.line(depth, titles.join("\t"));
        let dashes: Vec<String> = titles.iter().map(|title| "-".repeat(title.len())).collect();
        self.line(depth, dashes.join("\t"));
    }

    /// Several values below each other, the first beside the name, each on a line of its own; `<none>` where there is none.
    pub(super) fn list(&mut self, depth: usize, name: &str, values: impl IntoIterator<Item = impl Display>) {
        let mut values = values.into_iter();
        match values.next() {
            Some(first) => self.put(depth, name, first),
            None => self.put(depth, name, "<none>"),
        }
        for value in values {
            self.line(depth, format_args!("\t{value}"));
        }
    }

    /// All of it, in columns.
    pub(super) fn laid_out(&self) -> String {
        let lines: Vec<Vec<&str>> = self.0.lines().map(|line| line.split('\t').collect()).collect();
        let widths = widths(&lines);
        let mut text = String::with_capacity(self.0.len() * 3 / 2);
        for (line, widths) in lines.iter().zip(&widths) {
            for (index, cell) in line.iter().enumerate() {
                let width = widths.get(index).copied().unwrap_or(0);
                let _ = write!(text, "{cell:<width$}");
            }
            text.push('\n');
        }
        text
    }
}

/// How wide each cell of each line is; the last of a line is in no column.
fn widths(lines: &[Vec<&str>]) -> Vec<Vec<usize>> {
    let ended = |line: &Vec<&str>| line.len().saturating_sub(1);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; ended(line)]).collect();
    for column in 0..lines.iter().map(ended).max().unwrap_or(0) {
        let mut start = 0;
        while start < lines.len() {
            let run = lines[start..].iter().take_while(|line| ended(line) > column).count();
            let cells = lines[start..start + run].iter().map(|line| line[column].chars().count());
            let width = cells.max().unwrap_or(0) + PADDING;
            for line in &mut widths[start..start + run] {
                line[column] = width;
            }
            start += run.max(1);
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_reaches_as_far_as_lines_have_a_cell_in_it() {
        let mut lines = Lines::default();
        lines.put(0, "Name", "a");
        lines.put(0, "Long Name", "b");
        lines.title(0, "Part");
        lines.put(1, "X", "c");
        lines.list(1, "Values", ["d", "e"]);
        lines.titles(1, &["Type", "Status"]);
        let expected = [
            "Name:       a",
            "Long Name:  b",
            "Part:",
            "  X:       c",
            "  Values:  d",
            "           e",
            "  Type     Status",
            "  ----     ------",
        ];
        assert_eq!(lines.laid_out().lines().collect::<Vec<_>>(), expected);
    }
}
