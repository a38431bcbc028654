//! foca, through its runtime trait: what it sends is a message of a layer of ours, its timers are
//! wakes. It lives in the same simulator, then, and in the same network.

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use foca::{Config, Foca, Identity, Member, Notification, PostcardCodec, Runtime, Timer};
use gossip_core::random::{Key, Random};
use gossip_core::sim::event::Simulation;
use gossip_core::wire::Blob;
use gossip_core::{Context, Layer, Nothing, Protocol, Time};
use serde::{Deserialize, Serialize};

use super::Contender;
use crate::heap;

/// The largest datagram: as many bytes as ours has beside its header and seal.
const DATAGRAM: usize = 1_150;

/// A node's number, and which of its lives: it may come back at once after a false accusation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Id {
    node: u32,
    life: u16,
}

impl Identity for Id {
    type Addr = u32;

    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> u32 {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.life > adversary.life
    }
}

/// Who was declared down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Down(u32);

/// A node that runs foca.
pub(super) struct Rival {
    foca: Foca<Id, PostcardCodec, Random, foca::NoCustomBroadcast>,
    /// What is due when; the numbers keep those of one moment apart.
    timers: BTreeMap<(Time, u64), Timer<Id>>,
    numbered: u64,
    contact: Option<u32>,
    /// Bytes of its datagrams, without our driver's header.
    said: u64,
}

impl fmt::Debug for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rival").field("identity", self.foca.identity()).finish_non_exhaustive()
    }
}

/// What foca wants done.
#[derive(Default)]
struct Wishes {
    sent: Vec<(u32, Vec<u8>)>,
    timers: Vec<(Duration, Timer<Id>)>,
    down: Vec<u32>,
}

impl Runtime<Id> for Wishes {
    fn notify(&mut self, notification: Notification<'_, Id>) {
        if let Notification::MemberDown(id) = notification {
            self.down.push(id.node);
        }
    }

    fn send_to(&mut self, to: Id, data: &[u8]) {
        self.sent.push((to.node, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Id>, after: Duration) {
        self.timers.push((after, event));
    }
}

impl Rival {
    /// Calls foca, and does what it wants.
    fn call<E>(
        &mut self,
        cx: &mut impl Context<Self>,
        call: impl FnOnce(
            &mut Foca<Id, PostcardCodec, Random, foca::NoCustomBroadcast>,
            &mut Wishes,
        ) -> Result<(), E>,
    ) {
        let mut wishes = Wishes::default();
        if call(&mut self.foca, &mut wishes).is_err() {
            cx.count("refused");
        }
        for (to, bytes) in wishes.sent {
            self.said += bytes.len() as u64;
            match Blob::try_from(bytes) {
                Ok(blob) => cx.send(to, blob),
                Err(_) => cx.count("too large"),
            }
        }
        for (after, timer) in wishes.timers {
            self.numbered += 1;
            self.timers.insert((cx.now() + after, self.numbered), timer);
        }
        wishes.down.into_iter().for_each(|peer| cx.emit(Down(peer)));
    }

    /// Asks the contact to be let in.
    fn announce(&mut self, cx: &mut impl Context<Self>) {
        if let Some(node) = self.contact {
            self.call(cx, |foca, wishes| foca.announce(Id { node, life: 0 }, wishes));
        }
    }
}

impl Protocol for Rival {
    type Id = u32;
    type Message = Blob<DATAGRAM>;
    type Event = Down;
    type Command = Nothing;

    fn wake_at(&self) -> Time {
        self.timers.keys().next().map_or(Time::NEVER, |due| due.0)
    }
}

impl<D: ?Sized> Layer<D> for Rival {
    /// foca has timers of its own. While it knows nobody, it asks again, as ours does.
    fn on_round(&mut self, _: &D, cx: &mut impl Context<Self>) {
        if self.foca.num_members() == 0 {
            self.announce(cx);
        }
    }

    fn on_message(&mut self, _: &D, _: u32, data: Blob<DATAGRAM>, cx: &mut impl Context<Self>) {
        self.call(cx, |foca, wishes| foca.handle_data(&data, wishes));
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        while let Some(due) = self.timers.first_entry().filter(|due| due.key().0 <= cx.now()) {
            let timer = due.remove();
            self.call(cx, |foca, wishes| foca.handle_timer(timer, wishes));
        }
    }

    fn on_contact(&mut self, _: &D, peer: u32, cx: &mut impl Context<Self>) {
        self.contact = Some(peer);
        self.announce(cx);
    }
}

impl Contender for Rival {
    const NAME: &str = "foca";

    fn configuration() -> String {
        format!(
            "2.0, Config::new_lan(cluster size) as it is: period 1 s, 500 ms, 3 helpers, suspicion \
             4 log10(n) periods, gossip to 3 members each 200 ms; datagrams of {DATAGRAM} bytes; \
             identities that renew"
        )
    }

    fn make(nodes: u32, at: u32, seed: u64) -> Self {
        let size = NonZeroU32::new(nodes.max(1)).expect("at least 1");
        let max_packet_size = NonZeroUsize::new(DATAGRAM).expect("not 0");
        let config = Config { max_packet_size, ..Config::new_lan(size) };
        let random = Key::new(seed).with(u64::from(at)).random(0);
        let foca = Foca::new(Id { node: at, life: 0 }, config, random, PostcardCodec);
        Self { foca, timers: BTreeMap::new(), numbered: 0, contact: None, said: 0 }
    }

    fn count(&self) -> usize {
        self.foca.num_members()
    }

    fn holds(&self, peer: u32) -> bool {
        self.foca.iter_members().any(|member| member.id().node == peer)
    }

    fn died(event: &Down) -> Option<u32> {
        Some(event.0)
    }

    fn sent(sim: &Simulation<Self>) -> u64 {
        sim.nodes().map(|(_, node)| node.said).sum()
    }

    fn memory(count: u32) -> usize {
        heap::held_by(|| {
            let mut rival = Self::make(count, 0, 1);
            let all = (1..=count).map(|node| Member::alive(Id { node, life: 0 }));
            let applied = rival.foca.apply_many(all, true, &mut Wishes::default());
            assert!(applied.is_ok(), "foca takes its members in");
            rival
        })
    }
}
