//! The links of a scenario: latency by law and by place, bandwidth, faults.

use super::scenario::Point;
use super::stack::refused;
use super::value;
use gossip_core::sim::link::{Bandwidth, Form, Latency, Matrix, Network, Placing, Shared, Unit};
use std::time::Duration;
use xtask_base::Failure;

/// The links that `point` names. Time and bytes are those of the event driver: in the other,
/// messages take none.
pub(super) fn links(point: &Point, seed: u64) -> Result<Network, Failure> {
    let faults = |network: Network| {
        network
            .loss(point.float("network.loss"))?
            .link_failure(point.float("network.link-failure"))?
            .duplication(point.float("network.duplication"))?
            .reordering(point.float("network.reordering"))
    };
    let is_timed = point.text("driver.kind") == "event";
    let latency = if is_timed { latency(point) } else { Latency::Constant(Duration::ZERO) };
    let mut network = faults(Network::new(latency)).map_err(|e| refused("network", e))?;
    if !is_timed {
        return Ok(network);
    }
    if let Some(matrix) = matrix(point)? {
        let placing = match point.text("network.places") {
            "random" => Placing::Random(seed),
            _ => Placing::InTurn,
        };
        network = network.places(matrix, placing);
    }
    if point.has("network.bandwidth") {
        let shared = match point.text("network.shared") {
            "by-link" => Shared::ByLink,
            _ => Shared::BySender,
        };
        let [speed, queue] =
            ["network.bandwidth", "network.queue"].map(|path| point.int(path).unsigned_abs());
        let bandwidth = Bandwidth::new(speed, queue, shared);
        network = network.bandwidth(bandwidth.map_err(|e| refused("network", e))?);
    }
    Ok(if point.flag("network.ordered") { network.ordered() } else { network })
}

/// By default 50 ms, or nothing besides a matrix.
fn latency(point: &Point) -> Latency {
    let usual = if point.has("network.matrix") { "0ms" } else { "50ms" };
    let text = point.optional_text("network.latency").unwrap_or(usual);
    value::latency(text).expect("checked when it was read")
}

/// The matrix of `network.matrix`.
fn matrix(point: &Point) -> Result<Option<Matrix>, Failure> {
    let Some(path) = point.file("network.matrix") else { return Ok(None) };
    let shown = path.display();
    let form =
        if point.text("network.matrix-form") == "square" { Form::Square } else { Form::Pairs };
    let unit = if point.text("network.matrix-unit") == "ms" { Unit::Millis } else { Unit::Micros };
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Failure::Usage(format!("cannot read network.matrix {shown}: {e}")))?;
    let matrix = Matrix::parse(&text, form, unit)
        .map_err(|e| Failure::Usage(format!("network.matrix {shown}: {e}")))?;
    Ok(Some(matrix))
}
