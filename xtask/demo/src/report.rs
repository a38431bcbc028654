//! The report at the end.

use serde_json::json;

use super::checks::Check;
use super::plan::Plan;

/// The report as text: a line a check, and the verdict.
pub(crate) fn text(plan: &Plan, checks: &[Check], seconds: f64) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Check { name, expected, measured, pass } in checks {
        let verdict = if *pass { "ok  " } else { "FAIL" };
        out += &format!("{verdict}  {name:width$}  {expected}: {measured}\n");
    }
    out + &verdict(plan, checks, seconds)
}

/// The report as JSON: an object a check, and one that sums up.
pub(crate) fn json(plan: &Plan, checks: &[Check], seconds: f64) -> String {
    let mut out: String = checks.iter().map(|check| check.json().to_string() + "\n").collect();
    let held = checks.iter().filter(|check| check.pass).count();
    let sum = json!({
        "nodes": plan.nodes,
        "seed": plan.seed,
        "loss": plan.loss,
        "tick_ms": plan.tick.as_secs_f64() * 1e3,
        "seconds": seconds,
        "checks": checks.len(),
        "held": held,
        "pass": held == checks.len(),
    });
    out += &sum.to_string();
    out
}

/// "16 of 16 checks held: 32 nodes, ...".
pub(crate) fn verdict(plan: &Plan, checks: &[Check], seconds: f64) -> String {
    let held = checks.iter().filter(|check| check.pass).count();
    let Plan { nodes, seed, loss, .. } = plan;
    format!(
        "{held} of {} checks held: {nodes} nodes, loss {loss}, seed {seed}, {seconds:.1} s",
        checks.len()
    )
}
