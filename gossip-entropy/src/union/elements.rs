//! Not a protocol: the elements of a set, found by their identifiers, with the set's sketches.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use crate::replica::Secret;
use crate::sketch::{Fingerprint, Keys, SetSketch};

/// Elements by identifier; of two that share one, which only insiders bring about, both are kept.
type ById = BTreeMap<(u64, Fingerprint), Box<[u8]>>;

/// A set under one salt: the sketches, and where the elements are.
#[derive(Clone, Debug)]
struct Salted {
    salt: u64,
    keys: Keys,
    sketch: SetSketch,
    /// From identifiers under this salt to those under none.
    places: BTreeMap<u64, (u64, Fingerprint)>,
}

impl Salted {
    fn insert(&mut self, element: &[u8], place: (u64, Fingerprint)) {
        let print = self.keys.fingerprint(element);
        self.sketch.insert(print);
        self.places.insert(print.id(), place);
    }
}

/// A set of elements that only grows.
#[derive(Clone, Debug)]
pub(super) struct Elements {
    secret: Secret,
    keys: Keys,
    sketch: SetSketch,
    all: ById,
    salted: Option<Salted>,
}

impl Elements {
    pub(super) fn new(secret: Secret) -> Self {
        let (keys, sketch) = (Keys::new(secret, 0), SetSketch::default());
        Self { secret, keys, sketch, all: BTreeMap::new(), salted: None }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn contains(&self, element: &[u8]) -> bool {
        let print = self.keys.fingerprint(element);
        self.all.contains_key(&(print.id(), print))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.all.values().map(|element| &**element)
    }

    /// Adds an element; `None` if it is there already, else its identifiers under no salt and under
    /// the present one.
    pub(super) fn insert(&mut self, element: Box<[u8]>) -> Option<(u64, Option<(u64, u64)>)> {
        let print = self.keys.fingerprint(&element);
        let place = (print.id(), print);
        if self.all.contains_key(&place) {
            return None;
        }
        self.sketch.insert(print);
        let salted = self.salted.as_mut().map(|salted| {
            salted.insert(&element, place);
            (salted.salt, salted.keys.fingerprint(&element).id())
        });
        self.all.insert(place, element);
        Some((print.id(), salted))
    }

    /// The sketches under a salt that is 0 or [present](Self::salt).
    pub(super) fn sketch(&self, salt: u64) -> Option<&SetSketch> {
        match &self.salted {
            _ if salt == 0 => Some(&self.sketch),
            Some(salted) if salted.salt == salt => Some(&salted.sketch),
            _ => None,
        }
    }

    /// Computes all sketches again under a salt, in place of the last one.
    pub(super) fn salt(&mut self, salt: u64) {
        let keys = Keys::new(self.secret, salt);
        let (sketch, places) = (SetSketch::default(), BTreeMap::new());
        let mut salted = Salted { salt, keys, sketch, places };
        for (&place, element) in &self.all {
            salted.insert(element, place);
        }
        self.salted = Some(salted);
    }

    /// Lets the salted sketches go.
    pub(super) fn unsalt(&mut self) {
        self.salted = None;
    }

    /// The elements with an identifier under a salt: one, but for accidents by design.
    pub(super) fn at(&self, salt: u64, id: u64) -> impl Iterator<Item = &[u8]> {
        let least = Fingerprint(u128::MIN);
        let most = Fingerprint(u128::MAX);
        let range = match &self.salted {
            _ if salt == 0 => Some((id, least)..=(id, most)),
            Some(salted) if salted.salt == salt => {
                salted.places.get(&id).map(|&place| place..=place)
            }
            _ => None,
        };
        let found = range.map(|range| self.all.range(range).map(|(_, element)| &**element));
        found.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Under a salt every element has another identifier, by which it is found, whether it came
    /// before or after.
    #[test]
    fn a_salt_renames_all_elements() {
        let mut elements = Elements::new(Secret([3, 4]));
        let bytes = |number: u32| Box::from(number.to_le_bytes());
        let plain: Vec<u64> = (0..50).map(|n| elements.insert(bytes(n)).unwrap().0).collect();
        elements.salt(9);
        let late = elements.insert(bytes(50)).unwrap().1;
        let (mut salted, keys) = (SetSketch::default(), Keys::new(Secret([3, 4]), 9));
        for number in 0..=50_u32 {
            let print = keys.fingerprint(&number.to_le_bytes());
            salted.insert(print);
            let found: Vec<&[u8]> = elements.at(9, print.id()).collect();
            assert_eq!(found, [number.to_le_bytes()]);
            assert!(!plain.contains(&print.id()));
        }
        assert_eq!(elements.sketch(9), Some(&salted));
        assert_eq!(late, Some((9, keys.fingerprint(&50_u32.to_le_bytes()).id())));
        assert_eq!(elements.insert(bytes(50)), None, "it is there already");
        assert_eq!(elements.at(0, plain[7]).collect::<Vec<_>>(), [7_u32.to_le_bytes()]);
        elements.unsalt();
        assert_eq!(elements.sketch(9), None);
        assert_eq!(elements.at(9, plain[7]).count(), 0);
    }
}
