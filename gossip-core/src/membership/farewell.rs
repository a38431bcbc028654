//! A good-bye that is heard.
//!
//! Not a protocol: how [`Swim`] leaves. It tells whom it probes that it leaves, and lingers until
//! enough of those who stay have acknowledged it.

use super::event::Event;
use super::message::Message;
use super::own::Leaving;
use super::swim::Swim;
use crate::id::PeerId;
use crate::peers::Profile;
use crate::protocol::Context;

/// Rounds after which a node that leaves waits no longer, plus three for each acknowledgement it
/// wants. Our choice.
const LINGER: u16 = 10;

/// Members told at once by a node that leaves without waiting. Our choice.
const FAREWELLS: usize = 16;

impl<I: PeerId, T: Profile + PartialEq, const U: usize> Swim<I, T, U> {
    /// Once a round while this node leaves.
    pub(super) fn linger(&mut self, cx: &mut impl Context<Self>) {
        let others = self.members.live();
        let Some(leaving) = &mut self.own.leaving else { return };
        leaving.patience = leaving.patience.saturating_sub(1);
        let enough = usize::from(leaving.acknowledged) >= others.min(leaving.wanted.into());
        if (enough || leaving.patience == 0) && !leaving.told {
            leaving.told = true;
            cx.emit(Event::Gone(leaving.acknowledged));
        }
    }

    /// Member `peer` has acknowledged a ping that told it of the good-bye, if one is under way.
    pub(super) fn farewell_heard(&mut self, peer: I) {
        let Some(leaving) = &mut self.own.leaving else { return };
        if leaving.acknowledged < leaving.wanted && !self.acknowledged.contains(&peer) {
            leaving.acknowledged += 1;
            self.acknowledged.push(peer);
        }
    }

    /// From now on this node has left, and waits for `wanted` members to know.
    pub(super) fn leave(&mut self, wanted: u8) {
        if self.own.leaving.is_none() {
            let patience = LINGER + 3 * u16::from(wanted);
            self.own.leaving = Some(Leaving { wanted, acknowledged: 0, patience, told: false });
            self.announce();
        }
    }

    /// Tells some members at once, since there will be no time for more.
    pub(super) fn tell_farewell(&mut self, cx: &mut impl Context<Self>) {
        let me = cx.me();
        for peer in self.members.choose(FAREWELLS, me, cx.rng()) {
            let news = self.news(peer, &[me], cx);
            cx.send(peer, Message::News(news));
        }
    }
}
