//! What a node spreads, in the order in which it came, found by name.
//!
//! Not a protocol: a table that rumor mongering and the median counter share.

use alloc::collections::BTreeMap;

use gossip_core::PeerId;

use crate::post::MessageId;

/// Entries in the order in which they came, each with a number that grows.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals<I: PeerId, E> {
    entries: BTreeMap<u64, (MessageId<I>, E)>,
    numbers: BTreeMap<MessageId<I>, u64>,
    came: u64,
}

impl<I: PeerId, E> Arrivals<I, E> {
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeMap::new(), numbers: BTreeMap::new(), came: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes in an entry whose name is not here. Returns its number.
    pub(crate) fn push(&mut self, id: MessageId<I>, entry: E) -> u64 {
        let number = self.came;
        self.came += 1;
        self.numbers.insert(id, number);
        self.entries.insert(number, (id, entry));
        number
    }

    pub(crate) fn number(&self, id: &MessageId<I>) -> Option<u64> {
        self.numbers.get(id).copied()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&E> {
        self.entries.get(&number).map(|(_, entry)| entry)
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut E> {
        self.entries.get_mut(&number).map(|(_, entry)| entry)
    }

    /// The number of the one that came first.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.first_key_value().map(|(&number, _)| number)
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<E> {
        let (id, entry) = self.entries.remove(&number)?;
        self.numbers.remove(&id);
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &E)> {
        self.entries.iter().map(|(&number, (_, entry))| (number, entry))
    }

    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (u64, &mut E)> {
        self.entries.iter_mut().map(|(&number, (_, entry))| (number, entry))
    }
}
