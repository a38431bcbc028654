//! `cargo xtask soak`: the tests that take too long for `test`.
//!
//! A soak test is named `soak_*`, is marked `#[ignore = "soak: why it takes long"]`, and may read
//! `GOSSIP_SOAK=1` where it shares its body with a shorter test. They run in release mode.

use crate::test::{Tally, command, stream};
use xtask_base::workspace::Cargo;
use xtask_base::{Failure, Stopwatch};

/// Runs every soak test, with `args` handed on to `cargo test`.
pub(crate) fn run(args: &[String], clock: &Stopwatch) -> Result<(), Failure> {
    let cargo = soak_command(args);
    println!("soak: {cargo}");
    let tally = stream("soak", &cargo, clock)?;
    verdict(&tally)
}

fn soak_command(args: &[String]) -> Cargo {
    let harness = args.iter().position(|a| a == "--");
    let (for_cargo, for_harness) = args.split_at(harness.unwrap_or(args.len()));
    let mut cargo = command(for_cargo).arg("--release").env("GOSSIP_SOAK", "1");
    cargo = cargo.arg("--").arg("--ignored").arg("soak_");
    for_harness.iter().skip(1).fold(cargo, Cargo::arg)
}

/// A soak that ran nothing has shown nothing.
fn verdict(tally: &Tally) -> Result<(), Failure> {
    if tally.passed + tally.failed > 0 {
        return Ok(());
    }
    let why = "no soak test ran: name one `soak_*` and mark it `#[ignore = \"soak: ...\"]`";
    Err(Failure::Failed(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_runs_ignored_soak_tests_in_release_mode() {
        let line = "GOSSIP_SOAK=1 cargo test --workspace --all-features --release -- \
                    --ignored soak_";
        assert_eq!(soak_command(&[]).to_string(), line);
        let args = ["-p", "gossip-core", "--", "--nocapture"].map(str::to_owned);
        let line = "GOSSIP_SOAK=1 cargo test --all-features -p gossip-core --release -- \
                    --ignored soak_ --nocapture";
        assert_eq!(soak_command(&args).to_string(), line);
    }

    #[test]
    fn a_soak_without_tests_fails() {
        assert!(verdict(&Tally::default()).is_err());
        assert!(verdict(&Tally { passed: 1, ..Tally::default() }).is_ok());
    }
}
