//! Tables for people: columns under a heading and a rule, two blanks apart.

use crate::report::printable::printable;
use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Row, Table, Width, presets};
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal as _};

/// Widest cell where nobody says how wide a line may be; `--json` has the whole of it.
const CELL_COLUMNS: u16 = 72;
/// Lines of the highest row on a terminal: one cell must not fill the screen.
const ROW_LINES: usize = 3;
const GAP: u16 = 2;

/// Lays rows out in columns under a heading. On a terminal, long cells are wrapped so that the
/// table fits its width; elsewhere they are cut, so that each row is one line.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let stdout = io::stdout();
    let width = match stdout.is_terminal() {
        true => tcgetwinsize(&stdout).ok().map(|size| size.ws_col),
        false => None,
    };
    // A terminal that does not know its width says 0.
    lay_out(heading, rows, width.filter(|&columns| columns > 0))
}

fn lay_out(heading: &[&str], rows: &[Vec<String>], terminal_columns: Option<u16>) -> String {
    let mut style = presets::NOTHING;
    style.header_separator = LineStyle::none().fill('─');
    let mut table = Table::new();
    table.load_style(style).set_header(heading.to_vec());
    let lines = match terminal_columns {
        Some(columns) => {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(columns);
            ROW_LINES
        }
        None => {
            // A cell is cut where its line is full, not before the word that is cut.
            table.set_delimiter('\n');
            1
        }
    };
    for row in rows {
        // A line end in a cell would begin a line that looks like a row.
        let mut row = Row::from(row.iter().map(|cell| printable(cell)));
        row.max_height(lines);
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        let gap = if index + 1 < heading.len() { GAP } else { 0 };
        column.set_padding((0, gap));
        if terminal_columns.is_none() {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(
                CELL_COLUMNS + gap,
            )));
        }
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let rows = [
            ["orchestrator", "built", "a source was edited, and another"],
            ["generator", "present", ""],
        ];
        rows.map(|row| row.map(str::to_owned).to_vec()).to_vec()
    }

    #[test]
    fn columns_are_aligned_under_a_rule() {
        insta::assert_snapshot!(lay_out(&["image", "state", "why"], &rows(), None), @r"
        image         state    why
        ───────────────────────────────────────────────────────
        orchestrator  built    a source was edited, and another
        generator     present
        ");
    }

    #[test]
    fn a_table_fits_the_terminal() {
        insta::assert_snapshot!(lay_out(&["image", "state", "why"], &rows(), Some(40)), @r"
        image         state    why
        ───────────────────────────────────
        orchestrator  built    a source was
                               edited, and
                               another
        generator     present
        ");
    }

    #[test]
    fn what_is_wide_on_the_screen_is_counted_so() {
        let row = |name: &str| vec![name.to_owned(), "set".to_owned()];
        insta::assert_snapshot!(lay_out(&["key", "value"], &[row("鍵"), row("é")], None), @r"
        key  value
        ──────────
        鍵   set
        é    set
        ");
    }

    #[test]
    fn a_long_cell_is_cut_where_no_terminal_is() {
        let cell = "word ".repeat(40);
        let text = lay_out(
            &["what"],
            &[vec![cell.clone()], vec!["one\ntwo\x1b[2J".into()]],
            None,
        );
        let lines: Vec<&str> = text.lines().collect();
        let expected = format!("{}…", &cell[..usize::from(CELL_COLUMNS) - 1]);
        assert_eq!(lines[2..], [&expected, r"one\ntwo\u{1b}[2J"], "{text}");
        assert_eq!(lines[1].chars().count(), usize::from(CELL_COLUMNS));
    }

    #[test]
    fn a_high_row_is_cut_on_a_terminal() {
        let text = lay_out(&["what"], &[vec!["word ".repeat(40)]], Some(20));
        assert_eq!(text.lines().count(), 2 + ROW_LINES, "{text}");
        assert!(text.trim_end().ends_with('…'), "{text}");
    }
}
