//! What a node holds of another, and which claim overrides which.
//!
//! Not a protocol: SWIM's override rules (section 4.2) as one order.
//!
//! A standing is an incarnation and a state. The greater one overrides the lesser: first by
//! incarnation, which only the member itself raises, then `alive < suspected < dead < left`. So
//! claims may come in any order, twice, or late. Written out, with a claim of incarnation `i`
//! against what is held at `j`:
//!
//! ```text
//! alive i       over  alive, suspected, dead, left j          if i > j
//! suspected i   over  alive j                                 if i >= j
//!                     suspected, dead, left j                 if i > j
//! dead i        over  alive, suspected j                      if i >= j
//!                     dead, left j                            if i > j
//! left i        over  alive, suspected, dead j                if i >= j
//!                     left j                                  if i > j
//! ```
//!
//! One rule more, unless it is switched off: a death that was not suspected here first, in the same
//! incarnation and for the shortest timeout, is taken as a suspicion. So nobody is dead here who
//! had no time to object, and one sick node's list of deaths kills nobody.

/// How a member is, as far as is known: a hint, not agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nobody doubts it.
    Alive,
    /// Somebody got no answer. It still counts as a member, and may refute.
    Suspected,
    /// Presumed dead: it was suspected for long enough and did not refute. It may still come back,
    /// with a higher incarnation.
    Dead,
    /// It said good-bye.
    Left,
}

impl State {
    /// Whether it counts as a member: gossip goes to it.
    ///
    /// ```
    /// use gossip_core::membership::State;
    /// assert!(State::Suspected.is_member() && !State::Dead.is_member());
    /// ```
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Alive | Self::Suspected)
    }
}

/// A state, and the incarnation of the member that it is about. The greater overrides the lesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Standing {
    /// Raised by the member itself, to contradict what is said of it.
    pub incarnation: u32,
    /// How it is.
    pub state: State,
}

impl Standing {
    /// This state in this incarnation.
    pub const fn new(incarnation: u32, state: State) -> Self {
        Self { incarnation, state }
    }

    /// Whether `claim` is out of date in a way that its sender should be told of: it takes somebody
    /// for a member who is not, or the other way round, or accuses who has refuted.
    ///
    /// ```
    /// use gossip_core::membership::{Standing, State::*};
    ///
    /// let alive = Standing::new(4, Alive);
    /// assert!(alive.contradicts(Standing::new(3, Suspected)));
    /// assert!(!alive.contradicts(Standing::new(3, Alive)), "it will hear");
    /// assert!(!alive.contradicts(Standing::new(4, Suspected)), "that is news");
    /// assert!(Standing::new(4, Dead).contradicts(alive));
    /// ```
    pub fn contradicts(self, claim: Self) -> bool {
        let refuted = self.state == State::Alive && claim.state != State::Alive;
        self > claim && (refuted || self.state.is_member() != claim.state.is_member())
    }

    /// What is held after `claim` was heard. With `doubt`, a death must have been suspected first:
    /// long enough for the member to object, which is not looked at here.
    ///
    /// ```
    /// use gossip_core::membership::{Standing, State::*};
    ///
    /// let suspected = Standing::new(3, Suspected);
    /// assert_eq!(suspected.heard(Standing::new(3, Alive), true), suspected);
    /// assert_eq!(suspected.heard(Standing::new(4, Alive), true), Standing::new(4, Alive));
    /// assert_eq!(suspected.heard(Standing::new(3, Dead), true), Standing::new(3, Dead));
    /// // The member has raised its incarnation since: it may do so again.
    /// assert_eq!(suspected.heard(Standing::new(4, Dead), true), Standing::new(4, Suspected));
    /// assert_eq!(suspected.heard(Standing::new(4, Dead), false), Standing::new(4, Dead));
    /// ```
    pub fn heard(self, claim: Self, doubt: bool) -> Self {
        let suspected = Self::new(claim.incarnation, State::Suspected);
        let sudden = claim.state == State::Dead && self.state.is_member() && self != suspected;
        self.max(if doubt && sudden { suspected } else { claim })
    }
}
