//! The workspace as the tasks see it: where it is, what is in it, and how cargo is called.

use crate::Failure;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One crate per style of gossip. None of them knows another.
pub const STYLE_CRATES: [&str; 4] =
    ["gossip-dissem", "gossip-entropy", "gossip-aggregate", "gossip-overlay"];

/// The crates that neither read a clock nor open a socket or file: the core and the styles.
pub const PROTOCOL_CRATES: [&str; 5] =
    ["gossip-core", "gossip-dissem", "gossip-entropy", "gossip-aggregate", "gossip-overlay"];

/// The workspace's root directory.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}

/// A call of cargo in the workspace's root. Displayed as what one types in a shell there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cargo {
    args: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
}

impl Cargo {
    /// `cargo` with these arguments.
    pub fn new<S: AsRef<str>>(args: impl IntoIterator<Item = S>) -> Self {
        Self { args: args.into_iter().map(|a| a.as_ref().to_owned()).collect(), env: Vec::new() }
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(self, args: impl IntoIterator<Item = S>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// The command, not yet started.
    pub fn command(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(&self.args).envs(self.env.iter().copied()).current_dir(root());
        command
    }

    /// Runs it with our own output streams, and fails when it fails.
    pub fn run(&self) -> Result<(), Failure> {
        // What we printed before must not appear after what the child prints.
        let _ = std::io::stdout().flush();
        let status = self.command().status().map_err(|e| self.cannot_run(&e))?;
        if status.success() { Ok(()) } else { Err(self.failed()) }
    }

    /// Runs it and returns what it printed on its standard output.
    pub fn read(&self) -> Result<String, Failure> {
        let output = self.command().output().map_err(|e| self.cannot_run(&e))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(Failure::Failed(format!("`{self}` failed:\n{}", said.trim_end())))
        }
    }

    /// The error for a cargo that could not be started.
    pub fn cannot_run(&self, error: &std::io::Error) -> Failure {
        Failure::Failed(format!("cannot run `{self}`: {error}"))
    }

    /// The error for a cargo that ended badly.
    pub fn failed(&self) -> Failure {
        Failure::Failed(format!("`{self}` failed"))
    }
}

impl fmt::Display for Cargo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str("cargo")?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// An argument as a shell wants it.
fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

/// What `cargo metadata` says of the workspace's own packages.
pub fn metadata() -> Result<serde_json::Value, Failure> {
    let cargo = Cargo::new(["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&cargo.read()?)
        .map_err(|e| Failure::Failed(format!("`{cargo}` printed no JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_one_types_it() {
        let cargo = Cargo::new(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(cargo.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
        assert_eq!(Cargo::new(["x"]).arg("it's").to_string(), r"cargo x 'it'\''s'");
    }

    #[test]
    fn the_root_holds_the_manifest() {
        assert!(root().join("Cargo.toml").is_file());
    }

    #[test]
    fn a_failing_call_names_itself_and_what_it_said() {
        let failure = Cargo::new(["no-such-subcommand"]).read().expect_err("no such subcommand");
        let text = failure.to_string();
        assert!(text.contains("`cargo no-such-subcommand` failed"), "{text}");
        assert!(text.contains("no such command"), "{text}");
    }
}
