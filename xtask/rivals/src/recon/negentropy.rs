//! negentropy: fingerprints of ranges, split where they differ. Its items are 32 bytes: shorter
//! ones have zeros behind them.

use gossip_core::random::Random;
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::{Contender, Cost, DATAGRAM, Item, Link, Own, check, timed};

/// Round trips after which it is given up.
const MOST: usize = 100;

pub(super) struct Rival<const L: usize>(Vec<Item<L>>);

fn id<const L: usize>(item: &Item<L>) -> [u8; 32] {
    let mut id = [0; 32];
    id[..L].copy_from_slice(item);
    id
}

impl<const L: usize> Rival<L> {
    pub(super) fn new(common: &[Item<L>]) -> Self {
        let mut common = common.to_vec();
        common.sort_unstable();
        Self(common)
    }

    fn storage(&self, own: &[Item<L>]) -> Result<NegentropyStorageVector, negentropy::Error> {
        let mut storage = NegentropyStorageVector::with_capacity(self.0.len() + own.len());
        for item in self.0.iter().chain(own) {
            storage.insert(0, Id::from_byte_array(id(item)))?;
        }
        storage.seal()?;
        Ok(storage)
    }

    fn session(&self, own: &Own<L>) -> Result<(Cost, [Vec<Id>; 2]), negentropy::Error> {
        let (asks, answers) = (self.storage(&own[0])?, self.storage(&own[1])?);
        let (mut asks, mut answers) =
            (Negentropy::borrowed(&asks, 0)?, Negentropy::borrowed(&answers, 0)?);
        let (mut cost, mut ours, mut theirs) = (Cost::default(), Vec::new(), Vec::new());
        let mut next = Some(timed(&mut cost.decode, || asks.initiate())?);
        while let Some(ask) = next.take().filter(|_| cost.trips < MOST) {
            cost.trips += 1;
            cost.requests += ask.len();
            let answer = timed(&mut cost.encode, || answers.reconcile(&ask))?;
            cost.answers += answer.len();
            cost.datagrams += answer.len().div_ceil(DATAGRAM);
            next = timed(&mut cost.decode, || {
                asks.reconcile_with_ids(&answer, &mut ours, &mut theirs)
            })?;
        }
        Ok((cost, [ours, theirs]))
    }
}

impl<const L: usize> Contender<L> for Rival<L> {
    fn run(&self, own: &Own<L>, _: Link, _: &mut Random) -> Result<Cost, String> {
        let (cost, found) = self.session(own).map_err(|error| error.to_string())?;
        let bytes = found.map(|ids| ids.iter().map(|id| **id).collect::<Vec<[u8; 32]>>());
        check(bytes, own.clone().map(|items| items.iter().map(id).collect()))?;
        Ok(cost)
    }
}
