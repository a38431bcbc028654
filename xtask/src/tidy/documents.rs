//! Documents that hold on any machine: links that resolve, and no paths of somebody's own.

use super::Violation;
use super::files::File;

/// Directories that exist on one machine only.
const MACHINE_PATHS: [&str; 4] = ["/home/", "/root/", "/work/", "/tmp/wt"];

/// No file names a path of the machine it was written on.
pub fn machine_paths(file: &File) -> Vec<Violation> {
    if file.path == "xtask/src/tidy/documents.rs" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (at, line) in file.text.lines().enumerate() {
        for path in MACHINE_PATHS.iter().filter(|path| is_absolute_in(line, path)) {
            let message =
                format!("path `{path}` of one machine, none is allowed: make it relative");
            found.push(Violation::new(file, at + 1, message));
        }
    }
    found
}

/// True when `path` starts a path in `line`, and is not the middle of a URL or a relative path.
fn is_absolute_in(line: &str, path: &str) -> bool {
    let middle = |c: char| c.is_alphanumeric() || "._-~}".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(middle))
}

/// No file has the marks of an unfinished merge.
pub fn stray_markers(file: &File) -> Vec<Violation> {
    let marks = ["<<<<<<< ", ">>>>>>> ", "||||||| "];
    let marked = |line: &str| marks.iter().any(|mark| line.starts_with(mark));
    let lines = file.text.lines().enumerate().filter(|(_, line)| marked(line));
    let message = "mark of an unfinished merge, none may stay: finish the merge";
    lines.map(|(at, _)| Violation::new(file, at + 1, message)).collect()
}

/// No file is a private key: one that was made while trying something out must not stay.
pub fn private_keys(file: &File) -> Vec<Violation> {
    let is_key = |line: &str| line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY");
    let lines = file.text.lines().enumerate().filter(|(_, line)| is_key(line));
    let message = "private key, none may be kept here: remove it, and trust it nowhere";
    lines.map(|(at, _)| Violation::new(file, at + 1, message)).collect()
}

/// Every relative link of a Markdown file leads to something; `exists` is asked with a path
/// relative to the workspace's root.
pub fn links(file: &File, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    if !file.is_markdown() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let line = without_code_spans(line);
        for target in targets(&line).into_iter().filter(|target| is_relative(target)) {
            let path = resolve(&file.path, target);
            if !path.as_ref().is_some_and(|path| exists(path)) {
                let message = format!(
                    "link to `{target}`, which does not exist; every link must lead somewhere: \
                     correct its path"
                );
                found.push(Violation::new(file, at + 1, message));
            }
        }
    }
    found
}

/// The line with everything between backticks taken out.
fn without_code_spans(line: &str) -> String {
    let outside = line.split('`').step_by(2);
    outside.collect::<Vec<_>>().join("`")
}

/// The targets of `[text](target "title")` and `[label]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.match_indices("](").map(|(at, _)| &line[at + 2..]);
    let inline = inline.filter_map(|rest| rest.split(')').next());
    let reference = line.trim_start().strip_prefix('[').and_then(|l| l.split_once("]: "));
    let all = inline.chain(reference.map(|(_, target)| target));
    let first_word = |t: &'_ str| t.split_whitespace().next().map_or(0, str::len);
    all.map(str::trim_start)
        .map(|t| &t[..first_word(t)])
        .map(|t| t.trim_start_matches('<').trim_end_matches('>'))
        .collect()
}

/// False for what a file system cannot answer: URLs, anchors, and rustdoc's own paths.
fn is_relative(target: &str) -> bool {
    let elsewhere = target.contains("://") || target.starts_with("mailto:");
    !target.is_empty() && !elsewhere && !target.starts_with('#') && !target.contains("::")
}

/// `target` as seen from `from`, relative to the root; `None` when it leads out of the workspace.
fn resolve(from: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default().replace("%20", " ");
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found() {
        for bad in ["see /home/me/x", "`/work/shared`", "cd=/tmp/wt-x", "file:///root/x", "/work/"]
        {
            assert_eq!(machine_paths(&File::new("a.md", bad)).len(), 1, "{bad}");
        }
        for good in ["https://example.org/work/x", "../work/x", "src/root/x", "/tmp/x", "a/home/b"]
        {
            assert_eq!(machine_paths(&File::new("a.md", good)), [], "{good}");
        }
    }

    #[test]
    fn merge_marks_are_found() {
        let text = "a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\n";
        assert_eq!(stray_markers(&File::new("a.rs", text)).len(), 2);
        assert_eq!(stray_markers(&File::new("a.md", "Title\n=======\n")), []);
    }

    #[test]
    fn private_keys_are_found() {
        let text = "a\n-----BEGIN PRIVATE KEY-----\nx\n-----BEGIN EC PRIVATE KEY-----\n";
        assert_eq!(private_keys(&File::new("ca/a.key", text)).len(), 2);
        let certificate = "-----BEGIN CERTIFICATE-----\nsay -----BEGIN PRIVATE KEY-----\n";
        assert_eq!(private_keys(&File::new("a.pem", certificate)), []);
    }

    fn broken(path: &str, text: &str) -> Vec<String> {
        let exists = |path: &str| ["README.md", "gossip-core/README.md", "docs"].contains(&path);
        links(&File::new(path, text), exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let found = broken("a/x.md", "fine\n[x](../READ.md) and [y](<z.md> \"title\")\n");
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("a/x.md:2: link to `../READ.md`, which does not exist"));
        assert_eq!(broken("x.md", "[a]: gone.md").len(), 1);
        assert_eq!(broken("x.md", "[a](../README.md)").len(), 1, "leads out of the workspace");
    }

    #[test]
    fn other_links_are_left_alone() {
        for good in [
            "[a](../README.md#part) [b](../gossip-core/README.md) [c](../docs/)",
            "[a](https://example.org/x) [b](#here) [c](mailto:a@example.org)",
            "[`Wire`](gossip_core::Wire) and `[a](gone.md)`",
            "```text\n[a](gone.md)\n```",
            "[a]: https://example.org",
        ] {
            assert!(broken("a/x.md", good).is_empty(), "{good}");
        }
        assert!(links(&File::new("x.rs", "[a](gone.md)"), |_| false).is_empty());
    }
}
