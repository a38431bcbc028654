//! What must hold at every moment, whatever happens.

use core::fmt;
use core::marker::PhantomData;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::peers::Peers;
use crate::protocol::Protocol;
use crate::sim::event::Simulation;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::error::Error for Violation {}

impl Violation {
    /// `Ok` if `holds`; otherwise the violation that `what` describes.
    ///
    /// ```
    /// use gossip_core::testkit::Violation;
    ///
    /// assert_eq!(Violation::unless(false, || "7 of 8".into()), Err(Violation("7 of 8".into())));
    /// ```
    ///
    /// # Errors
    ///
    /// If it does not hold.
    pub fn unless(holds: bool, what: impl FnOnce() -> String) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self(what())) }
    }
}

/// Something that must hold.
pub trait Invariant<S: Protocol<Id = u32>> {
    /// Looks at the simulation as it is now.
    ///
    /// # Errors
    ///
    /// Says what does not hold, and where.
    fn check(&mut self, _sim: &Simulation<S>) -> Result<(), Violation> {
        Ok(())
    }

    /// Hears what `node` has told its owner.
    ///
    /// # Errors
    ///
    /// Says what must not have been told.
    fn hear(&mut self, _node: u32, _event: &S::Event) -> Result<(), Violation> {
        Ok(())
    }

    /// Looks once more when the trial is over: what must hold in the end, such as agreement.
    ///
    /// # Errors
    ///
    /// Says what does not hold, and where.
    fn end(&mut self, _sim: &Simulation<S>) -> Result<(), Violation> {
        Ok(())
    }
}

/// Views are sound: nobody in its own view, nobody twice, none above the bound.
pub struct SoundViews<S, P, F> {
    most: usize,
    view: F,
    stack: PhantomData<fn(&S) -> &P>,
}

impl<S, P, F: Fn(&S) -> &P> SoundViews<S, P, F> {
    /// Looks at the layer `view` of each node, which may hold at most `most` peers.
    pub const fn new(most: usize, view: F) -> Self {
        Self { most, view, stack: PhantomData }
    }
}

impl<S, P, F> Invariant<S> for SoundViews<S, P, F>
where
    S: Protocol<Id = u32>,
    P: Peers<Id = u32>,
    F: Fn(&S) -> &P,
{
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        sim.nodes().try_for_each(|(at, state)| check_views(at, (self.view)(state), self.most))
    }
}

/// Whether the view of node `me` is sound.
///
/// # Errors
///
/// Says what is wrong with it.
///
/// ```
/// use gossip_core::sampling::Fixed;
/// use gossip_core::testkit::check_views;
///
/// assert!(check_views(0, &Fixed::<u32, 4>::new([1, 2]), 4).is_ok());
/// assert!(check_views(0, &Fixed::<u32, 4>::new([1, 0]), 4).is_err()); // itself
/// assert!(check_views(0, &Fixed::<u32, 4>::new([1, 1]), 4).is_err()); // twice
/// assert!(check_views(0, &Fixed::<u32, 4>::new([1, 2]), 1).is_err()); // too many
/// ```
pub fn check_views(me: u32, view: &impl Peers<Id = u32>, most: usize) -> Result<(), Violation> {
    let mut peers = Vec::new();
    view.for_each(|peer, _| peers.push(peer));
    let distinct: BTreeSet<u32> = peers.iter().copied().collect();
    let wrong = if peers.contains(&me) {
        "holds itself"
    } else if distinct.len() < peers.len() {
        "holds a peer twice"
    } else if peers.len() > most {
        "is too large"
    } else {
        return Ok(());
    };
    Err(Violation(format!("the view of node {me} {wrong} (bound {most}): {peers:?}")))
}

/// A sum over all nodes stays what it is: mass in averaging. Holds only where no message is lost
/// or late, and nobody crashes, joins or leaves.
///
/// While a reply travels its sender has changed and its receiver has not, so the sum is only looked
/// at when no node is [busy](Self::unless_busy).
pub struct Mass<S, F> {
    expected: f64,
    tolerance: f64,
    of_node: F,
    busy: fn(&S) -> bool,
    looks: u32,
}

impl<S, F: Fn(&S) -> f64> Mass<S, F> {
    /// The sum of `of_node` over all nodes is `expected`, to `tolerance` of the larger of 1 and its
    /// size.
    pub const fn new(expected: f64, tolerance: f64, of_node: F) -> Self {
        Self { expected, tolerance, of_node, busy: |_| false, looks: 0 }
    }

    /// Does not look while any node is `busy`, such as
    /// [waiting](crate::Pairwise::is_waiting) for a reply. A trial in which some node always is
    /// has shown nothing, and fails.
    pub const fn unless_busy(mut self, busy: fn(&S) -> bool) -> Self {
        self.busy = busy;
        self
    }
}

impl<S: Protocol<Id = u32>, F: Fn(&S) -> f64> Invariant<S> for Mass<S, F> {
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        if sim.nodes().any(|(_, state)| (self.busy)(state)) {
            return Ok(());
        }
        self.looks += 1;
        let sum: f64 = sim.nodes().map(|(_, state)| (self.of_node)(state)).sum();
        let drift = (sum - self.expected).abs() / self.expected.abs().max(1.0);
        let Self { expected, tolerance, .. } = self;
        let what = || format!("mass is {sum}, not {expected}: drift {drift:e} above {tolerance:e}");
        Violation::unless(drift <= *tolerance, what)
    }

    fn end(&mut self, _: &Simulation<S>) -> Result<(), Violation> {
        let what = "some node was busy at every look, so mass was never checked: look longer";
        Violation::unless(self.looks > 0, || what.into())
    }
}

/// Something holds once the trial is over: all agree, all have heard. See
/// [`Trial::healing`](super::Trial::healing).
pub struct Finally<S, F> {
    holds: F,
    stack: PhantomData<fn(&S)>,
}

impl<S: Protocol<Id = u32>, F: FnMut(&Simulation<S>) -> Result<(), Violation>> Finally<S, F> {
    /// `holds` says what does not.
    pub const fn new(holds: F) -> Self {
        Self { holds, stack: PhantomData }
    }
}

impl<S, F> Invariant<S> for Finally<S, F>
where
    S: Protocol<Id = u32>,
    F: FnMut(&Simulation<S>) -> Result<(), Violation>,
{
    fn end(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        (self.holds)(sim)
    }
}

/// No node hears of the same thing twice in one life.
pub struct DeliveredOnce<S: Protocol, K, F> {
    key: F,
    /// By node: how often it has started anew, and what it heard since.
    heard: BTreeMap<u32, (u32, BTreeSet<K>)>,
    stack: PhantomData<fn(&S)>,
}

impl<S: Protocol, K: Ord, F: Fn(&S::Event) -> Option<K>> DeliveredOnce<S, K, F> {
    /// Events with the same `key` are the same; events without one do not count.
    pub const fn new(key: F) -> Self {
        Self { key, heard: BTreeMap::new(), stack: PhantomData }
    }
}

impl<S, K, F> Invariant<S> for DeliveredOnce<S, K, F>
where
    S: Protocol<Id = u32>,
    K: Ord,
    F: Fn(&S::Event) -> Option<K>,
{
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        // Who starts anew has forgotten what it heard.
        for (node, (restarts, heard)) in &mut self.heard {
            if sim.restarts(*node) > *restarts {
                *restarts = sim.restarts(*node);
                heard.clear();
            }
        }
        Ok(())
    }

    fn hear(&mut self, node: u32, event: &S::Event) -> Result<(), Violation> {
        let Some(key) = (self.key)(event) else { return Ok(()) };
        if self.heard.entry(node).or_default().1.insert(key) {
            return Ok(());
        }
        Err(Violation(format!("node {node} was told twice: {event:?}")))
    }
}

/// Nobody hears of anything that was not put in.
pub struct NoPhantoms<S: Protocol, F> {
    real: F,
    stack: PhantomData<fn(&S)>,
}

impl<S: Protocol, F: Fn(&S::Event) -> bool> NoPhantoms<S, F> {
    /// `real` tells whether an event can come from what was put in.
    pub const fn new(real: F) -> Self {
        Self { real, stack: PhantomData }
    }
}

impl<S: Protocol<Id = u32>, F: Fn(&S::Event) -> bool> Invariant<S> for NoPhantoms<S, F> {
    fn hear(&mut self, node: u32, event: &S::Event) -> Result<(), Violation> {
        if (self.real)(event) {
            return Ok(());
        }
        Err(Violation(format!("node {node} was told of what never was: {event:?}")))
    }
}

/// Something of each node never exceeds a bound: buffers, tables.
pub struct Bounds<S, F> {
    name: &'static str,
    most: usize,
    size: F,
    stack: PhantomData<fn(&S)>,
}

impl<S, F: Fn(&S) -> usize> Bounds<S, F> {
    /// `size` of a node, called `name` in messages, is at most `most`.
    pub const fn new(name: &'static str, most: usize, size: F) -> Self {
        Self { name, most, size, stack: PhantomData }
    }
}

impl<S: Protocol<Id = u32>, F: Fn(&S) -> usize> Invariant<S> for Bounds<S, F> {
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        let Self { name, most, .. } = *self;
        for (at, state) in sim.nodes() {
            let size = (self.size)(state);
            if size > most {
                return Err(Violation(format!("{name} of node {at} is {size}, above {most}")));
            }
        }
        Ok(())
    }
}

/// A closure over the whole simulation is an invariant too.
impl<S, F> Invariant<S> for F
where
    S: Protocol<Id = u32>,
    F: FnMut(&Simulation<S>) -> Result<(), Violation>,
{
    fn check(&mut self, sim: &Simulation<S>) -> Result<(), Violation> {
        self(sim)
    }
}

macro_rules! opaque_debug {
    ($([$($generics:tt)*] $name:literal $ty:ty;)+) => {
        $(
            impl<$($generics)*> fmt::Debug for $ty {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct($name).finish_non_exhaustive()
                }
            }
        )+
    };
}

opaque_debug! {
    [S, P, F] "SoundViews" SoundViews<S, P, F>;
    [S, F] "Mass" Mass<S, F>;
    [S, F] "Finally" Finally<S, F>;
    [S: Protocol, K, F] "DeliveredOnce" DeliveredOnce<S, K, F>;
    [S: Protocol, F] "NoPhantoms" NoPhantoms<S, F>;
    [S, F] "Bounds" Bounds<S, F>;
}

/// Invariants of a trial.
pub type Invariants<S> = Vec<Box<dyn Invariant<S>>>;
