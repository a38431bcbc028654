//! Stacks that the tests run, and how they wait.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod pours;

use std::net::SocketAddr;
use std::time::Duration;

use gossip_aggregate::{Average, Mean, push_pull};
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::{
    Context, Layer, Nothing, ParameterError, PeerId, Protocol, Receipt, Refusal, message, stack,
};
use gossip_net::Handle;

stack! {
    /// Peers, and the mean over them.
    #[derive(Clone, Debug)]
    pub(crate) struct Averaging<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        load: Average<I>,
    }
}

/// A founding node with this input, which waits less than `tick` for a reply.
pub(crate) fn averaging<I: PeerId>(
    input: f64,
    tick: Duration,
) -> Result<Averaging<I>, ParameterError> {
    let config = push_pull::Config::founding(Mean::of(input)?).endless();
    let patience = tick / 2;
    Ok(Averaging::new(
        Cyclon::new(cyclon::Config::default())?.patience(patience)?,
        Average::new(config)?.patience(patience)?,
    ))
}

/// What the mean over `handles` says: the mean of the estimates, and the largest distance from it.
pub(crate) fn estimates(handles: &[Handle<Averaging<SocketAddr>>]) -> Option<(f64, f64)> {
    let all: Option<Vec<f64>> =
        handles.iter().map(|h| h.read(|stack| stack.load.running_estimate())).collect();
    let all = all?;
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let worst = all.iter().map(|estimate| (estimate - mean).abs()).fold(0.0, f64::max);
    Some((mean, worst))
}

/// The views' sizes.
pub(crate) fn smallest_view(handles: &[Handle<Averaging<SocketAddr>>]) -> usize {
    handles.iter().map(|h| h.read(|stack| stack.peers.view(0).len())).min().unwrap_or(0)
}

/// Waits until `holds`, looking every `pause`; panics with `what` after `deadline`.
pub(crate) async fn eventually(
    what: &str,
    deadline: Duration,
    pause: Duration,
    mut holds: impl FnMut() -> bool,
) -> Duration {
    let start = tokio::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < deadline, "after {deadline:?} still not: {what}");
        tokio::time::sleep(pause).await;
    }
    start.elapsed()
}

message! {
    /// What a [`Probe`] is asked.
    #[derive(Copy, PartialEq)]
    pub(crate) enum Order {
        /// Emit the numbers below this one; more than a million are refused.
        Emit(u32),
        /// Send to this peer.
        Greet(SocketAddr),
        /// Panic.
        Panic,
        /// Panic when the next message comes.
        Trap,
    }
}

message! {
    /// What probes say to each other.
    #[derive(Copy, PartialEq)]
    pub(crate) enum Word {
        /// Hello.
        Hello,
        /// Good-bye.
        Bye,
    }
}

/// What a probe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A number, as ordered.
    Number(u32),
    /// Somebody said this.
    Heard(SocketAddr, Said),
    /// The driver gave a contact.
    Contact(SocketAddr),
    /// The driver could not reach somebody.
    Gone(SocketAddr),
}

/// As [`Word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Hello.
    Hello,
    /// Good-bye.
    Bye,
}

/// A protocol that does what it is told, and tells what is done to it.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// Who was greeted: told good-bye at the end.
    pub(crate) greeted: Vec<SocketAddr>,
    trapped: bool,
}

impl Protocol for Probe {
    type Id = SocketAddr;
    type Message = Word;
    type Event = News;
    type Command = Order;
}

impl Layer for Probe {
    fn on_round(&mut self, (): &(), _: &mut impl Context<Self>) {}

    fn on_message(&mut self, (): &(), from: SocketAddr, word: Word, cx: &mut impl Context<Self>) {
        assert!(!self.trapped, "trapped");
        let said = if word == Word::Hello { Said::Hello } else { Said::Bye };
        cx.emit(News::Heard(from, said));
    }

    fn on_contact(&mut self, (): &(), peer: SocketAddr, cx: &mut impl Context<Self>) {
        cx.emit(News::Contact(peer));
        cx.send(peer, Word::Hello);
    }

    fn on_unreachable(&mut self, (): &(), peer: SocketAddr, cx: &mut impl Context<Self>) {
        cx.emit(News::Gone(peer));
    }

    fn on_leave(&mut self, (): &(), cx: &mut impl Context<Self>) {
        self.greeted.iter().for_each(|&peer| cx.send(peer, Word::Bye));
    }

    fn on_command(
        &mut self,
        (): &(),
        order: Order,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        match order {
            Order::Emit(count) if count > 1_000_000 => {
                return Err(Refusal::TooLarge { len: count as usize, limit: 1_000_000 });
            }
            Order::Emit(count) => (0..count).for_each(|number| cx.emit(News::Number(number))),
            Order::Greet(peer) => {
                self.greeted.push(peer);
                cx.send(peer, Word::Hello);
                return Ok(Receipt::attempted(1));
            }
            Order::Panic => panic!("ordered to"),
            Order::Trap => self.trapped = true,
        }
        Ok(Receipt::default())
    }
}

/// Nothing at all, for builders that must fail.
#[derive(Debug)]
pub(crate) struct Idle;

impl Protocol for Idle {
    type Id = SocketAddr;
    type Message = u8;
    type Event = Nothing;
    type Command = Nothing;
}

impl Layer for Idle {
    fn on_round(&mut self, (): &(), _: &mut impl Context<Self>) {}
    fn on_message(&mut self, (): &(), _: SocketAddr, _: u8, _: &mut impl Context<Self>) {}
}
