//! `cargo xtask bench`: the workspace's benchmarks, and others' software beside ours.

mod rivals;

use serde_json::Value;
use xtask_base::workspace::{Cargo, metadata};
use xtask_base::{Failure, Stopwatch};

/// What `bench` was asked.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Request {
    /// Ours beside others: `membership` in the same simulated network, `recon` of the same sets,
    /// `net` on real sockets. Without it, every benchmark of the workspace
    #[arg(value_name = "COMPARISON")]
    comparison: Option<String>,
    /// Prints the comparison as JSON
    #[arg(long, requires = "comparison")]
    json: bool,
    /// Runs of each measurement of the comparison
    #[arg(long, value_name = "N", requires = "comparison")]
    runs: Option<u8>,
    /// Elements of the sets of `recon`
    #[arg(long, value_name = "N", requires = "comparison")]
    items: Option<u32>,
    /// Numbers of nodes of `net`, as in 50,200
    #[arg(long, value_name = "N,..", requires = "comparison")]
    nodes: Option<String>,
    /// Percent of packets that are lost in `net`, as in 0,10
    #[arg(long, value_name = "P,..", requires = "comparison")]
    loss: Option<String>,
    /// Arguments for cargo, as in `-- --bench averaging`
    #[arg(last = true, value_name = "CARGO ARGUMENTS", conflicts_with = "comparison")]
    args: Vec<String>,
}

/// Runs what was asked.
pub(crate) fn run(request: &Request, clock: &Stopwatch) -> Result<(), Failure> {
    match &request.comparison {
        Some(comparison) => rivals::run(comparison, request, clock),
        None => run_all(&request.args, clock),
    }
}

/// Runs every benchmark of the workspace, with `args` handed on to `cargo bench`.
///
/// The benchmarks are named one by one: without that, `cargo bench` also starts the unit tests'
/// harness of every library, which refuses the options that criterion takes.
fn run_all(args: &[String], clock: &Stopwatch) -> Result<(), Failure> {
    let cargo = command(args, &bench_targets(&metadata()?))?;
    println!("bench: {cargo}");
    cargo.run()?;
    println!("bench: done in {clock}");
    Ok(())
}

fn command(args: &[String], targets: &[String]) -> Result<Cargo, Failure> {
    let mut cargo = Cargo::new(["bench", "--workspace", "--all-features"]);
    let chosen = args.iter().take_while(|a| *a != "--").any(|a| a.starts_with("--bench"));
    if !chosen {
        if targets.is_empty() {
            let why = "no package of the workspace has a benchmark: add `[[bench]]` to one";
            return Err(Failure::Failed(why.to_owned()));
        }
        for target in targets {
            cargo = cargo.arg("--bench").arg(target);
        }
    }
    Ok(args.iter().fold(cargo, Cargo::arg))
}

/// The names of the workspace's benchmarks, each once.
fn bench_targets(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.flat_map(|p| p["targets"].as_array().into_iter().flatten());
    let is_bench = |t: &&Value| t["kind"].as_array().is_some_and(|k| k.contains(&"bench".into()));
    let names = targets.filter(is_bench).filter_map(|t| t["name"].as_str());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_benchmarks_are_run() {
        let metadata = json!({"packages": [
            {"targets": [{"name": "gossip_core", "kind": ["lib"]},
                         {"name": "averaging", "kind": ["bench"]}]},
            {"targets": [{"name": "averaging", "kind": ["bench"]}]},
        ]});
        let targets = bench_targets(&metadata);
        assert_eq!(targets, ["averaging"]);
        let cargo = command(&["--".to_owned(), "--quick".to_owned()], &targets).expect("one");
        let line = "cargo bench --workspace --all-features --bench averaging -- --quick";
        assert_eq!(cargo.to_string(), line);
    }

    #[test]
    fn a_chosen_benchmark_runs_alone() {
        let args = ["--bench".to_owned(), "packer".to_owned()];
        let cargo = command(&args, &["averaging".to_owned()]).expect("chosen");
        assert_eq!(cargo.to_string(), "cargo bench --workspace --all-features --bench packer");
    }

    #[test]
    fn no_benchmark_is_an_error() {
        assert!(command(&[], &[]).is_err());
    }
}
