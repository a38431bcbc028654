//! Peers once known, asked again now and then: merges overlays that a long partition has made two.
//!
//! Not a protocol: it sends nothing of its own. Every sampler drops peers that do not answer, as it
//! must; so when a partition lasts longer than its views live, nobody knows anybody on the other
//! side, and the overlay stays in two parts after the network has healed. [`Remembering`] wraps any
//! sampler and keeps what that forgets:
//!
//! ```text
//! every round: a random peer of the view is seen by R min-wise samplers (Brahms, section 4.1)
//! ever less often, down to once in `pause` rounds, and every round while the view is empty:
//!              what a random one of the R keeps, or once in four times the join contact, is named
//!              to the sampler as its contact; with a small probability it is forgotten then
//! ```
//!
//! # What merges, and what cannot
//!
//! Min-wise samples are uniform over all peers *ever* seen, so that time spent in one part takes
//! nothing away: of two halves that were well mixed, each node still remembers about R / 2 peers of
//! the other, however long the partition was, up to the age of about `R pause / forget` rounds at
//! which memories are given up. One live node that asks one live peer across is enough. `n` nodes
//! that remember a share `q` across take about `pause / (n q)` rounds to do so.
//!
//! What cannot merge: parts none of whose nodes ever met, parts whose memories of each other have
//! all left or moved to another address, or were given up, or were crowded out by ever more
//! newcomers. These need an owner who names a contact.
//!
//! The sampler must be one that asks a contact even if its view is full, as those here do.

use core::fmt;

use alloc::vec::Vec;

use crate::error::ParameterError;
use crate::peers::{Peers, Profiles};
use crate::protocol::{Context, Layer, Protocol};
use crate::random::Random;
use crate::sampling::decorator::{decorates, hands_on};
use crate::sampling::min_wise::MinWise;
use crate::time::Round;

/// Parameters of [`Remembering`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config {
    /// Rounds between two peers named to the sampler in the long run, on average, at least 1. The
    /// sampler asks each of them a few times, at a decaying rate of its own.
    pub pause: u16,
    /// With what probability a peer is forgotten when it was named: from 0, never, to 1.
    pub forget: f64,
}

impl Default for Config {
    /// One peer in 256 rounds; with 16 samplers, memories last about 140,000 rounds. Our choice.
    fn default() -> Self {
        Self { pause: 256, forget: 1.0 / 32.0 }
    }
}

/// The sampler `S`, and what `R` min-wise samplers remember of the peers it has known.
///
/// It speaks and reads as the sampler itself, to which it dereferences.
///
/// ```
/// use gossip_core::Peers;
/// use gossip_core::sampling::{Cyclon, Remembering, remembered::Config};
/// use gossip_core::sim::cycle::{Order, Simulation};
///
/// let cyclon = Cyclon::<u32, 8>::new(Default::default())?;
/// let node = Remembering::<_, 16>::new(cyclon, Config::default())?;
/// let mut sim = Simulation::new(vec![node; 50], 1, Order::Sequential);
/// (1..50).for_each(|node| sim.contact(node, 0));
/// sim.run(40);
/// // Views of 8, and up to 16 peers remembered.
/// assert!(sim.nodes().all(|(_, node)| node.degree() == 8 && node.remembered().count() == 16));
/// let never = Config { pause: 0, forget: 0.0 };
/// assert!(Remembering::<_, 16>::new(Cyclon::<u32, 8>::new(Default::default())?, never).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone)]
pub struct Remembering<S: Protocol, const R: usize> {
    inner: S,
    config: Config,
    /// `None` before the first call, which draws their seeds.
    memory: Option<MinWise<S::Id, R>>,
    /// The contact that the owner named last.
    contact: Option<S::Id>,
    /// When a peer is named next, and how long after that again, in rounds.
    next: Round,
    pause: u16,
}

/// The first pause, in rounds. Until then the sampler has mostly joined. Our choice.
const PAUSE_MIN: u16 = 16;

/// How often the join contact is named instead of a remembered peer: it alone is sure to be known
/// to others, but may be gone for good. Our choice.
const CONTACT: f64 = 0.25;

impl<S: Protocol, const R: usize> Remembering<S, R> {
    /// `inner`, with a memory that is empty.
    ///
    /// # Errors
    ///
    /// If the pause is 0, or `forget` is no probability.
    pub fn new(inner: S, config: Config) -> Result<Self, ParameterError> {
        ParameterError::new("pause", config.pause.into(), "rounds", "at least 1")
            .unless(config.pause >= 1)?;
        ParameterError::new("forget", config.forget, "of those named", "from 0 to 1")
            .unless((0.0..=1.0).contains(&config.forget))?;
        let pause = config.pause.min(PAUSE_MIN);
        Ok(Self { inner, config, memory: None, contact: None, next: pause.into(), pause })
    }

    /// What is remembered, with repetitions.
    pub fn remembered(&self) -> impl Iterator<Item = S::Id> {
        self.memory.iter().flat_map(MinWise::ids)
    }

    fn see(&mut self, peer: S::Id, random: &mut Random) {
        self.memory.get_or_insert_with(|| MinWise::new(R, random)).see(peer);
    }

    /// Whom to name in round `now`, if anybody.
    fn name(&mut self, empty: bool, now: Round, random: &mut Random) -> Option<S::Id> {
        let due = now.wrapping_sub(self.next) < Round::MAX / 2;
        if due {
            let after = random.below(2 * usize::from(self.pause)) as Round;
            self.next = now.wrapping_add(1 + after);
            self.pause = self.pause.saturating_mul(2).min(self.config.pause);
        }
        if !due && !empty {
            return None;
        }
        if random.chance(CONTACT) && self.contact.is_some() {
            return self.contact;
        }
        let memory = self.memory.as_mut()?;
        let peer = memory.pick(random);
        if let Some(peer) = peer
            && random.chance(self.config.forget)
        {
            memory.forget(peer, random);
        }
        peer.or(self.contact)
    }
}

decorates!(Remembering<S, const R: usize>);

/// Whom the sampler forgets as unreachable is remembered: it may be behind a partition.
impl<S, const R: usize, D: ?Sized> Layer<D> for Remembering<S, R>
where
    S: Layer<D> + Peers<Id = <S as Protocol>::Id>,
{
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        let seen = self.inner.sample(cx.rng());
        if let Some(peer) = seen {
            self.see(peer, cx.rng());
        }
        let (now, me) = (cx.round(), cx.me());
        let named = self.name(seen.is_none(), now, cx.rng()).filter(|&peer| peer != me);
        self.with(cx, |inner, cx| {
            if let Some(peer) = named {
                inner.on_contact(below, peer, cx);
            }
            inner.on_round(below, cx);
        });
    }

    fn on_contact(&mut self, below: &D, peer: <S as Protocol>::Id, cx: &mut impl Context<Self>) {
        self.contact = Some(peer);
        self.with(cx, |inner, cx| inner.on_contact(below, peer, cx));
    }

    hands_on!(S, D);
}

impl<S: Protocol + Peers, const R: usize> Peers for Remembering<S, R> {
    type Id = <S as Peers>::Id;

    fn sample(&self, random: &mut Random) -> Option<Self::Id> {
        self.inner.sample(random)
    }

    fn for_each(&self, visit: impl FnMut(Self::Id, u64)) {
        self.inner.for_each(visit);
    }

    fn partner(&self, random: &mut Random) -> Option<Self::Id> {
        self.inner.partner(random)
    }

    fn age(&self, peer: Self::Id, now: Round) -> Option<Round> {
        self.inner.age(peer, now)
    }

    fn degree(&self) -> usize {
        self.inner.degree()
    }
}

impl<S: Protocol + fmt::Debug, const R: usize> fmt::Debug for Remembering<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remembered: Vec<_> = self.remembered().collect();
        f.debug_struct("Remembering")
            .field("inner", &self.inner)
            .field("remembered", &remembered)
            .finish_non_exhaustive()
    }
}
