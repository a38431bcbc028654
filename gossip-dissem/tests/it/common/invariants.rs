//! What must hold of deliveries.

use std::collections::{BTreeMap, BTreeSet};

use gossip_core::Protocol;
use gossip_core::sim::event::Simulation;
use gossip_core::testkit::{Invariant, Violation};
use gossip_dissem::MessageId;

type Id = MessageId<u32>;

/// What each node was told, in which of its lives.
#[derive(Default)]
struct Told(BTreeMap<u32, (u32, BTreeSet<Id>)>);

impl Told {
    /// Who starts anew has forgotten what it heard.
    fn forget<S: Protocol<Id = u32>>(&mut self, sim: &Simulation<S>) {
        for (node, (restarts, told)) in &mut self.0 {
            if sim.restarts(*node) > *restarts {
                *restarts = sim.restarts(*node);
                told.clear();
            }
        }
    }

    fn of(&mut self, node: u32) -> &mut BTreeSet<Id> {
        &mut self.0.entry(node).or_default().1
    }
}

/// Of one life of an origin nothing comes after something published later.
pub(crate) struct InOrder<S: Protocol> {
    of: fn(&S::Event) -> Option<Id>,
    told: Told,
}

impl<S: Protocol> InOrder<S> {
    pub(crate) fn new(of: fn(&S::Event) -> Option<Id>) -> Self {
        Self { of, told: Told::default() }
    }
}

impl<S: Protocol<Id = u32>> Invariant<S> for InOrder<S> {
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        self.told.forget(sim);
        Ok(())
    }

    fn hear(&mut self, node: u32, event: &S::Event) -> Result<(), Violation> {
        let Some(id) = (self.of)(event) else { return Ok(()) };
        let told = self.told.of(node);
        let line = |other: &Id| (other.origin, other.boot) == (id.origin, id.boot);
        let later = told.iter().find(|other| line(other) && other.sequence > id.sequence);
        Violation::unless(later.is_none(), || format!("node {node}: {id:?} after {later:?}"))?;
        told.insert(id);
        Ok(())
    }
}

/// Nothing comes after what was published by somebody who had been told of it.
pub(crate) struct InCausalOrder<S: Protocol> {
    of: fn(&S::Event) -> Option<Id>,
    told: Told,
    /// What its publisher had been told when it published.
    past: BTreeMap<Id, BTreeSet<Id>>,
}

impl<S: Protocol> InCausalOrder<S> {
    pub(crate) fn new(of: fn(&S::Event) -> Option<Id>) -> Self {
        Self { of, told: Told::default(), past: BTreeMap::new() }
    }
}

impl<S: Protocol<Id = u32>> Invariant<S> for InCausalOrder<S> {
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        self.told.forget(sim);
        Ok(())
    }

    fn hear(&mut self, node: u32, event: &S::Event) -> Result<(), Violation> {
        let Some(id) = (self.of)(event) else { return Ok(()) };
        let told = self.told.of(node);
        let past = &mut self.past;
        if id.origin == node {
            past.insert(id, told.clone());
        }
        let after = |other: &&Id| past.get(other).is_some_and(|past| past.contains(&id));
        let effect = told.iter().find(after);
        Violation::unless(effect.is_none(), || format!("node {node}: {id:?} after {effect:?}"))?;
        told.insert(id);
        Ok(())
    }
}

/// In the end every node was told of everything that was published.
pub(crate) struct Complete<S: Protocol> {
    of: fn(&S::Event) -> Option<Id>,
    told: Told,
    published: BTreeSet<Id>,
}

impl<S: Protocol> Complete<S> {
    pub(crate) fn new(of: fn(&S::Event) -> Option<Id>) -> Self {
        Self { of, told: Told::default(), published: BTreeSet::new() }
    }
}

impl<S: Protocol<Id = u32>> Invariant<S> for Complete<S> {
    fn hear(&mut self, node: u32, event: &S::Event) -> Result<(), Violation> {
        if let Some(id) = (self.of)(event) {
            self.told.of(node).insert(id);
            if id.origin == node {
                self.published.insert(id);
            }
        }
        Ok(())
    }

    fn end(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        for (node, _) in sim.nodes() {
            let lacking: Vec<_> = self.published.difference(self.told.of(node)).collect();
            Violation::unless(lacking.is_empty(), || format!("node {node} lacks {lacking:?}"))?;
        }
        Violation::unless(!self.published.is_empty(), || "nothing was published".into())
    }
}
