//! The workspace keeps its own rules, so that `cargo test` alone shows a broken one.

#[test]
fn the_workspace_is_tidy() {
    let report = xtask::tidy::check(&xtask_base::root()).expect("tidy runs");
    let lines: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert!(report.files > 20, "only {} files were read", report.files);
    assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}
