//! Parameters of rumor mongering.
//!
//! Not a protocol: the parameters of the one in `rumor.rs`.

use gossip_core::ParameterError;

use crate::seen::Limits;

/// Which way rumors travel in a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Style {
    /// Who has hot rumors sends them to a random peer.
    Push,
    /// Everybody asks a random peer for its hot rumors, also when there are none.
    Pull,
    /// Both in one contact.
    PushPull,
    /// Both in one contact, with the paper's minimisation: of two that spread a rumor already, only
    /// the one with the smaller counter counts the contact, or both if they are equal.
    Minimised,
}

impl Style {
    pub(super) const fn pushes(self) -> bool {
        !matches!(self, Self::Pull)
    }

    pub(super) const fn weighs(self) -> bool {
        matches!(self, Self::Minimised)
    }

    pub(super) const fn asks(self) -> bool {
        !matches!(self, Self::Push)
    }
}

/// When a node loses interest in a rumor: the paper's feedback or blind, counter or coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interest {
    /// After `k` useless contacts in a row: a useful one starts the count again. This is what the
    /// paper's tables 1 and 3 show.
    Consecutive {
        /// The paper's k.
        k: u16,
    },
    /// After `k` useless contacts in all. The nearest reading of the paper's text, but not of its
    /// tables: it misses more nodes for the same k. Here as a control for experiments.
    Cumulative {
        /// The paper's k.
        k: u16,
    },
    /// With probability 1/`k` after each useless contact: feedback and coin.
    Coin {
        /// The paper's k.
        k: u16,
    },
    /// After `k` copies sent, whatever they were worth: blind and counter. With k = 1 a node tells
    /// its `fanout` peers once, and is done: infect and die.
    BlindCounter {
        /// The paper's k.
        k: u16,
    },
    /// With probability 1/`k` after each copy sent: blind and coin, the paper's table 2.
    BlindCoin {
        /// The paper's k.
        k: u16,
    },
}

impl Interest {
    pub(super) const fn k(self) -> u16 {
        match self {
            Self::Consecutive { k }
            | Self::Cumulative { k }
            | Self::Coin { k }
            | Self::BlindCounter { k }
            | Self::BlindCoin { k } => k,
        }
    }
}

/// The most peers a node may contact in a round.
pub const FANOUT_MAX: usize = 16;

/// Parameters of rumor mongering, checked when the protocol is built from them.
///
/// ```
/// use gossip_dissem::rumor::{Config, State};
///
/// let config = Config::push(3).fanout(2).hot(64);
/// assert!(State::<u32, u64>::new(config).is_ok());
/// let error = State::<u32, u64>::new(Config::push(0)).unwrap_err();
/// assert_eq!(error.to_string(), "counter k is 0 useless contacts; it must be 1 to 65535");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub(super) style: Style,
    pub(super) interest: Interest,
    pub(super) fanout: usize,
    pub(super) hot: usize,
    pub(super) batch: usize,
    pub(super) limits: Limits,
    pub(super) piggyback: bool,
    pub(super) mail: usize,
}

impl Default for Config {
    /// Push-pull with k = 2: of the variants in the paper it misses the fewest nodes for what it
    /// sends (a residue of 2 in 10^4 for 3.6 copies a node, at 1000 nodes). Our choice.
    fn default() -> Self {
        Self::push_pull(2)
    }
}

impl Config {
    /// The paper's push with feedback and counter (table 1): silent when there is no news.
    pub const fn push(k: u16) -> Self {
        Self::new(Style::Push, k)
    }

    /// The paper's pull with feedback and counter (table 3): one question a node and round, always.
    pub const fn pull(k: u16) -> Self {
        Self::new(Style::Pull, k)
    }

    /// The paper's push and pull, combined (section 1.4).
    pub const fn push_pull(k: u16) -> Self {
        Self::new(Style::PushPull, k)
    }

    /// The same with the paper's minimisation: of all variants the smallest residue for one k, and
    /// the most copies. With k = 1 it changes nothing. A push is up to three bytes longer.
    pub const fn minimised(k: u16) -> Self {
        Self::new(Style::Minimised, k)
    }

    const fn new(style: Style, k: u16) -> Self {
        Self {
            style,
            interest: Interest::Consecutive { k },
            fanout: 1,
            hot: 128,
            batch: 32,
            limits: Limits { age: 64, intake: 64, share: 8, memory: 8_192 },
            piggyback: false,
            mail: 0,
        }
    }

    /// Loses interest by this rule, with the k that it names.
    pub const fn interest(mut self, interest: Interest) -> Self {
        self.interest = interest;
        self
    }

    /// Contacts this many peers a round, from 1 to [`FANOUT_MAX`]. The paper's is 1 (section 1.4),
    /// which is the default.
    pub const fn fanout(mut self, peers: usize) -> Self {
        self.fanout = peers;
        self
    }

    /// Spreads at most this many rumors at a time; half of them, rounded up, may be the node's own.
    /// At the bound a newer rumor takes the place of the one that has been here longest, and a
    /// command to publish beyond the own half is refused. Default 128: our choice, twice what
    /// [`share`](Self::share) keeps hot for the about 8 rounds of a rumor's life at a node.
    pub const fn hot(mut self, rumors: usize) -> Self {
        self.hot = rumors;
        self
    }

    /// Sends at most this many rumors in one contact, those sent least often first. Default 32: our
    /// choice; about 4 copies a node and rumor are sent, so a network carries 32/4 new rumors a
    /// round.
    pub const fn batch(mut self, rumors: usize) -> Self {
        self.batch = rumors;
        self
    }

    /// A rumor is not passed on when this many rounds have gone by since it was published. Default
    /// 64, our choice: push reaches 10^6 nodes in log2 n + ln n = 34 rounds (Pittel 1987), and loss
    /// of half of all contacts takes less than twice as long.
    pub const fn age(mut self, rounds: u16) -> Self {
        self.limits.age = rounds;
        self
    }

    /// Takes in at most this many new rumors a round, from all peers together; others are shed, and
    /// may come again. Default 64: our choice, twice the batch.
    pub const fn intake(mut self, rumors: usize) -> Self {
        self.limits.intake = rumors;
        self
    }

    /// Takes in at most this many new rumors a round from one peer. Default 8, our choice: what one
    /// peer can bring in, the network can carry with the default batch.
    pub const fn share(mut self, rumors: usize) -> Self {
        self.limits.share = rumors;
        self
    }

    /// Remembers the identifiers of the last so many rumors, at least [`intake`](Self::intake)
    /// times two more than [`age`](Self::age): then an identifier outlives every copy of its rumor.
    /// Default 8192: our choice, nearly twice that.
    pub const fn memory(mut self, ids: usize) -> Self {
        self.limits.memory = ids;
        self
    }

    /// Also puts hot rumors into the room that is left in datagrams of other layers. They then
    /// spread faster, and the paper's tables no longer describe them, so it is off by default.
    pub const fn piggyback(mut self, on: bool) -> Self {
        self.piggyback = on;
        self
    }

    /// Direct mail (the paper's section 1.2): a rumor published here is at once sent to up to so
    /// many known peers, beside being spread. Default 0. Over full membership one copy a node, all
    /// sent by the publisher; what is lost on the way, or does not know a peer, is left to the
    /// rumor.
    pub const fn mail(mut self, peers: usize) -> Self {
        self.mail = peers;
        self
    }

    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let bounds = [
            ("counter k", self.interest.k() as usize, "useless contacts", 1, "1 to 65535"),
            ("fanout f", self.fanout, "peers", 1, "1 to 16"),
            ("hot rumors", self.hot, "rumors", 1, "at least 1"),
            ("batch", self.batch, "rumors", 1, "at least 1"),
        ];
        for (parameter, value, unit, least, bound) in bounds {
            ParameterError::new(parameter, value as f64, unit, bound).unless(value >= least)?;
        }
        ParameterError::new("fanout f", self.fanout as f64, "peers", "1 to 16")
            .unless(self.fanout <= FANOUT_MAX)?;
        self.limits.check()
    }
}
