//! Not a protocol: the parameters of T-Man.

use gossip_core::{ParameterError, Round};

use super::select::Form;

/// Parameters of T-Man. All but the ranking have defaults, and the profile `P`, if the ranking asks
/// for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config<R, P = ()> {
    pub(super) ranking: R,
    pub(super) profile: P,
    pub(super) form: Form,
    pub(super) message: Option<usize>,
    pub(super) psi: usize,
    pub(super) tabu: usize,
    pub(super) degree: usize,
    pub(super) limit: usize,
    pub(super) fresh: usize,
    pub(super) strikes: u32,
    pub(super) lifetime: u32,
    pub(super) probes: usize,
    pub(super) settled: Round,
    pub(super) pause: Option<Round>,
    pub(super) dormant: bool,
}

impl<R> Config<R> {
    /// The structure that `ranking` describes, with the paper's psi = 10 and tabu list of 4
    /// (section 5), and our choices for the rest.
    pub const fn new(ranking: R) -> Self {
        Self {
            ranking,
            profile: (),
            form: Form::Remembering,
            message: None,
            psi: 10,
            tabu: 4,
            degree: 10,
            limit: 1_024,
            fresh: 1,
            strikes: 3,
            lifetime: 20,
            probes: 10,
            settled: 8,
            pause: None,
            dormant: false,
        }
    }

    /// Tells `profile` of this node: its coordinates, its attribute, whatever the ranking places
    /// peers by. [`Command::Describe`](super::Command::Describe) changes it later.
    pub fn profile<P>(self, profile: P) -> Config<R, P> {
        let Self { ranking, form, message, psi, tabu, degree, limit, fresh, .. } = self;
        let Self { strikes, lifetime, probes, settled, pause, dormant, .. } = self;
        Config {
            ranking,
            profile,
            form,
            message,
            psi,
            tabu,
            degree,
            limit,
            fresh,
            strikes,
            lifetime,
            probes,
            settled,
            pause,
            dormant,
        }
    }
}

impl<R, P> Config<R, P> {
    /// Sends `count` descriptors, the paper's m, from 1 to the capacity `M` of messages, instead of
    /// `M`. The authors' code has 20.
    pub const fn message(mut self, count: usize) -> Self {
        self.message = Some(count);
        self
    }

    /// Chooses partners among the `psi` nearest peers, from 1 to 256, instead of 10 (paper,
    /// section 5). A small one contacts the same nodes again and again.
    pub const fn psi(mut self, psi: usize) -> Self {
        self.psi = psi;
        self
    }

    /// Avoids the `count` latest partners, up to 256, instead of 4 (the authors' code).
    pub const fn tabu(mut self, count: usize) -> Self {
        self.tabu = count;
        self
    }

    /// Shows layers above the `count` nearest peers, from 1 to 256, instead of 10 (half of the
    /// authors' m).
    pub const fn degree(mut self, count: usize) -> Self {
        self.degree = count;
        self
    }

    /// Keeps at most `count` descriptors, from 2 to 65,535, instead of 1,024 (our choice: four
    /// times what a ring of 8,192 was seen to need). At the bound the farthest goes.
    pub const fn limit(mut self, count: usize) -> Self {
        self.limit = count;
        self
    }

    /// Is the protocol of 2005: keeps the `view` nearest alone (the paper's c), from 2 to the
    /// capacity `M` of messages, sends them all, and asks one of the better half, up to round
    /// `endgame` of a node; then it asks its nearest most often. The authors' program has c = 20
    /// and an endgame after log2(N / c) rounds, rounded up. [`message`](Self::message),
    /// [`psi`](Self::psi) and [`tabu`](Self::tabu) are of the other form.
    ///
    /// ```
    /// use gossip_overlay::{RingRank, TMan, tman};
    ///
    /// let of_2005 = |view| tman::Config::new(RingRank::hashed()).bounded(view, 10);
    /// assert!(TMan::<u32, RingRank, 20>::new(of_2005(20)).is_ok());
    /// assert!(TMan::<u32, RingRank, 20>::new(of_2005(21)).is_err()); // a view travels whole
    /// ```
    pub const fn bounded(mut self, view: usize, endgame: Round) -> Self {
        self.form = Form::Bounded { endgame };
        self.limit = view;
        self
    }

    /// Takes `count` peers of the sampler each round instead of 1 (our choice): what heals
    /// partitions. While fewer than psi are known, all of its peers are taken.
    pub const fn fresh(mut self, count: usize) -> Self {
        self.fresh = count;
        self
    }

    /// Takes a partner that is not probed for dead after `count` unanswered requests in a row, from
    /// 1, instead of 3 (our choice: without probes, with a fifth of all messages lost, 0.5 % of a
    /// ring's links are missing at any time; with 2, 2 %). It is asked again at once.
    pub const fn strikes(mut self, count: u32) -> Self {
        self.strikes = count;
        self
    }

    /// Forgets a peer of which nothing new was heard for `rounds`, from 8 to 65,535, instead of
    /// 20 (our choice: news of near peers was never more than 11 rounds old, even with a fifth of
    /// all messages lost). Nobody is believed in much longer than this after a crash. Multiply it
    /// by n for a layer that runs `#[every(n)]` round. Above 8,191, what others tell never expires.
    pub const fn lifetime(mut self, rounds: u32) -> Self {
        self.lifetime = rounds;
        self
    }

    /// Asks the `count` nearest peers each round whether they live, up to 256, instead of 10 (our
    /// choice: as many as the links that layers above see). Whoever is silent to four questions,
    /// spread over the round, is taken for dead. 0 asks nobody: the dead are then found by
    /// exchanges with them, or by age.
    pub const fn probes(mut self, count: usize) -> Self {
        self.probes = count;
        self
    }

    /// Says [`Converged`](super::Event::Converged) when the links have been the same for `rounds`,
    /// from 1, instead of 8 (our choice: at N = 8,192 a ring takes 10 in all).
    pub const fn settled(mut self, rounds: Round) -> Self {
        self.settled = rounds;
        self
    }

    /// Stops exchanging once the links have been the same for `rounds`, from 1 (the paper's
    /// `inactive` cycles), and goes on when one changes. Never stops by default. A node that has
    /// stopped still answers, probes, and looks at the sampler below.
    pub const fn pause(mut self, rounds: Round) -> Self {
        self.pause = Some(rounds);
        self
    }

    /// Does nothing until it is told to start, by [`Command::Start`](super::Command::Start) at one
    /// node and by broadcast at all others (paper, section 5). Starts at once by default.
    pub const fn dormant(mut self) -> Self {
        self.dormant = true;
        self
    }

    /// Checks all, for messages of at most `capacity` descriptors.
    pub(super) fn check(&self, capacity: usize) -> Result<(), ParameterError> {
        let check = |name, value: usize, unit, bound, holds| {
            ParameterError::new(name, value as f64, unit, bound).unless(holds)
        };
        let Self { psi, tabu, degree, limit, strikes, lifetime, probes, settled, .. } = *self;
        let m = self.message.unwrap_or(capacity);
        let fits = (1..=capacity.min(65_535)).contains(&m);
        check("message size m", m, "descriptors", "1 to the capacity M, at most 65535", fits)?;
        check("psi", psi, "peers", "1 to 256", (1..=256).contains(&psi))?;
        check("tabu", tabu, "peers", "0 to 256", tabu <= 256)?;
        check("degree", degree, "peers", "1 to 256", (1..=256).contains(&degree))?;
        check("limit", limit, "descriptors", "2 to 65535", (2..=65_535).contains(&limit))?;
        check("fresh", self.fresh, "peers", "0 to 256", self.fresh <= 256)?;
        check("strikes", strikes as usize, "requests", "at least 1", strikes >= 1)?;
        let long = (8..=65_535).contains(&lifetime);
        check("lifetime", lifetime as usize, "rounds", "8 to 65535", long)?;
        check("probes", probes, "peers", "0 to 256", probes <= 256)?;
        check("settled", settled as usize, "rounds", "at least 1", settled >= 1)?;
        if matches!(self.form, Form::Bounded { .. }) {
            let fits = limit <= capacity;
            check("view c", limit, "descriptors", "2 to the capacity M of messages", fits)?;
        }
        let pause = self.pause.unwrap_or(1);
        check("pause", pause as usize, "rounds", "at least 1", pause >= 1)
    }
}
