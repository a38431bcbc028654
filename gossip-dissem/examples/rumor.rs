//! A rumor's life, cycle by cycle: how many nodes have heard it, how many still spread it, and who
//! is left out.
//!
//! ```text
//! cargo run -p gossip-dissem --example rumor [nodes] [k]
//! ```

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::{PeerId, Protocol, stack};
use gossip_dissem::rumor::{Command as Ask, Config, Event as Told, RumorMongering};

stack! {
    /// Rumors by push among the peers that Cyclon finds.
    #[derive(Clone, Debug)]
    pub struct Town<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        news: RumorMongering<I, u32>,
    }
}

type Command = <Town<u32> as Protocol>::Command;
type Event = <Town<u32> as Protocol>::Event;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let nodes: u32 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let k: u16 = arguments.next().map_or(Ok(2), |text| text.parse())?;

    let node =
        Town::new(Cyclon::new(cyclon::Config::default())?, RumorMongering::new(Config::push(k))?);
    let mut sim = Simulation::new((0..nodes).map(|_| node.clone()), 1, Order::Sequential);
    for node in 1..nodes {
        sim.contact(node, 0);
    }
    sim.run(30); // until Cyclon has mixed
    sim.events().take().for_each(drop);

    sim.command(0, Command::news(Ask::Publish(42)))?;
    println!("{nodes} nodes, push, k = {k}\n\ncycle   heard    spreading");
    let (mut heard, mut furthest) = (0, 0);
    for cycle in 0.. {
        for (_, event) in sim.events().take() {
            if let Event::news(Told::Delivered { hops, .. }) = event {
                heard += 1;
                furthest = furthest.max(hops);
            }
        }
        let spreading = sim.nodes().filter(|(_, node)| node.news.hot() > 0).count();
        let bar = "#".repeat(50 * spreading / nodes as usize);
        println!("{cycle:5} {heard:7} {spreading:12} {bar}");
        if spreading == 0 {
            break;
        }
        sim.step();
    }
    let missed = nodes - heard;
    let copies: u64 = sim.nodes().map(|(_, node)| node.news.traffic().pushed).sum();
    println!(
        "\nresidue {:.4} ({missed} never heard), {:.2} copies a node, at most {furthest} hops",
        f64::from(missed) / f64::from(nodes),
        copies as f64 / f64::from(nodes),
    );
    Ok(())
}
