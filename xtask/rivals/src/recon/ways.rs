//! Ours, through what all ways have in common: the choice among them, and digests of a tree.
//!
//! Sets are brought into every form that the choice needs before anything is timed.

use gossip_core::Wire;
use gossip_core::random::Random;
use gossip_entropy::reconcile::merkle::{self, Hashed};
use gossip_entropy::reconcile::method::{self, Indexed, Method};
use gossip_entropy::reconcile::{Difference, Item as Element, Reconcile};
use gossip_entropy::sketch::{Fingerprint, Keys};

use super::link::drive;
use super::{Contender, Cost, Item, Link, Own, check};

/// Answers, or identifiers, that a session may take.
const MOST: u32 = 10_000_000;

/// A session between two sets, and its difference.
fn run<R: Reconcile<Ask: Wire, Answer: Wire>>(
    (mut session, first): (R, R::Ask),
    [asks, answers]: [&R::Set; 2],
    link: Link,
    random: &mut Random,
) -> Result<(Difference<R::Key>, Cost), String> {
    let answer = |ask: &R::Ask| R::answer(answers, ask, usize::MAX);
    drive(&first, link, random, answer, |answer| match answer {
        Some(answer) => session.take(asks, answer),
        None => session.silence(asks),
    })
}

fn prints<const L: usize>(items: &[Item<L>]) -> Vec<Fingerprint> {
    items.iter().map(|item| Keys::default().fingerprint(item)).collect()
}

/// Whichever way is thought to take the fewest bytes.
pub(super) struct Choice(Indexed);

impl Choice {
    pub(super) fn new<const L: usize>(common: &[Item<L>]) -> Self {
        Self(Indexed::new(indexed(&prints(common))))
    }
}

/// In the order of their fingerprints, which is no order of the elements.
fn indexed(prints: &[Fingerprint]) -> impl Iterator<Item = Element> {
    prints.iter().map(|print| Element::new(print.id(), *print))
}

impl<const L: usize> Contender<L> for Choice {
    fn run(&self, own: &Own<L>, link: Link, random: &mut Random) -> Result<Cost, String> {
        let own = own.each_ref().map(|own| prints(own));
        let [asks, answers] = own.each_ref().map(|own| {
            let mut set = self.0.clone();
            set.extend(indexed(own));
            set
        });
        let opened = method::Session::open(Method::Automatic, &asks, MOST, random.next_u64());
        let (found, cost) = run(opened, [&asks, &answers], link, random)?;
        let ids = own.map(|own| own.into_iter().map(Fingerprint::id).collect());
        check([found.ours, found.theirs], ids)?;
        Ok(cost)
    }
}

/// Digests of a tree.
pub(super) struct Tree(Hashed);

impl Tree {
    pub(super) fn new<const L: usize>(common: &[Item<L>]) -> Self {
        Self(extended(Hashed::default(), &prints(common)))
    }
}

fn extended(mut set: Hashed, prints: &[Fingerprint]) -> Hashed {
    for &print in prints {
        set.insert(print);
    }
    set
}

impl<const L: usize> Contender<L> for Tree {
    fn run(&self, own: &Own<L>, link: Link, random: &mut Random) -> Result<Cost, String> {
        let own = own.each_ref().map(|own| prints(own));
        let [asks, answers] = own.each_ref().map(|own| extended(self.0.clone(), own));
        let opened = merkle::Session::open([1; 4], MOST);
        let (found, cost) = run(opened, [&asks, &answers], link, random)?;
        check([found.ours, found.theirs], own)?;
        Ok(cost)
    }
}
