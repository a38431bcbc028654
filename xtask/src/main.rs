//! `cargo xtask`: the workspace's tasks. See the library for what each does.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::main()
}
