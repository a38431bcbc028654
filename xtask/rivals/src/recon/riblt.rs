//! riblt: a rateless invertible Bloom lookup table, as Yang, Gilad and Alizadeh have it. Its cells
//! are pushed until they are enough; the fewest that are have been searched for, to a fiftieth.

use gossip_core::random::Random;
use riblt::{CodedSymbol, RatelessIBLT, Symbol, UnmanagedRatelessIBLT};

use super::{Contender, Cost, DATAGRAM, Item, Link, Own, check, timed};

/// Cells after which it is given up.
const MOST: usize = 1 << 17;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Element<const L: usize>(Item<L>);

impl<const L: usize> Symbol for Element<L> {
    const BYTE_ARRAY_LENGTH: usize = L;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        let mut item = [0; L];
        item.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(item)
    }
}

type Cells<const L: usize> = Vec<CodedSymbol<Element<L>>>;

pub(super) struct Rival<const L: usize>(Vec<Item<L>>);

impl<const L: usize> Rival<L> {
    pub(super) fn new(common: &[Item<L>]) -> Self {
        Self(common.to_vec())
    }

    fn encode(&self, own: &[Item<L>], count: usize) -> Cells<L> {
        let all = self.0.iter().chain(own).map(|item| Element(*item));
        let mut table = RatelessIBLT::new(all);
        table.extend_coded_symbols(count - 1);
        table.coded_symbols
    }
}

/// Whether `cells` are enough for the difference.
fn decodes<const L: usize>(cells: &[CodedSymbol<Element<L>>]) -> bool {
    let mut table = UnmanagedRatelessIBLT { coded_symbols: cells.to_vec() };
    table.peel_all_symbols();
    table.is_empty()
}

/// The difference. What peeling yields has a type without a name outside the crate: so each element
/// is read from the cell that is peeled next, which is the first that can be.
fn found<const L: usize>(cells: &[CodedSymbol<Element<L>>]) -> [Vec<Item<L>>; 2] {
    let mut table = UnmanagedRatelessIBLT { coded_symbols: cells.to_vec() };
    let mut found = [Vec::new(), Vec::new()];
    while let Some(cell) = table.coded_symbols.iter().find(|cell| cell.is_peelable()) {
        let side = usize::from(cell.count != 1);
        found[side].push(Element::decode_from_bytes(&cell.sum).0);
        table.peel_one_symbol();
    }
    found
}

impl<const L: usize> Contender<L> for Rival<L> {
    fn run(&self, own: &Own<L>, _: Link, _: &mut Random) -> Result<Cost, String> {
        let d = own[0].len() + own[1].len();
        let mut cost = Cost { trips: 1, ..Cost::default() };
        // About as many as are needed, so that time of encoding is that of what is sent.
        let mut count = 3 * d / 2 + 16;
        let cells = loop {
            let theirs = timed(&mut cost.encode, || self.encode(&own[1], count));
            let ours = UnmanagedRatelessIBLT { coded_symbols: self.encode(&own[0], count) };
            let theirs = UnmanagedRatelessIBLT { coded_symbols: theirs };
            let cells = ours.collapse(&theirs).coded_symbols;
            if decodes(&cells) {
                break cells;
            }
            count *= 2;
            if count > MOST {
                return Err("does not decode".to_owned());
            }
            cost.encode = Default::default();
        };
        let (mut few, mut enough) = (0, cells.len());
        while enough - few > d / 50 + 1 {
            let middle = few.midpoint(enough);
            match decodes(&cells[..middle]) {
                true => enough = middle,
                false => few = middle,
            }
        }
        timed(&mut cost.decode, || decodes(&cells[..enough]));
        check(found(&cells[..enough]), own.clone())?;
        // A cell is a sum, a hash of 64 bits and a counter of 64 bits.
        let len = L + 16;
        cost.answers = enough * len;
        cost.datagrams = enough.div_ceil(DATAGRAM / len);
        Ok(cost)
    }
}
