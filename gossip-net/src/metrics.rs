//! What a node counts, told to the recorder of metrics that the process has.
//!
//! Not a protocol: [`record`] hands a node's counters and status to the [`metrics`]
//! facade; which exporter they go to is the owner's choice. Call it before each scrape, or now and
//! then. Names begin with `gossip_`; labels are layers, causes and directions, which are bounded.
//!
//! ```no_run
//! # async fn example<S: gossip_net::Stack>(handle: gossip_net::Handle<S>) {
//! gossip_net::metrics::describe();
//! loop {
//!     gossip_net::metrics::record(&handle, &[]);
//!     tokio::time::sleep(std::time::Duration::from_secs(10)).await;
//! }
//! # }
//! ```

use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::{Handle, Stack, Status};

/// Tells the recorder what each metric is.
pub fn describe() {
    let (count, bytes, seconds) = (Unit::Count, Unit::Bytes, Unit::Seconds);
    describe_counter!("gossip_datagrams_total", count, "Datagrams that came and went.");
    describe_counter!("gossip_bytes_total", bytes, "Bytes of the datagrams that came and went.");
    describe_counter!("gossip_frames_total", count, "Messages of layers that came and went.");
    describe_counter!("gossip_lane_messages_total", count, "Messages handed to the lane.");
    describe_counter!("gossip_rounds_total", count, "Rounds run.");
    describe_counter!(
        "gossip_rounds_missed_total",
        count,
        "Rounds left out: the host stood still."
    );
    describe_gauge!("gossip_round_lag_seconds", seconds, "How late rounds began, on average.");
    describe_gauge!("gossip_round_lag_max_seconds", seconds, "How late a round began at most.");
    describe_gauge!("gossip_round_trip_seconds", seconds, "The middle round trip to a peer.");
    describe_gauge!("gossip_round_trip_max_seconds", seconds, "The longest round trip to a peer.");
    describe_gauge!("gossip_slow_peers", count, "Peers with round trips above half a period.");
    describe_counter!("gossip_events_total", count, "Events that the stack told.");
    describe_counter!("gossip_events_shed_total", count, "Events that receivers have missed.");
    describe_counter!("gossip_causes_total", count, "What was ignored, refused or shed, and why.");
    describe_gauge!("gossip_connected", count, "Whether the node hears from peers.");
    describe_gauge!("gossip_isolated", count, "Whether it has asked, and hears from nobody.");
}

/// Records what the node has done so far, and how it stands to its cluster, under these labels:
/// nodes of one process need some that tell them apart.
pub fn record<S: Stack>(handle: &Handle<S>, labels: &[Label]) {
    let now = handle.counters();
    let with = |more: &[(&'static str, &'static str)]| -> Vec<Label> {
        let more = more.iter().map(|(name, value)| Label::from_static_parts(name, value));
        labels.iter().cloned().chain(more).collect()
    };
    let both = [
        ("gossip_datagrams_total", now.datagrams_in, now.datagrams_out),
        ("gossip_bytes_total", now.bytes_in, now.bytes_out),
        ("gossip_frames_total", now.frames_in, now.frames_out),
    ];
    for (name, came, went) in both {
        counter!(name, with(&[("direction", "in")])).absolute(came);
        counter!(name, with(&[("direction", "out")])).absolute(went);
    }
    counter!("gossip_lane_messages_total", with(&[])).absolute(now.lane_out);
    counter!("gossip_rounds_total", with(&[])).absolute(now.rounds);
    counter!("gossip_rounds_missed_total", with(&[])).absolute(now.rounds_missed);
    let mean = now.lag.mean().unwrap_or_default();
    gauge!("gossip_round_lag_seconds", with(&[])).set(mean.as_secs_f64());
    gauge!("gossip_round_lag_max_seconds", with(&[])).set(now.lag.max.as_secs_f64());
    let trips = now.round_trips;
    gauge!("gossip_round_trip_seconds", with(&[])).set(trips.median.as_secs_f64());
    gauge!("gossip_round_trip_max_seconds", with(&[])).set(trips.max.as_secs_f64());
    gauge!("gossip_slow_peers", with(&[])).set(trips.slow as f64);
    counter!("gossip_events_total", with(&[])).absolute(now.events);
    counter!("gossip_events_shed_total", with(&[])).absolute(now.events_shed);
    for (layer, cause, count) in now.counts.iter() {
        let labels = with(&[("layer", layer), ("cause", cause)]);
        counter!("gossip_causes_total", labels).absolute(count);
    }
    let status = handle.status();
    let flag = |is: bool| f64::from(u8::from(is));
    gauge!("gossip_connected", with(&[])).set(flag(status.is_connected()));
    gauge!("gossip_isolated", with(&[])).set(flag(matches!(status, Status::Isolated { .. })));
}
