//! Ten nodes on loopback, each with its own socket and knowing one contact, find each other, and
//! agree on the mean of their inputs and on how many they are.
//!
//! Run it with `cargo run --package gossip-net --example cluster`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull::Config};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{ParameterError, PeerId, stack};
use gossip_net::{Handle, Node};

stack! {
    /// What each node runs.
    #[derive(Debug)]
    pub struct Cluster<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        mean: Average<I>,
        #[uses(peers)]
        size: Count<I>,
    }
}

const NODES: u32 = 10;
const TICK: Duration = Duration::from_millis(50);

fn stack(input: f64) -> Result<Cluster<SocketAddr>, ParameterError> {
    let patience = TICK / 2;
    Ok(Cluster::new(
        Cyclon::new(cyclon::Config::default())?.patience(patience)?,
        Average::new(Config::founding(Mean::of(input)?).epoch(20))?.patience(patience)?,
        Count::new(Config::founding(Leaders::default()).epoch(20))?.patience(patience)?,
    ))
}

/// The least and the largest of what the nodes say, or `None` while one of them says nothing.
fn spread(
    nodes: &[Handle<Cluster<SocketAddr>>],
    say: impl Fn(&Cluster<SocketAddr>) -> Option<f64>,
) -> Option<(f64, f64)> {
    let said: Option<Vec<f64>> = nodes.iter().map(|node| node.read(&say)).collect();
    let said = said?;
    Some((said.iter().copied().fold(f64::MAX, f64::min), said.into_iter().fold(f64::MIN, f64::max)))
}

fn near(spread: Option<(f64, f64)>, truth: f64) -> bool {
    spread.is_some_and(|(low, high)| (low - truth).abs().max((high - truth).abs()) < 0.01 * truth)
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a program may look at the clock")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut nodes: Vec<Handle<_>> = Vec::new();
    for number in 1..=NODES {
        let contact = nodes.first().map(Handle::id);
        let builder = Node::builder(stack(f64::from(number))?).cluster("example").tick(TICK);
        nodes.push(builder.contacts(contact).spawn().await?);
    }

    let (start, truth) = (Instant::now(), f64::from(NODES + 1) / 2.0);
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let mean = spread(&nodes, |stack| stack.mean.last_estimate());
        let size = spread(&nodes, |stack| stack.size.last_estimate());
        let at = start.elapsed();
        println!(
            "{:4.1} s  mean {mean:.2?} of {truth}  size {size:.2?} of {NODES}",
            at.as_secs_f64()
        );
        if near(mean, truth) && near(size, f64::from(NODES)) {
            break;
        }
        if at > Duration::from_secs(30) {
            return Err("no agreement after 30 s".into());
        }
    }

    for node in &nodes {
        let counters = node.counters();
        let frames = counters.frames_per_datagram().unwrap_or_default();
        let rate = counters.bytes_out as f64 / start.elapsed().as_secs_f64();
        println!("{}  {rate:6.0} bytes/s  {frames:.2} frames per datagram", node.id());
        node.leave().await.into_result()?;
    }
    Ok(())
}
