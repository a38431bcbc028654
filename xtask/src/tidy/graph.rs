//! The dependency graph: how much, in which direction, and never tokio below `gossip-net`.

use super::Violation;
use serde_json::Value;
use std::collections::BTreeSet;
use xtask_base::Failure;
use xtask_base::workspace::{Cargo, PROTOCOL_CRATES, STYLE_CRATES, metadata};

/// The most packages in gossip-core's tree with default features, itself included.
pub const CORE_PACKAGES_MAX: usize = 16;

/// Asks cargo for the graph and applies every rule of this module.
pub fn check() -> Result<Vec<Violation>, Failure> {
    let metadata = metadata()?;
    let mut found = direction(&metadata);
    found.extend(examples(&metadata, |path| std::fs::read_to_string(path).unwrap_or_default()));
    let core = tree("gossip-core", "normal", &[])?;
    found.extend(budget("gossip-core", &core, CORE_PACKAGES_MAX));
    for name in PROTOCOL_CRATES {
        // Its tests and examples, too, and on every platform.
        let edges = "normal,build,dev";
        let tree = tree(name, edges, &["--all-features", "--target", "all"])?;
        found.extend(no_tokio(name, &tree));
    }
    Ok(found)
}

fn tree(package: &str, edges: &str, more: &[&str]) -> Result<String, Failure> {
    let args = ["tree", "--package", package, "--edges", edges, "--prefix", "none"];
    more.iter().fold(Cargo::new(args), |cargo, arg| cargo.arg(*arg)).read()
}

fn at_manifest(package: &str, message: String) -> Violation {
    Violation { path: format!("{package}/Cargo.toml"), line: 1, message }
}

/// The packages in the output of `cargo tree --prefix none`, as `name version`.
fn packages(tree: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    tree.lines().map(name).filter(|name| !name.is_empty()).collect()
}

/// A package's tree has at most `limit` packages.
pub fn budget(package: &str, tree: &str, limit: usize) -> Vec<Violation> {
    let packages = packages(tree);
    if packages.len() <= limit {
        return Vec::new();
    }
    let list = packages.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let count = packages.len();
    let message = format!(
        "{count} packages in the tree, the limit is {limit}: put one behind a feature ({list})"
    );
    vec![at_manifest(package, message)]
}

/// A protocol crate does no input or output: there is no tokio in its tree in any feature, nor in
/// what its tests need.
pub fn no_tokio(package: &str, tree: &str) -> Vec<Violation> {
    let is_tokio = |name: &String| name.starts_with("tokio ") || name.starts_with("tokio-");
    let message = |name: &str| {
        format!("depends on {name}, only gossip-net and xtask may: move what needs it there")
    };
    let found = packages(tree).into_iter().filter(is_tokio);
    found.map(|name| at_manifest(package, message(&name))).collect()
}

/// Which packages of the workspace `package` may depend on; `None` if the package is unknown.
fn may_use(package: &str) -> Option<Vec<&'static str>> {
    match package {
        "gossip-core" | "xtask-base" => Some(Vec::new()),
        "gossip-net" => Some(PROTOCOL_CRATES.to_vec()),
        "xtask" => Some(vec!["xtask-base"]),
        "xtask-demo" | "xtask-repro" | "xtask-sim" => {
            Some([&PROTOCOL_CRATES[..], &["gossip-net", "xtask-base"]].concat())
        }
        style if STYLE_CRATES.contains(&style) => Some(vec!["gossip-core"]),
        _ => None,
    }
}

/// Dependencies point one way: the core, the styles, `gossip-net`, the tasks; and no style knows
/// another, not even in its tests and examples.
pub fn direction(metadata: &Value) -> Vec<Violation> {
    let packages: Vec<&Value> = metadata["packages"].as_array().into_iter().flatten().collect();
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = may_use(name) else {
            let message =
                "a package that the design does not have: make it a module of one that it has"
                    .to_owned();
            found.push(at_manifest(name, message));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let used: BTreeSet<&str> = dependencies.filter_map(|d| d["name"].as_str()).collect();
        // A crate may name itself, to switch its own features on for its tests.
        let foreign = |used: &&&str| !allowed.contains(*used) && **used != name;
        for wrong in used.intersection(&names).filter(foreign) {
            let message = format!(
                "depends on {wrong}, of the workspace it may use only [{}]: \
                 go through a trait of gossip-core",
                allowed.join(", ")
            );
            found.push(at_manifest(name, message));
        }
    }
    found
}

/// Each style crate has an example that uses nothing but itself and the core, to show that it can
/// be picked alone. `read` gives the text of a file.
pub fn examples(metadata: &Value, read: impl Fn(&str) -> String) -> Vec<Violation> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        if !STYLE_CRATES.contains(&name) {
            continue;
        }
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let others: Vec<String> = dependencies
            .filter_map(|d| d["name"].as_str())
            .filter(|other| !["gossip-core", name].contains(other))
            .map(|other| other.replace('-', "_"))
            .collect();
        let targets = package["targets"].as_array().into_iter().flatten();
        let is_example = |target: &&Value| {
            target["kind"].as_array().is_some_and(|k| k.contains(&"example".into()))
        };
        let alone = |target: &Value| {
            let text = read(target["src_path"].as_str().unwrap_or_default());
            !others.iter().any(|other| uses(&text, other))
        };
        if !targets.filter(is_example).any(alone) {
            let message =
                "no example that uses it and gossip-core only, every style crate has one: \
                           show how it is picked alone"
                    .to_owned();
            found.push(at_manifest(name, message));
        }
    }
    found
}

/// Whether a source names the crate `other` in a path.
fn uses(text: &str, other: &str) -> bool {
    let path = format!("{other}::");
    let starts =
        |at: usize| text[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    text.match_indices(&path).any(|(at, _)| starts(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_style_crate_without_an_example_of_its_own_is_found() {
        let package = |src: &str| {
            let targets = json!([{"kind": ["lib"], "src_path": "alone"},
                                 {"kind": ["example"], "src_path": src}]);
            let dependencies = json!([{"name": "gossip-core"}, {"name": "well-kept"}]);
            let package =
                json!({"name": "gossip-dissem", "dependencies": dependencies, "targets": targets});
            json!({"packages": [package]})
        };
        let read = |path: &str| match path {
            "alone" => "use gossip_core::stack; use gossip_dissem::rumor; kept::f()".to_owned(),
            _ => "use gossip_core::stack; use well_kept::f;".to_owned(),
        };
        assert_eq!(examples(&package("alone"), read), []);
        assert_eq!(examples(&package("helped"), read).len(), 1);
        let none = json!({"packages": [{"name": "gossip-dissem", "dependencies": [],
                                        "targets": [{"kind": ["lib"], "src_path": "alone"}]}]});
        assert_eq!(examples(&none, read).len(), 1);
    }

    #[test]
    fn the_budget_counts_each_package_once() {
        let tree = "gossip-core v0.1.0 (path)\nserde v1.0.0\nserde_derive v1.0.0 (proc-macro)\n\
                    serde v1.0.0 (*)\n\n";
        assert!(budget("gossip-core", tree, 3).is_empty());
        let found = budget("gossip-core", tree, 2);
        let text = found[0].to_string();
        let start = "gossip-core/Cargo.toml:1: 3 packages in the tree, the limit is 2";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn tokio_is_found() {
        assert_eq!(no_tokio("gossip-core", "a v1.0.0\ntokio v1.54.0\ntokio-util v0.7.0").len(), 2);
        assert_eq!(no_tokio("gossip-core", "a v1.0.0\nnottokio v1.54.0"), []);
    }

    fn package(name: &str, dependencies: &[&str]) -> Value {
        let dependencies: Vec<Value> = dependencies.iter().map(|d| json!({"name": d})).collect();
        json!({"name": name, "dependencies": dependencies})
    }

    #[test]
    fn a_dependency_in_the_wrong_direction_is_found() {
        let ok = [
            package("gossip-core", &["serde"]),
            package("gossip-dissem", &["gossip-core"]),
            package("gossip-overlay", &["gossip-core", "proptest"]),
            package("gossip-net", &["gossip-core", "gossip-dissem", "tokio"]),
            package("xtask-base", &["serde_json"]),
            package("xtask", &["xtask-base"]),
            package("xtask-sim", &["gossip-core", "gossip-net", "xtask-base"]),
        ];
        assert_eq!(direction(&json!({"packages": ok})), []);
        for (name, bad) in [
            ("gossip-core", "gossip-dissem"),
            ("gossip-dissem", "gossip-overlay"),
            ("gossip-overlay", "gossip-net"),
            ("gossip-net", "xtask-base"),
            ("xtask", "xtask-sim"),
        ] {
            let mut packages = ok.to_vec();
            packages.push(package(name, &[bad]));
            let found = direction(&json!({"packages": packages}));
            assert_eq!(found.len(), 1, "{name} on {bad}");
            assert!(found[0].to_string().contains(bad));
        }
    }

    #[test]
    fn a_package_of_no_design_is_found() {
        let found = direction(&json!({"packages": [package("gossip-extra", &[])]}));
        assert_eq!(found.len(), 1);
    }
}
