//! What a scenario runs: a sampler, an application over it, and the registry of their stacks.
//!
//! A stack of a user's own takes part in three steps: implement [`Sampler`] or [`Application`] for
//! the protocol, add its name and its keys to `schema.rs`, and add a line to the registry in
//! `registry.rs`. Without these, any stack runs through the drivers of `gossip_core::sim`; see
//! `gossip-core/examples/own_protocol.rs`.

use super::driver;
use super::network;
use super::run::{self, Series, Start};
use super::scenario::Point;
use gossip_core::{Layer, ParameterError, Peers, Protocol};
use std::fmt::Debug;
use std::marker::PhantomData;
use xtask_base::Failure;

/// Makes a node's layer from the node's number.
pub(super) type Maker<T> = Box<dyn Fn(u32) -> T + Send>;

/// A source of peers that scenarios can name.
pub(super) trait Sampler: Peers<Id = u32> + Clone + Debug + Send + Sized {
    /// Whether [`introduce`](Self::introduce) does something. Otherwise nodes join by a contact.
    const INTRODUCES: bool = true;

    /// The name in scenarios, for the one stack of many with this capacity; static overlays share
    /// theirs.
    fn is_named(name: &str) -> bool;

    /// Peers that a view can hold.
    const CAPACITY: usize;

    /// Peers that the view of a node of `point` holds.
    fn view_size(point: &Point) -> usize;

    /// Checks the parameters of `point`, and makes nodes.
    fn maker(point: &Point, seed: u64) -> Result<Maker<Self>, Failure>;

    /// As [`maker`](Self::maker), but only checks.
    fn check(point: &Point) -> Result<(), Failure> {
        Self::maker(point, 0).map(drop)
    }

    /// Puts a peer into the view. Returns whether there was room for it.
    fn introduce(&mut self, _peer: u32) -> bool {
        false
    }
}

/// What runs over a sampler.
pub(super) trait Application: Protocol<Id = u32> + Clone + Debug + Send {
    /// The name in scenarios.
    const NAME: &'static str;

    /// What is observed if the scenario does not say.
    const OBSERVED: &'static [&'static str];

    /// Checks the parameters of `point`, and makes nodes. Those from `size` on are newcomers.
    fn maker(point: &Point, seed: u64) -> Result<Maker<Self>, Failure>;

    /// What node 0 is asked at the start.
    fn opening() -> Option<Self::Command> {
        None
    }

    /// What a node looks like.
    fn reading(&self) -> Reading {
        Reading::default()
    }

    /// Links missing from the structure that the nodes are to form, as a share of all. `None`:
    /// they form none.
    fn missing(_nodes: &[(u32, &Self)]) -> Option<f64> {
        None
    }
}

/// What a node looks like from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Reading {
    /// What it estimates.
    pub(super) estimate: Option<f64>,
    /// What it estimated when its last epoch ended.
    pub(super) finished: Option<f64>,
    /// What it adds to the mean; `None` if it is nodes that are counted.
    pub(super) input: Option<f64>,
    /// Whether it knows the rumor.
    pub(super) informed: bool,
}

/// A stack of the registry.
pub(super) trait Built:
    Layer<(), Id = u32> + Protocol<Message: Send, Event: Send> + Clone + Debug + Send + 'static
{
    /// Its sampler.
    type Sampler: Sampler;
    /// Its application.
    type App: Application;

    /// The two, put together.
    fn build(peers: Self::Sampler, app: Self::App) -> Self;
    fn peers(&self) -> &Self::Sampler;
    fn peers_mut(&mut self) -> &mut Self::Sampler;
    fn app(&self) -> &Self::App;
    /// A command for the application.
    fn ask(command: <Self::App as Protocol>::Command) -> Self::Command;
}

/// A stack as the command line sees it.
pub(super) trait Runner: Sync {
    /// Whether it is the one that `point` names, with room for its view.
    fn fits(&self, point: &Point) -> bool;
    /// Peers that a view can hold.
    fn capacity(&self) -> usize;
    /// Bytes of a node, without what is on the heap.
    fn node_bytes(&self) -> usize;
    /// Checks what the constructors of the layers check.
    fn check(&self, point: &Point) -> Result<(), Failure>;
    /// One run; calls `step` after each cycle.
    fn run(&self, point: &Point, seed: u64, step: &dyn Fn()) -> Result<Series, Failure>;
}

/// The runner of the stack `S`.
pub(super) struct Stack<S>(PhantomData<fn() -> S>);

impl<S> Stack<S> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<S: Built> Runner for Stack<S> {
    fn fits(&self, point: &Point) -> bool {
        let is_named = S::Sampler::is_named(point.text("sampler"));
        let is_over = S::App::NAME == point.text("application");
        is_named && is_over && S::Sampler::view_size(point) <= S::Sampler::CAPACITY
    }

    fn capacity(&self) -> usize {
        S::Sampler::CAPACITY
    }

    fn node_bytes(&self) -> usize {
        size_of::<S>()
    }

    fn check(&self, point: &Point) -> Result<(), Failure> {
        S::Sampler::check(point)?;
        network::links(point, 0)?;
        run::check(point, S::App::OBSERVED)?;
        S::App::maker(point, 0).map(drop)
    }

    fn run(&self, point: &Point, seed: u64, step: &dyn Fn()) -> Result<Series, Failure> {
        let known = S::Sampler::view_size(point) as u32;
        let start = Start { known, introduces: S::Sampler::INTRODUCES };
        let mut driver = driver::start::<S>(point, seed)?;
        run::run(driver.as_mut(), point, seed, (start, S::App::OBSERVED), step)
    }
}

/// A parameter that a constructor refuses.
pub(super) fn refused(name: &str, error: ParameterError) -> Failure {
    Failure::Usage(format!("{name}: {error}"))
}
