//! The files that the rules look at.

use std::path::Path;
use std::process::Command;
use xtask_base::Failure;

/// A text file of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative to the workspace's root, with `/` between its parts.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl File {
    /// A file with this path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// True for Rust sources.
    pub fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// True for Markdown.
    pub fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    /// True when the whole file is test code: by convention a module named `tests`, alone or in a
    /// directory of that name, or a name that ends in `tests`.
    pub fn is_test(&self) -> bool {
        let parts = self.path.split('/');
        parts.map(|part| part.trim_end_matches(".rs")).any(|part| part.ends_with("tests"))
    }

    /// True in a module with this name: `name.rs`, or anything in the directory `name`.
    pub fn is_in_module(&self, name: &str) -> bool {
        self.path.split('/').any(|part| part.trim_end_matches(".rs") == name)
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|e| e == extension)
    }
}

/// Every text file that git tracks or would track at the next `git add`. Without git (an unpacked
/// archive), every text file outside of `target` and hidden directories.
pub fn tracked(root: &Path) -> Result<Vec<File>, Failure> {
    let mut paths = match listed_by_git(root) {
        Some(paths) => paths,
        None => walked(root)?,
    };
    paths.sort();
    paths.dedup();
    // A file that is not text, or was deleted but not yet from git's index, has no lines to check.
    let read = |path: String| std::fs::read_to_string(root.join(&path)).ok().map(|t| (path, t));
    Ok(paths.into_iter().filter_map(read).map(|(path, text)| File { path, text }).collect())
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(args).current_dir(root).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = list.split_terminator('\0').map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walked(root: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        let failed = |e| Failure::Failed(format!("cannot list `{dir}`: {e}"));
        for entry in std::fs::read_dir(root.join(&dir)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if !is_dir {
                found.push(path);
            } else if name != "target" && (!name.starts_with('.') || name == ".ci") {
                open.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_the_walk_find_this_file() {
        let root = xtask_base::root();
        let path = "xtask/src/tidy/files.rs".to_owned();
        assert!(tracked(&root).expect("files").iter().any(|f| f.path == path));
        assert!(walked(&root).expect("files").contains(&path));
    }

    #[test]
    fn test_code_is_known_by_its_name() {
        for path in ["a/tests/x.rs", "a/src/tests.rs", "a/src/paper_tests.rs"] {
            assert!(File::new(path, "").is_test(), "{path}");
        }
        assert!(!File::new("a/src/testkit.rs", "").is_test());
        assert!(File::new("a/src/testkit/golden.rs", "").is_in_module("testkit"));
        assert!(File::new("a/src/sim.rs", "").is_in_module("sim"));
        assert!(!File::new("a/src/simple.rs", "").is_in_module("sim"));
    }
}
