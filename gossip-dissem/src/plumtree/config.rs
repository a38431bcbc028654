//! Parameters of Plumtree.
//!
//! Not a protocol: what its constructor checks.

use core::time::Duration;

use gossip_core::ParameterError;

use crate::seen::Limits;

/// The most neighbours a node serves.
pub const LINKS_MAX: usize = 64;

/// Which publications share a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trees {
    /// All of them: the paper's. The fewest links are used and the least is remembered; between
    /// two leaves the way is long.
    Shared,
    /// Those of one origin: each tree grows from its own publisher, along the shortest ways, so
    /// that publications take as few hops as the overlay allows and no node relays more than
    /// others. Links lead one way in them, so each may be pruned in one direction. Not in the
    /// paper. It costs a mark for each origin and link, and a flood for
    /// each origin's first publication.
    PerOrigin,
    /// The same, but a link is part of a tree only once a publication was pushed or asked for over
    /// it. An origin's first publication is pushed for some hops ([`Config::burst`]), and from
    /// there on announced and asked for: there is no flood. Not in the paper.
    OnDemand,
}

/// Parameters of Plumtree.
///
/// ```
/// use core::time::Duration;
/// use gossip_dissem::plumtree::{Config, State};
///
/// let slow = Config { timeout1: Duration::from_secs(2), ..Config::default() };
/// assert!(State::<u32, u64>::new(slow).is_ok());
/// let none = Config { store: 0, ..Config::default() };
/// let error = State::<u32, u64>::new(none).unwrap_err();
/// assert_eq!(error.to_string(), "store is 0 publications; it must be at least 1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which publications share a tree.
    pub trees: Trees,
    /// How many copies of a publication whose origin has no tree yet are pushed, where trees grow
    /// on demand; each node divides them among those it sends one to, and what is left over is
    /// announced. .6 times as many as there are nodes reach half of them, as quickly as a flood,
    /// and most others are neighbours of those; .1 of a copy a node is one too many (over five
    /// links a node). If there are twice as many nodes as was thought, .03 is, and a quarter of
    /// them are reached so; if half as many, .4; if a tenth, as many as of a flood, but once an
    /// origin only, as long as its tree is remembered. 0: all is announced, which takes three times
    /// as long. Not in the paper.
    pub burst: usize,
    /// How long a publication, or a prune, waits on its link for others, so that all travel in one
    /// datagram: what costs is often the datagram, not the byte. Each hop takes up to so much
    /// longer. If above zero, what else waits for the same neighbour goes with any datagram, too.
    /// Zero: nothing waits, as in the paper.
    pub gather: Duration,
    /// How long an acknowledgement waits for something to go with it. Less than `repeat`, by a
    /// round trip, or everything is told twice.
    pub acknowledge: Duration,
    /// How long what was announced may take to come by the tree before it is asked for: the
    /// paper's timeout1. By the diameter of the overlay.
    pub timeout1: Duration,
    /// So many publications in a row must have been late for a graft: before, what is lost on its
    /// way is asked for, and the links stay as they are. (Where no link brings what is published in
    /// a tree, one is grafted at once.) Links that lose nothing need no patience: 0, as in the
    /// paper.
    pub patience: u8,
    /// How long after one neighbour was asked the next one is: the paper's timeout2, about a round
    /// trip. It doubles when all that are known to have it were asked, up to 32 times as long.
    pub timeout2: Duration,
    /// How long an announcement over a lazy link waits for others to go with it.
    pub announce: Duration,
    /// How long after a value was sent over an eager link it is also announced there, unless the
    /// neighbour is known to have it by then. `None`: never, as in the paper, whose links lose
    /// nothing.
    pub confirm: Option<Duration>,
    /// How long an announcement waits for its acknowledgement before it is made again. `None`:
    /// there are no acknowledgements, as in the paper.
    pub repeat: Option<Duration>,
    /// Whether neighbours that have announced a publication are sent neither it nor the
    /// announcement of it. Not in the paper.
    pub suppress: bool,
    /// By how many hops an announcement must be shorter than the way a value came for the two
    /// links to change places: the paper's threshold. `None`: never.
    pub threshold: Option<u16>,
    /// Up to this age, in rounds, publications are announced to neighbours that are new.
    pub recall: u16,
    /// Publications kept for neighbours that miss them. The oldest gives way.
    pub store: usize,
    /// Publications that were announced and have not come: how many are waited for.
    pub missing: usize,
    /// Rounds since its publication after which nothing is taken in, kept or passed on.
    pub age: u16,
    /// New publications taken in a round, from all peers together, and published here; others are
    /// shed, and come again.
    pub intake: usize,
    /// New publications taken in a round from one peer. A tree brings all by one, so a share below
    /// the intake bounds what one neighbour, honest or not, can bring.
    pub share: usize,
    /// Identifiers remembered, at least `intake` times two more than `age`: then an identifier
    /// outlives every copy of its publication.
    pub memory: usize,
}

impl Default for Config {
    /// Ours, for links of up to about 100 ms that lose datagrams: a tree for each origin, which
    /// grows on demand, of a thousand nodes; ask after 80 ms; gather announcements for 20 ms;
    /// confirm after 200 ms, and repeat after 500. The paper's threshold for many publishers, 7.
    /// Room for 16 rounds of full intake.
    fn default() -> Self {
        Self {
            trees: Trees::OnDemand,
            burst: 600,
            gather: Duration::ZERO,
            acknowledge: Duration::ZERO,
            timeout1: Duration::from_millis(80),
            timeout2: Duration::from_millis(150),
            patience: 3,
            announce: Duration::from_millis(20),
            confirm: Some(Duration::from_millis(200)),
            repeat: Some(Duration::from_millis(500)),
            suppress: true,
            threshold: Some(7),
            recall: 32,
            store: 1_024,
            missing: 1_024,
            age: 64,
            intake: 64,
            share: 64,
            memory: 8_192,
        }
    }
}

impl Config {
    /// The paper's protocol, for links that lose nothing: one tree, no acknowledgements, no
    /// confirmations, no suppression, nothing told to new neighbours, announcements one by one, no
    /// optimisation.
    pub fn paper() -> Self {
        Self {
            trees: Trees::Shared,
            burst: 0,
            announce: Duration::ZERO,
            patience: 0,
            confirm: None,
            repeat: None,
            suppress: false,
            threshold: None,
            recall: 0,
            ..Self::default()
        }
    }

    pub(super) const fn limits(&self) -> Limits {
        let Self { age, intake, share, memory, .. } = *self;
        Limits { age, intake, share, memory }
    }

    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let micros = |span: Duration| span.as_micros() as f64;
        let repeat = self.repeat.unwrap_or(Duration::MAX);
        for (parameter, span) in
            [("timeout1", self.timeout1), ("timeout2", self.timeout2), ("repeat", repeat)]
        {
            ParameterError::new(parameter, micros(span), "microseconds", "above 0")
                .unless(span.as_micros() > 0)?;
        }
        let bound = "below repeat";
        ParameterError::new("acknowledge", micros(self.acknowledge), "microseconds", bound)
            .unless(self.acknowledge < repeat)?;
        for (parameter, count) in [("store", self.store), ("missing", self.missing)] {
            ParameterError::new(parameter, count as f64, "publications", "at least 1")
                .unless(count >= 1)?;
        }
        let threshold = f64::from(self.threshold.unwrap_or(1));
        ParameterError::new("threshold", threshold, "hops", "at least 1")
            .unless(threshold >= 1.0)?;
        self.limits().check()
    }
}
