//! Tasks that are programs of their own.

use std::process::{Command, ExitCode};
use xtask_base::Failure;
use xtask_base::workspace::Cargo;

/// Builds the program `package` of this workspace and runs it with `args`. Its exit code is ours.
pub(crate) fn run(package: &str, args: &[String]) -> Result<ExitCode, Failure> {
    let cargo = call(package, args, is_built(package));
    let status = here(cargo.command()).status().map_err(|e| cargo.cannot_run(&e))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// What is built for the first time takes minutes: cargo then shows how far it is.
fn call(package: &str, args: &[String], is_built: bool) -> Cargo {
    let cargo = Cargo::new(["run", "--package", package]);
    let cargo = if is_built { cargo.arg("--quiet") } else { cargo };
    cargo.arg("--").args(args)
}

/// Whether the program is beside this one.
fn is_built(package: &str) -> bool {
    let ours = std::env::current_exe();
    ours.is_ok_and(|path| path.with_file_name(package).with_extension(EXTENSION).exists())
}

const EXTENSION: &str = std::env::consts::EXE_EXTENSION;

/// The program reads and writes files of the folder it is called from.
fn here(mut command: Command) -> Command {
    if let Ok(folder) = std::env::current_dir() {
        command.current_dir(folder);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_handed_on_and_a_first_build_is_shown() {
        let args = ["list".to_owned(), "--json".to_owned()];
        let first = call("xtask-repro", &args, false).to_string();
        assert_eq!(first, "cargo run --package xtask-repro -- list --json");
        let next = call("xtask-repro", &args, true).to_string();
        assert_eq!(next, "cargo run --package xtask-repro --quiet -- list --json");
    }
}
