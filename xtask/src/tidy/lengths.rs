//! Lengths: what fits on a screen and in a head.

use super::Violation;
use super::files::File;
use super::mask::{closing, is_word, line_of, mask, words};

/// The most columns of a line of Rust.
pub const COLUMNS_MAX: usize = 100;
/// The most lines of a function, from `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;
/// The most lines of a Rust file.
pub const FILE_LINES_MAX: usize = 700;

/// Lines of Rust are at most [`COLUMNS_MAX`] wide.
pub fn lines(file: &File) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let measured = file.text.lines().map(|line| line.chars().count()).enumerate();
    let long = measured.filter(|(_, columns)| *columns > COLUMNS_MAX);
    let message =
        |columns| format!("line of {columns} columns, the limit is {COLUMNS_MAX}: break it");
    long.map(|(at, columns)| Violation::new(file, at + 1, message(columns))).collect()
}

/// Functions are at most [`FUNCTION_LINES_MAX`] long.
pub fn functions(file: &File) -> Vec<Violation> {
    if !file.is_rust() {
        return Vec::new();
    }
    let masked = mask(&file.text);
    let found = words(&masked, "fn").filter_map(|at| function(&masked, at));
    let long = found.filter(|f| f.lines > FUNCTION_LINES_MAX);
    let message = |name: &str, lines: usize| {
        format!(
            "function `{name}` of {lines} lines, the limit is {FUNCTION_LINES_MAX}: \
             move a part with a name of its own into a function"
        )
    };
    long.map(|f| Violation::new(file, f.line, message(f.name, f.lines))).collect()
}

/// Rust files are at most [`FILE_LINES_MAX`] long.
pub fn files(file: &File) -> Vec<Violation> {
    let lines = file.text.lines().count();
    if !file.is_rust() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let message = format!(
        "file of {lines} lines, the limit is {FILE_LINES_MAX}: split it, tests into `tests.rs` \
         first"
    );
    vec![Violation::new(file, FILE_LINES_MAX + 1, message)]
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// The function whose `fn` stands at `at`; `None` for a type `fn(..)` and for one without a body.
fn function(masked: &str, at: usize) -> Option<Function<'_>> {
    let rest = masked[at + 2..].trim_start();
    let word = |c: &u8| is_word(*c) || *c == b'$';
    let length = rest.bytes().take_while(|c| word(c)).count();
    let name = rest.get(..length).filter(|name| !name.is_empty())?;
    let open = body(masked, masked.len() - rest.len())?;
    let end = closing(masked, open);
    let line = line_of(masked, at);
    Some(Function { name, line, lines: line_of(masked, end - 1) - line + 1 })
}

/// The offset of the brace that opens the body, or `None` when `;` comes first.
fn body(masked: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in masked.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: impl Into<String>) -> File {
        File::new("a/src/x.rs", text)
    }

    #[test]
    fn the_101st_column_is_one_too_many() {
        assert!(lines(&rust("é".repeat(100))).is_empty());
        let found = lines(&rust(format!("\n{}", "é".repeat(101))));
        assert_eq!(found.len(), 1);
        let message = "a/src/x.rs:2: line of 101 columns, the limit is 100: break it";
        assert_eq!(found[0].to_string(), message);
        assert!(lines(&File::new("x.md", "x".repeat(200))).is_empty());
    }

    #[test]
    fn the_71st_line_of_a_function_is_one_too_many() {
        let of =
            |body: usize| format!("\nfn long(a: [u8; 2]) {{\n{}}}\n", "    go();\n".repeat(body));
        assert!(functions(&rust(of(68))).is_empty());
        let found = functions(&rust(of(69)));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("a/src/x.rs:2: function `long` of 71 lines"));
    }

    #[test]
    fn braces_in_strings_do_not_count_and_neighbours_are_apart() {
        let one = format!("fn a() {{ let x = \"{{\"; {} }}\n", "\n".repeat(40));
        assert!(functions(&rust(one.repeat(3))).is_empty());
    }

    #[test]
    fn methods_in_long_traits_and_macros_are_measured_alone() {
        let bodiless = "fn a(&self, f: fn(u8) -> u8) -> u8;\n".repeat(80);
        assert!(functions(&rust(format!("trait T {{ {bodiless} }}"))).is_empty());
        let long = "\n".repeat(90);
        let found =
            functions(&rust(format!("macro_rules! m {{ () => {{ fn $f() {{{long}}} }} }}")));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn the_701st_line_of_a_file_is_one_too_many() {
        assert!(files(&rust("x\n".repeat(700))).is_empty());
        assert_eq!(files(&rust("x\n".repeat(701))).len(), 1);
    }
}
