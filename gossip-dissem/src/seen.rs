//! Each publication once: names for a node's own, a bounded memory of others', and how much a node
//! takes in.
//!
//! Not a protocol: what rumor mongering and Plumtree share. The guarantee: identifiers are
//! remembered for at least `memory / intake` rounds, and nothing older than `age` rounds is taken
//! in or passed on, which is less; so nothing is taken in twice while rounds differ in length by
//! less than `memory / intake / age`. A node's own publications are known by their numbers, and
//! never forgotten.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use gossip_core::{Local, ParameterError, PeerId, Protocol, Refusal};

use crate::post::MessageId;

/// Bounds on what is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Rounds since its publication after which nothing is taken in or passed on.
    pub(crate) age: u16,
    /// New publications a round, from all peers together.
    pub(crate) intake: usize,
    /// New publications a round, from one peer.
    pub(crate) share: usize,
    /// Identifiers remembered.
    pub(crate) memory: usize,
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), ParameterError> {
        let bounds = [
            ("age", self.age as usize, "rounds", "1 to 65535"),
            ("intake", self.intake, "publications a round", "at least 1"),
            ("share", self.share, "publications a round", "at least 1"),
        ];
        for (parameter, value, unit, bound) in bounds {
            ParameterError::new(parameter, value as f64, unit, bound).unless(value >= 1)?;
        }
        let least = self.intake.saturating_mul(usize::from(self.age) + 2);
        let bound = "at least the intake times two more than the age";
        ParameterError::new("memory", self.memory as f64, "identifiers", bound)
            .unless(self.memory >= least)
    }
}

/// What becomes of a publication that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new, and now remembered.
    New,
    /// It is known.
    Known,
    /// It is refused; the cause is counted.
    Refused,
}

/// What a node has seen, and what it has published.
#[derive(Clone, Debug)]
pub(crate) struct Seen<I: PeerId> {
    limits: Limits,
    /// The identifiers heard last: the oldest is forgotten when one too many comes.
    known: BTreeSet<MessageId<I>>,
    order: VecDeque<MessageId<I>>,
    /// What is here, but held back by a layer above, which bounds it.
    held_back: BTreeSet<MessageId<I>>,
    /// New ones since the last round, in all and by peer: never more than `limits.intake` entries.
    taken: usize,
    by_peer: Vec<(I, usize)>,
    /// This life's number; none before the first publication.
    boot: Option<u32>,
    /// Publications of this life.
    published: u32,
}

impl<I: PeerId> Seen<I> {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            known: BTreeSet::new(),
            order: VecDeque::new(),
            held_back: BTreeSet::new(),
            taken: 0,
            by_peer: Vec::new(),
            boot: None,
            published: 0,
        }
    }

    /// Identifiers remembered.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether `id` of another node, or of another life, is remembered.
    pub(crate) fn remembers(&self, id: &MessageId<I>) -> bool {
        self.known.contains(id)
    }

    /// Whether `id` is known, at node `me`, as far as is remembered.
    pub(crate) fn knows(&self, me: I, id: &MessageId<I>) -> bool {
        self.is_own(me, id) && id.sequence < self.published || self.known.contains(id)
    }

    /// `id` is held back by a layer above, or no longer.
    pub(crate) fn hold_back(&mut self, id: &MessageId<I>, on: bool) {
        if on {
            self.held_back.insert(*id);
        } else {
            self.held_back.remove(id);
        }
    }

    /// Whether `id` is held back by a layer above.
    pub(crate) fn is_held_back(&self, id: &MessageId<I>) -> bool {
        self.held_back.contains(id)
    }

    /// Whether `id` bears the name of this life of node `me`.
    fn is_own(&self, me: I, id: &MessageId<I>) -> bool {
        id.origin == me && self.boot == Some(id.boot)
    }

    /// Judges what `from` has sent, and remembers it if it is new.
    pub(crate) fn judge<P>(
        &mut self,
        from: I,
        id: MessageId<I>,
        age: u16,
        cx: &mut impl Local<P>,
    ) -> Verdict
    where
        P: Protocol<Id = I> + ?Sized,
    {
        let me = cx.me();
        let refused = if age > self.limits.age {
            Some("too old")
        } else if self.knows(me, &id) {
            cx.count("known already");
            return Verdict::Known;
        } else if self.is_own(me, &id) {
            Some("forged in this node's name")
        } else {
            self.admit(from).err()
        };
        if let Some(cause) = refused {
            cx.count(cause);
            return Verdict::Refused;
        }
        self.remember(id, cx);
        Verdict::New
    }

    /// Remembers `id`, which is not known.
    pub(crate) fn remember<P>(&mut self, id: MessageId<I>, cx: &mut impl Local<P>)
    where
        P: Protocol<Id = I> + ?Sized,
    {
        if self.order.len() >= self.limits.memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            cx.count("identifier forgotten");
        }
        self.known.insert(id);
        self.order.push_back(id);
    }

    /// Whether one more may come from `peer` this round; if not, why.
    fn admit(&mut self, peer: I) -> Result<(), &'static str> {
        if self.taken >= self.limits.intake {
            return Err("shed: intake full");
        }
        match self.by_peer.iter_mut().find(|entry| entry.0 == peer) {
            Some((_, taken)) if *taken >= self.limits.share => {
                return Err("shed: its sender's share is used up");
            }
            Some((_, taken)) => *taken += 1,
            None => self.by_peer.push((peer, 1)),
        }
        self.taken += 1;
        Ok(())
    }

    /// A round begins.
    pub(crate) fn new_round(&mut self) {
        self.taken = 0;
        self.by_peer.clear();
    }

    /// The age at which a publication begins that is to live so many rounds: nothing lives longer
    /// than to the age bound, and what is to live shorter begins that much older.
    pub(crate) fn first_age(&self, rounds: Option<u16>) -> Result<u16, Refusal> {
        let most = self.limits.age;
        match rounds {
            None => Ok(0),
            Some(rounds) if (1..=most).contains(&rounds) => Ok(most - rounds),
            Some(_) => Err(Refusal::Invalid("a publication lives 1 to `age` rounds")),
        }
    }

    /// Names the next publication of this node, which takes place.
    pub(crate) fn name<P>(&mut self, cx: &mut impl Local<P>) -> MessageId<I>
    where
        P: Protocol<Id = I> + ?Sized,
    {
        let id = self.next(cx);
        self.published += 1;
        id
    }

    /// The name of the next publication of this node.
    pub(crate) fn next<P>(&mut self, cx: &mut impl Local<P>) -> MessageId<I>
    where
        P: Protocol<Id = I> + ?Sized,
    {
        // The wall clock, because a node that restarts may be given the same randomness again.
        let boot = match self.boot {
            Some(boot) if self.published < u32::MAX => boot,
            _ => (cx.rng().next_u64() ^ cx.wall()) as u32,
        };
        if self.boot != Some(boot) {
            (self.boot, self.published) = (Some(boot), 0);
        }
        MessageId { origin: cx.me(), boot, sequence: self.published }
    }
}
