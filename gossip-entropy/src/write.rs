//! Not a protocol: what the owner of a replica asks of it.

use alloc::boxed::Box;

use gossip_core::wire::{Blob, Bounded};
use gossip_core::{Local, PeerId, Peers, Receipt, Refusal};

use crate::command::Command;
use crate::message::{Grave, SITES, State, Update};
use crate::replica::Replica;
use crate::seal::Seal;
use crate::stamp::Stamp;
use crate::store::Merged;
use crate::tree::LEAF;

/// The most prefixes subscribed to.
const PREFIXES: usize = 64;

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// Does what the owner asks.
    pub(crate) fn obey<D: Peers<Id = I>>(
        &mut self,
        below: &D,
        command: Command<KEY, VALUE>,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        match command {
            Command::Set { key, value } => self.write(key, |_| State::Value(value), cx),
            Command::Delete { .. } if self.store.merges() => {
                Err(Refusal::Invalid("values that merge are not deleted"))
            }
            Command::Delete { key } => {
                let sites = self.draw_sites(below, cx);
                let grave = |stamp: Stamp<I>| Grave { activated: stamp.micros, sites };
                self.write(key, |stamp| State::Deleted(grave(stamp)), cx)
            }
            Command::Subscribe { prefix } => self.subscribe(prefix.into_bytes(), true),
            Command::Unsubscribe { prefix } => self.subscribe(prefix.into_bytes(), false),
        }
    }

    fn write(
        &mut self,
        key: Blob<KEY>,
        state: impl FnOnce(Stamp<I>) -> State<I, VALUE>,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        if self.store.is_full() && !self.store.knows(&key) {
            return Err(Refusal::Full { limit: self.store.used() });
        }
        let stamp = self.clock.stamp(cx.wall(), cx.me());
        let stamp = stamp.ok_or(Refusal::Invalid("the wall clock stands at the end of time"))?;
        let state = state(stamp);
        let entry = Update::of(key, stamp, state, &Seal::default());
        let entry = self.sign(entry).ok_or(Refusal::Invalid("this node may not write the key"))?;
        match self.take(entry, stamp.micros, None) {
            (Merged::Taken, Some(slot)) => self.note(slot, None, cx),
            (Merged::Invalid, _) => return Err(Refusal::Invalid("the value does not merge")),
            _ => return Err(Refusal::Full { limit: LEAF }),
        }
        Ok(Receipt::default())
    }

    /// A certificate's retention sites: random peers of whom this node knows.
    fn draw_sites<D: Peers<Id = I>>(
        &self,
        below: &D,
        cx: &mut impl Local<Self>,
    ) -> Bounded<I, SITES> {
        let mut sites = Bounded::new();
        for _ in 0..4 * self.sites {
            let drawn = below.sample(cx.rng()).filter(|peer| !sites.contains(peer));
            if sites.len() < usize::from(self.sites) {
                sites.fill(drawn);
            }
        }
        sites
    }

    fn subscribe(&mut self, prefix: Box<[u8]>, wanted: bool) -> Result<Receipt, Refusal> {
        let prefixes = self.prefixes.get_or_insert_default();
        if wanted && prefixes.len() >= PREFIXES && !prefixes.contains(&prefix) {
            return Err(Refusal::Full { limit: PREFIXES });
        }
        let _ = if wanted { prefixes.insert(prefix) } else { prefixes.remove(&prefix) };
        Ok(Receipt::default())
    }
}
