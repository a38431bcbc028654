//! Exceptions from lints: each says why, and those for `unsafe` are always in sight.

use super::Violation;
use super::files::File;
use super::mask::{attributes, line_of, mask, words};

/// Every `allow` and `expect` of a lint has a `reason`, and `unsafe_code` is never allowed, only
/// expected: an expectation that no longer holds is reported by the compiler.
pub fn reasons(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for exception in exceptions(file) {
        if exception.reason.is_none() {
            let message = "exception from a lint without a reason, every one needs one: \
                           add `reason = \"...\"`, or mend what the lint found";
            found.push(Violation::new(file, exception.line, message));
        }
        if exception.of_unsafe && exception.is_allow {
            let message = "`allow(unsafe_code)`, of which there may be none: write \
                           `#[expect(unsafe_code, reason = \"...\")]` on one function";
            found.push(Violation::new(file, exception.line, message));
        }
    }
    found
}

/// Every place that expects `unsafe`, with its reason.
pub fn unsafe_code(file: &File) -> Vec<Violation> {
    let of_unsafe = exceptions(file).into_iter().filter(|e| e.of_unsafe && !e.is_allow);
    let reason = |e: &Exception| e.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
    of_unsafe.map(|e| Violation::new(file, e.line, reason(&e))).collect()
}

struct Exception {
    line: usize,
    is_allow: bool,
    of_unsafe: bool,
    reason: Option<String>,
}

fn exceptions(file: &File) -> Vec<Exception> {
    if !file.is_rust() {
        return Vec::new();
    }
    let masked = mask(&file.text);
    let read = |(start, end): (usize, usize)| {
        let code = &masked[start..end];
        let is_allow = calls(code, "allow");
        (is_allow || calls(code, "expect")).then(|| Exception {
            line: line_of(&masked, start),
            is_allow,
            of_unsafe: words(code, "unsafe_code").next().is_some(),
            reason: reason(code, &file.text[start..end]),
        })
    };
    attributes(&masked).into_iter().filter_map(read).collect()
}

/// True when `name(` stands in `code` as a whole word.
fn calls(code: &str, name: &str) -> bool {
    words(code, name).any(|at| code[at + name.len()..].trim_start().starts_with('('))
}

/// The text of `reason = "..."`. `code` is `source` with its strings masked.
fn reason(code: &str, source: &str) -> Option<String> {
    let after = |at: usize| at + "reason".len();
    let at = words(code, "reason").find(|at| code[after(*at)..].trim_start().starts_with('='))?;
    let quoted = source[after(at)..].trim_start().trim_start_matches('=').trim_start();
    let text = quoted.strip_prefix('"')?.split('"').next()?;
    let text = text.split_whitespace().filter(|w| *w != "\\").collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: &str) -> File {
        File::new("a/src/x.rs", text)
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        for bad in [
            "#[allow(dead_code)] fn f() {}",
            "#![allow(dead_code)]",
            "#[allow(\n    dead_code,\n)]\nfn f() {}",
            "#[cfg_attr(test, allow(dead_code))] fn f() {}",
            "#[expect(dead_code)] fn f() {}",
            "#[allow(dead_code, reason = \"\")] fn f() {}",
        ] {
            assert_eq!(reasons(&rust(bad)).len(), 1, "{bad}");
        }
    }

    #[test]
    fn an_exception_with_a_reason_is_not() {
        for good in [
            "#[allow(dead_code, reason = \"a macro writes it\")] fn f() {}",
            "#[expect(\n    dead_code,\n    reason = \"a macro writes it\"\n)]\nfn f() {}",
            "// #[allow(dead_code)]",
            "let x = \"#[allow(dead_code)]\";",
            "#[derive(Debug)] struct X; let y = x.expect(\"works\");",
        ] {
            assert_eq!(reasons(&rust(good)), [], "{good}");
        }
    }

    #[test]
    fn unsafe_is_listed_with_its_reason_and_never_allowed() {
        let file =
            rust("\n#[expect(unsafe_code, reason = \"measured: 3 \\\n   times\")]\nfn f() {}");
        let listed = unsafe_code(&file);
        assert_eq!(listed[0].to_string(), "a/src/x.rs:2: measured: 3 times");
        assert!(reasons(&file).is_empty());
        assert_eq!(reasons(&rust("#[allow(unsafe_code, reason = \"x\")] fn f() {}")).len(), 1);
    }
}
