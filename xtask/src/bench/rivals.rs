//! `cargo xtask bench membership`, `recon` and `net`: others' software beside ours.
//!
//! `xtask/rivals` is a package of its own with a lock file of its own. Each rival is a feature of
//! it, tried alone first: one that does not build is left out, and is in the table with what the
//! compiler said.

use super::Request;
use xtask_base::workspace::Cargo;
use xtask_base::{Failure, Stopwatch, suggest};

const MANIFEST: &str = "xtask/rivals/Cargo.toml";

/// Comparisons, and who takes part besides us.
const COMPARISONS: [(&str, &[&str]); 3] = [
    ("membership", &["foca"]),
    ("recon", &["riblt", "negentropy", "merkle-search-tree"]),
    ("net", &["chitchat", "memberlist", "iroh-gossip"]),
];

/// Builds the rivals of `comparison` and runs it.
pub(super) fn run(comparison: &str, request: &Request, clock: &Stopwatch) -> Result<(), Failure> {
    let found = COMPARISONS.iter().find(|(name, _)| *name == comparison);
    let Some((_, rivals)) = found else { return Err(unknown(comparison)) };
    let (mut built, mut unbuilt) = (Vec::new(), Vec::new());
    for rival in *rivals {
        eprintln!("bench: building {rival} ({clock} since the start)");
        match cargo("build").arg("--quiet").arg("--features").arg(*rival).read() {
            Ok(_) => built.push(*rival),
            Err(failure) => unbuilt.push(format!("{rival}={failure}")),
        }
    }
    measure(comparison, request, &built, &unbuilt).run()
}

fn cargo(task: &str) -> Cargo {
    let target = "target/rivals";
    Cargo::new([task, "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir", target])
}

fn measure(comparison: &str, request: &Request, built: &[&str], unbuilt: &[String]) -> Cargo {
    let mut cargo = cargo("run").arg("--quiet");
    if !built.is_empty() {
        cargo = cargo.arg("--features").arg(built.join(","));
    }
    cargo = cargo.arg("--").arg(comparison);
    cargo = unbuilt.iter().fold(cargo, |cargo, one| cargo.arg("--unbuilt").arg(one));
    if request.json {
        cargo = cargo.arg("--json");
    }
    let numbers = [("--runs", request.runs.map(u32::from)), ("--items", request.items)];
    let given = numbers.into_iter().filter_map(|(flag, number)| Some((flag, number?)));
    cargo = given.fold(cargo, |cargo, (flag, number)| cargo.arg(flag).arg(number.to_string()));
    let lists = [("--nodes", &request.nodes), ("--loss", &request.loss)];
    let given = lists.into_iter().filter_map(|(flag, list)| Some((flag, list.as_ref()?)));
    given.fold(cargo, |cargo, (flag, list)| cargo.arg(flag).arg(list))
}

fn unknown(comparison: &str) -> Failure {
    let names = || COMPARISONS.iter().map(|(name, _)| *name);
    let hint = suggest::did_you_mean(comparison, names());
    let known = suggest::listed(names());
    Failure::Usage(format!("no comparison `{comparison}`{hint}; there is:{known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_that_does_not_build_is_left_out_and_named() {
        let request = Request { json: true, ..Request::default() };
        let line = measure("membership", &request, &[], &["foca=error".to_owned()]).to_string();
        let package = "--manifest-path xtask/rivals/Cargo.toml --target-dir target/rivals";
        let asked = "membership --unbuilt foca=error --json";
        assert_eq!(line, format!("cargo run --release --locked {package} --quiet -- {asked}"));
    }

    #[test]
    fn numbers_are_handed_over() {
        let request = Request { runs: Some(5), items: Some(1_000_000), ..Request::default() };
        let line = measure("recon", &request, &["riblt"], &[]).to_string();
        let asked = "--features riblt -- recon --runs 5 --items 1000000";
        assert!(line.ends_with(asked), "{line}");
    }

    #[test]
    fn the_short_form_of_net_is_one_size_without_loss() {
        let (nodes, loss) = (Some("20".to_owned()), Some("0".to_owned()));
        let request = Request { nodes, loss, ..Request::default() };
        let line = measure("net", &request, &["chitchat"], &[]).to_string();
        assert!(line.ends_with("--features chitchat -- net --nodes 20 --loss 0"), "{line}");
    }

    #[test]
    fn an_unknown_comparison_is_refused_with_the_known_ones() {
        let failure = unknown("memberships");
        assert!(matches!(&failure, Failure::Usage(why) if why.contains("membership")));
    }
}
