//! Which five nodes see the most intrusion attempts? Among a thousand nodes some lie: they claim
//! rates that nobody has, in their own names or in those of others, or they keep the lesser rate
//! where they should keep the greater. A gossip of the five highest rates, as it is, and guarded:
//! signed rates, a bound, places to spare, and an operator who excludes whom an audit finds lying.
//!
//! ```text
//! cargo run --release -p gossip-aggregate --example intrusions
//! ```

use std::time::Duration;

use gossip_aggregate::merge::Source;
use gossip_aggregate::signed::{Claim, Claims, Order, Vouched};
use gossip_aggregate::{Merge, Spread, Top, epoch};
use gossip_core::auth::{Authority, Keyed};
use gossip_core::random::Key;
use gossip_core::sampling::{Newscast, newscast};
use gossip_core::sim::Network;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::{Layer, Local, ParameterError, PeerId, Protocol, Refusal, stack};

/// What a node does with rates.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Conduct {
    /// As it should.
    Honest,
    /// Claims the greatest rate that it can.
    Boasts,
    /// Claims such rates for others.
    Frames,
    /// Keeps its own, lesser rates where a partner has greater ones.
    KeepsLeast,
}

/// Rounds of an epoch: 1,000 nodes agree in about ten.
const EPOCH: u32 = 20;

/// No sensor counts more than so many attempts in a period.
const BOUND: u16 = 1_000;

/// Places in the guarded ranking.
const PLACES: usize = 16;

/// The true rate of a node.
fn rate(node: u32) -> u16 {
    Key::new(5).with(61).random(node.into()).below(500) as u16
}

/// Brings a rate, unsigned.
#[derive(Clone, Debug)]
struct Plain {
    me: u32,
    conduct: Conduct,
}

impl Source for Plain {
    type Value = Top<u32, u16, 5>;
    type Input = u8;

    fn set(&mut self, _: u8) -> Result<Option<Self::Value>, Refusal> {
        Err(Refusal::Unsupported)
    }

    fn start<P: Protocol + ?Sized>(&self, _: u64, _: &mut impl Local<P>) -> Self::Value {
        let me = self.me;
        let mut top = Top::of(me, rate(me));
        match self.conduct {
            Conduct::Boasts => top.merge(&Top::of(me, u16::MAX)),
            Conduct::Frames => (1..6).for_each(|step| top.merge(&Top::of(me + step, u16::MAX))),
            Conduct::Honest | Conduct::KeepsLeast => {}
        }
        top
    }

    fn admit(&self, _: u64, known: &Self::Value, theirs: &mut Self::Value) -> usize {
        if self.conduct == Conduct::KeepsLeast {
            *theirs = known.clone();
        }
        0
    }
}

/// Brings a signed rate.
#[derive(Clone, Debug)]
struct Guarded {
    me: u32,
    vouched: Vouched<Keyed, u16, PLACES>,
    authority: Authority,
    conduct: Conduct,
}

impl Source for Guarded {
    type Value = Claims<u32, u16, u64, PLACES>;
    type Input = Order<u32, u16>;

    fn set(&mut self, order: Self::Input) -> Result<Option<Self::Value>, Refusal> {
        self.vouched.set(order)
    }

    fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Self::Value {
        let me = self.me;
        let mut value = self.vouched.start(epoch, cx);
        if self.conduct == Conduct::Frames {
            // The best that can be done without another's key.
            let signer = self.authority.signer(me);
            let signed = Vouched::<Keyed, u16, PLACES>::claim(&signer, epoch, BOUND);
            let framed = (1..6).map(|step| Claim { who: me + step, ..signed.clone() });
            value.merge(&Claims::of(framed));
        }
        value
    }

    fn admit(&self, epoch: u64, known: &Self::Value, theirs: &mut Self::Value) -> usize {
        if self.conduct == Conduct::KeepsLeast {
            *theirs = known.clone();
            return 0;
        }
        self.vouched.admit(epoch, known, theirs)
    }
}

stack! {
    /// Unsigned rates.
    #[derive(Clone, Debug)]
    struct Trusting<I: PeerId> {
        peers: Newscast<I, 30>,
        #[uses(peers)]
        rates: Spread<I, Plain>,
    }
}

stack! {
    /// Signed rates.
    #[derive(Clone, Debug)]
    struct Careful<I: PeerId> {
        peers: Newscast<I, 30>,
        #[uses(peers)]
        rates: Spread<I, Guarded>,
    }
}

/// What came out.
#[derive(Debug)]
struct Outcome {
    /// The epoch in which nine in ten honest nodes first have the true five among what they were
    /// told; none if that is none of the first eight.
    epochs: Option<u32>,
    /// The round of it in which they do.
    rounds: u32,
    /// Of the true five, how many an honest node had at the end of the first epoch and of the last,
    /// on average.
    known: [f64; 2],
    /// Bytes a node and round.
    bytes: f64,
}

type Sim<S> = Simulation<S, Network>;

/// Scores and names.
type Ranking = Vec<(u16, u32)>;

/// What a node says: its epoch, what it has heard in it, and what it had at the end of the last.
type Said = (u64, Ranking, Ranking);

/// Epochs that are watched.
const EPOCHS: u64 = 8;

/// Runs `nodes`, of which the first `liars` are none of the five.
fn play<S: Layer<(), Id = u32>>(
    nodes: u32,
    liars: u32,
    make: impl FnMut(u32) -> S + Send + 'static,
    said: impl Fn(&S) -> Said,
    mut audit: impl FnMut(&mut Sim<S>, &[(u16, u32)]),
) -> Result<Outcome, ParameterError> {
    let network = Network::default().loss(0.05)?;
    let mut sim = Simulation::new(nodes, make, network, Config::seeded(3))?;
    (1..nodes).for_each(|node| sim.contact(node, 0));
    let mut best: Vec<u32> = (liars..nodes).collect();
    best.sort_by_key(|&node| (core::cmp::Reverse(rate(node)), node));
    best.truncate(5);
    let of_five = |ranking: &Ranking| {
        best.iter().filter(|&&one| ranking.iter().any(|entry| entry.1 == one)).count()
    };
    let honest = f64::from(nodes - liars);
    let (mut epochs, mut rounds, mut known) = (None, 0, Vec::new());
    let (mut epoch, mut began) = (0, 0);
    for round in 0.. {
        sim.run_for(Duration::from_secs(1));
        let (now, _, last) = sim.node(nodes - 1).map(&said).unwrap_or_default();
        if now > epoch {
            (epoch, began) = (now, round);
            let all = sim.nodes().filter(|(at, _)| *at >= liars).map(|(_, node)| said(node));
            let all: usize = all.map(|(_, _, last)| of_five(&last)).sum();
            known.push(all as f64 / honest);
            audit(&mut sim, &last);
        }
        let all = sim.nodes().filter(|(at, _)| *at >= liars);
        let knowing = all.filter(|(_, node)| of_five(&said(node).1) == 5).count();
        if knowing as f64 >= 0.9 * honest && epochs.is_none() {
            (epochs, rounds) = (Some(epoch as u32 + 1), round - began + 1);
        }
        if epoch == EPOCHS {
            break;
        }
    }
    let bytes = sim.traffic().bytes as f64 / sim.now().as_micros() as f64 * 1e6 / f64::from(nodes);
    let known = [known[0], known[known.len() - 1]];
    Ok(Outcome { epochs, rounds, known, bytes })
}

fn config<F>(function: F) -> epoch::Config<F> {
    epoch::Config::founding(function).epoch(EPOCH)
}

/// The five highest rates as they are heard.
fn trusting(nodes: u32, liars: u32, conduct: Conduct) -> Result<Outcome, ParameterError> {
    let peers = Newscast::new(newscast::Config::default())?;
    let make = move |me| {
        let conduct = if me < liars { conduct } else { Conduct::Honest };
        let rates = Spread::new(config(Plain { me, conduct }));
        Trusting::new(peers.clone(), rates.expect("an epoch of 20 rounds is valid"))
    };
    let ranking = |top: Option<&Top<u32, u16, 5>>| top.map(|top| top.ranking().to_vec());
    let said = |node: &Trusting<u32>| {
        let [now, last] = [node.rates.value(), node.rates.last()].map(ranking);
        (node.rates.epoch(), now.unwrap_or_default(), last.unwrap_or_default())
    };
    // An audit finds out who lies; but there is nothing by which to keep a name out.
    play(nodes, liars, make, said, |_, _| {})
}

/// Signed rates, of which the operator looks into those that one node was told, after each epoch.
fn careful(nodes: u32, liars: u32, conduct: Conduct) -> Result<Outcome, ParameterError> {
    let authority = Authority::new(8);
    let peers = Newscast::new(newscast::Config::default())?;
    let make = move |at: u32| {
        let conduct = if at < liars { conduct } else { Conduct::Honest };
        let claimed = if conduct == Conduct::Boasts { BOUND } else { rate(at) };
        let vouched = Vouched::new(authority.signer(at), claimed).at_most(BOUND);
        let source = Guarded { me: at, vouched, authority: authority.clone(), conduct };
        let rates = Spread::new(config(source)).expect("an epoch of 20 rounds is valid");
        Careful::new(peers.clone(), rates)
    };
    let ranking = |claims: Option<&Claims<u32, u16, u64, PLACES>>| {
        let claims = claims.map(Claims::ranking).unwrap_or_default();
        claims.iter().map(|claim| (claim.score, claim.who)).collect()
    };
    let said = |node: &Careful<u32>| {
        let [now, last] = [node.rates.value(), node.rates.last()].map(ranking);
        (node.rates.epoch(), now, last)
    };
    play(nodes, liars, make, said, |sim, said: &[(u16, u32)]| {
        for &(_, who) in said.iter().filter(|(score, who)| *score != rate(*who)) {
            for node in 0..nodes {
                let order = <Careful<u32> as Protocol>::Command::rates(Order::Exclude(who));
                sim.command(node, order).expect("there is room to exclude all liars");
            }
        }
    })
}

fn main() -> Result<(), ParameterError> {
    let head = ["", "liars", "", "epochs", "rounds", "known", "at last", "bytes"];
    let [name, conduct, liars, rest @ ..] = head;
    println!("{name:8} {conduct:10} {liars:>6} {}", rest.map(|word| format!("{word:>8}")).concat());
    let conducts = [(0, Conduct::Honest), (10, Conduct::Boasts), (10, Conduct::Frames)];
    let more = [(100, Conduct::Boasts), (100, Conduct::Frames), (100, Conduct::KeepsLeast)];
    for (liars, conduct) in conducts.into_iter().chain([(10, Conduct::KeepsLeast)]).chain(more) {
        let outcomes = [
            ("plain", trusting(1_000, liars, conduct)?),
            ("guarded", careful(1_000, liars, conduct)?),
        ];
        for (name, Outcome { epochs, rounds, known: [first, last], bytes }) in outcomes {
            let epochs = epochs.map_or("never".into(), |epochs| epochs.to_string());
            let conduct = format!("{conduct:?}");
            print!("{name:8} {conduct:10} {liars:>6} {epochs:>8}{rounds:>8}");
            println!("{first:>8.2}{last:>8.2}{bytes:>8.0}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 200 nodes 1 % and 10 % lie. Unsigned, two that frame others defeat the ranking, and
    /// twenty that boast. Who keeps the least delays the ranking, and no more.
    #[test]
    fn false_rates_defeat_the_plain_ranking_and_least_ones_do_not() {
        let epochs = |liars, conduct| trusting(200, liars, conduct).unwrap().epochs;
        assert_eq!(epochs(0, Conduct::Honest), Some(1));
        assert!(epochs(2, Conduct::KeepsLeast).is_some());
        assert!(epochs(20, Conduct::KeepsLeast).is_some());
        assert_eq!(epochs(2, Conduct::Frames), None);
        assert_eq!(epochs(20, Conduct::Boasts), None);
    }

    /// Signed, with 16 places: two that boast take two of them, and nobody is framed. Twenty take
    /// all, until the first 16 are excluded.
    #[test]
    fn signatures_places_and_exclusion_bring_the_true_five_back() {
        let epochs = |liars, conduct| careful(200, liars, conduct).unwrap().epochs;
        assert_eq!(epochs(0, Conduct::Honest), Some(1));
        assert_eq!(epochs(2, Conduct::Boasts), Some(1));
        assert_eq!(epochs(20, Conduct::Frames), Some(1));
        assert_eq!(epochs(20, Conduct::KeepsLeast), Some(1));
        assert_eq!(epochs(20, Conduct::Boasts), Some(2));
    }
}
