//! Where a scenario's text comes from, and errors that show the place.

use std::fmt::Display;
use std::ops::Range;
use xtask_base::Failure;

/// A text with a name: a file, or a `--set` option.
#[derive(Debug)]
pub(super) struct Source {
    name: String,
    text: String,
    /// Whether places in it are told by line and column.
    is_file: bool,
}

impl Source {
    /// The text of the file called `name`.
    pub(super) fn file(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, is_file: true }
    }

    /// The text of a `--set` option.
    pub(super) fn option(text: &str) -> Self {
        Self { name: format!("--set {text}"), text: text.to_owned(), is_file: false }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Wrong usage at the bytes `span`: name, line, column, what is wrong, and the line itself.
    pub(super) fn error(&self, span: Range<usize>, what: impl Display) -> Failure {
        if !self.is_file {
            return Failure::Usage(format!("{}: {what}", self.name));
        }
        let start = self.boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let number = self.text[..line_start].matches('\n').count() + 1;
        let before = self.text[line_start..start].chars().count();
        let end = self.boundary(span.end).clamp(start, line_start + line.len().max(before));
        let marked = self.text.get(start..end).map_or(1, |part| part.chars().count().max(1));
        let (name, column) = (&self.name, before + 1);
        let gutter = number.to_string();
        let (blank, marks) = (" ".repeat(gutter.len()), "^".repeat(marked));
        Failure::Usage(format!(
            "{name}:{number}:{column}: {what}\n {gutter} | {line}\n {blank} | {}{marks}",
            " ".repeat(before)
        ))
    }

    /// The nearest place at or before `at` where a character begins.
    fn boundary(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|&at| self.text.is_char_boundary(at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_line_and_column() {
        let source = Source::file("a.toml", "size = 5\nß = 'x'\nlos = 1".to_owned());
        let text = source.error(10..11, "odd").to_string();
        assert_eq!(text, "a.toml:2:1: odd\n 2 | ß = 'x'\n   | ^");
        let text = source.error(18..21, "odd").to_string();
        assert_eq!(text, "a.toml:3:1: odd\n 3 | los = 1\n   | ^^^");
        // Beyond the end, and across lines.
        assert!(source.error(99..120, "end").to_string().starts_with("a.toml:3:8: end"));
        assert!(source.error(0..20, "wide").to_string().ends_with("| ^^^^^^^^"));
        assert_eq!(Source::option("a=1").error(0..1, "odd").to_string(), "--set a=1: odd");
    }
}
