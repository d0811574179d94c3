//! The same page as text and as Markdown.

use crate::command::paper::{Paper, emphasis, plain};
use crate::command::statement::Format;

/// A page in the making.
pub struct Page {
    format: Format,
    paper: Paper,
    markdown: String,
}

impl Page {
    pub fn new(format: Format, title: &str) -> Self {
        let mut page = Self {
            format,
            paper: Paper::new(emphasis()),
            markdown: format!("# {}\n", escaped(title)),
        };
        if format == Format::Text {
            page.paper.heading(title);
        }
        page
    }

    pub fn heading(&mut self, heading: &str) {
        match self.format {
            Format::Text => self.paper.heading(heading),
            Format::Markdown => self.add(&["\n## ", &escaped(heading), "\n"]),
        }
    }

    pub fn paragraph(&mut self, text: &str) {
        match self.format {
            Format::Text => self.paper.paragraph(&plain(text)),
            Format::Markdown => self.add(&["\n", &escaped(text), "\n"]),
        }
    }

    /// Rows with a heading, of which the first `left` columns are texts. Cells are never cut.
    pub fn table(&mut self, left: usize, rows: &[Vec<String>]) {
        match self.format {
            Format::Text => self.paper.table(left, rows),
            Format::Markdown => {
                self.markdown.push('\n');
                for (at, row) in rows.iter().enumerate() {
                    let cells = row.iter().map(|cell| format!(" {} |", escaped(cell)));
                    let cells: String = cells.collect();
                    self.add(&["|", &cells, "\n"]);
                    if at == 0 {
                        let column = |at| if at < left { " --- |" } else { " ---: |" };
                        let columns: String = (0..row.len()).map(column).collect();
                        self.add(&["|", &columns, "\n"]);
                    }
                }
            }
        }
    }

    /// Lines for a machine, as they are.
    pub fn code(&mut self, lines: &[String]) {
        match self.format {
            Format::Text => {
                for line in lines {
                    self.paper.line(&plain(line));
                }
            }
            Format::Markdown => {
                let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
                self.add(&["\n```sh\n", &lines.join("\n"), "\n```\n"]);
            }
        }
    }

    fn add(&mut self, pieces: &[&str]) {
        self.markdown.extend(pieces.iter().copied());
    }

    pub fn finish(self) -> String {
        match self.format {
            Format::Text => self.paper.finish(),
            Format::Markdown => self.markdown,
        }
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '|' | '<' | '[' | ']' | '#') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_events_cannot_become_markdown() {
        let mut page = Page::new(Format::Markdown, "last_month");
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        page.table(1, &[row(["reason", "lost"]), row(["a|b\n# c <b>", "1"])]);
        assert_eq!(
            page.finish(),
            "# last\\_month\n\n| reason | lost |\n| --- | ---: |\n| a\\|b\\\\n\\# c \\<b> | 1 |\n"
        );
    }
}
