//! Not a protocol: the parameters of T-Man.

use gossip_core::ParameterError;

/// Parameters of T-Man. All but the ranking have defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config<R> {
    pub(super) ranking: R,
    pub(super) message: Option<usize>,
    pub(super) psi: usize,
    pub(super) tabu: usize,
    pub(super) degree: usize,
    pub(super) limit: usize,
    pub(super) fresh: usize,
    pub(super) strikes: u32,
    pub(super) lifetime: u32,
}

impl<R> Config<R> {
    /// The structure that `ranking` describes, with the paper's psi = 10 and tabu list of 4
    /// (section 5), and our choices for the rest.
    pub const fn new(ranking: R) -> Self {
        Self {
            ranking,
            message: None,
            psi: 10,
            tabu: 4,
            degree: 10,
            limit: 1_024,
            fresh: 1,
            strikes: 3,
            lifetime: 20,
        }
    }

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

    /// Takes `count` peers of the sampler each round instead of 1 (our choice): what heals
    /// partitions. While fewer than psi are known, all of its peers are taken.
    pub const fn fresh(mut self, count: usize) -> Self {
        self.fresh = count;
        self
    }

    /// Takes a partner for dead after `count` unanswered requests in a row, from 1, instead of 3
    /// (our choice: with a fifth of all messages lost, 0.5 % of a ring's links are missing at any
    /// time; with 2, 2 %). It is asked again at once.
    pub const fn strikes(mut self, count: u32) -> Self {
        self.strikes = count;
        self
    }

    /// Forgets a peer of which nothing new was heard for `rounds`, from 8 to 65,535, instead of
    /// 20 (our choice: news of near peers was never more than 11 rounds old, even with a fifth of
    /// all messages lost). Nobody is believed in longer than this after a crash. Multiply it by n
    /// for a layer that runs `#[every(n)]` round.
    pub const fn lifetime(mut self, rounds: u32) -> Self {
        self.lifetime = rounds;
        self
    }

    /// Checks all, for messages of at most `capacity` descriptors.
    pub(super) fn check(&self, capacity: usize) -> Result<(), ParameterError> {
        let check = |name, value: usize, unit, bound, holds| {
            ParameterError::new(name, value as f64, unit, bound).unless(holds)
        };
        let Self { psi, tabu, degree, limit, strikes, lifetime, .. } = *self;
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
        check("lifetime", lifetime as usize, "rounds", "8 to 65535", long)
    }
}
