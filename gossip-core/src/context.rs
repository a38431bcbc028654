//! Contexts for layers inside other protocols: [`Lifted`] for a stack's layers, [`Tap`] for a
//! decorator's inner layer.

use core::fmt;
use core::marker::PhantomData;

use alloc::vec::Vec;

use crate::protocol::{Context, Local, Protocol};
use crate::random::{Key, Random, Stream};
use crate::stack::FRAME_OVERHEAD;
use crate::time::{Round, Time};

/// Where a layer stands in its stack.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The layer's name, for counters.
    pub name: &'static str,
    /// The layer's frame tag, for randomness.
    pub tag: u16,
    /// This call's number or name, for randomness.
    pub call: u64,
    /// How many layers share the room that is left, this one included.
    pub sharers: usize,
}

/// The context of layer `Q` inside stack `P`: wraps messages and events in the stack's, and draws
/// from randomness of the layer's own.
pub struct Lifted<'a, P: ?Sized, C, F, G> {
    outer: &'a mut C,
    place: Place,
    stream: Stream,
    wrap: F,
    tell: G,
    stack: PhantomData<fn(&P)>,
}

impl<P: ?Sized, C, F, G> fmt::Debug for Lifted<'_, P, C, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifted").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Lifts `outer`, a context of `P`, for the layer at `place`.
#[inline]
pub fn lift<P, C, F, G>(outer: &mut C, place: Place, wrap: F, tell: G) -> Lifted<'_, P, C, F, G>
where
    P: Protocol + ?Sized,
    C: Local<P>,
{
    let stream = Stream::new(outer.key().with(u64::from(place.tag)), place.call);
    Lifted { outer, place, stream, wrap, tell, stack: PhantomData }
}

impl<P, C, Q, F, G> Local<Q> for Lifted<'_, P, C, F, G>
where
    P: Protocol + ?Sized,
    C: Local<P>,
    Q: Protocol<Id = P::Id> + ?Sized,
    G: Fn(Q::Event) -> P::Event,
{
    #[inline]
    fn me(&self) -> P::Id {
        self.outer.me()
    }
    #[inline]
    fn now(&self) -> Time {
        self.outer.now()
    }
    #[inline]
    fn wall(&self) -> u64 {
        self.outer.wall()
    }
    #[inline]
    fn round(&self) -> Round {
        self.outer.round()
    }
    #[inline]
    fn rng(&mut self) -> &mut Random {
        self.stream.random()
    }
    #[inline]
    fn key(&self) -> Key {
        self.stream.key()
    }
    #[inline]
    fn emit(&mut self, event: Q::Event) {
        self.outer.emit((self.tell)(event));
    }
    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        let name = if layer.is_empty() { self.place.name } else { layer };
        self.outer.tally(name, cause);
    }
}

impl<P, C, Q, F, G> Context<Q> for Lifted<'_, P, C, F, G>
where
    P: Protocol + ?Sized,
    C: Context<P>,
    Q: Protocol<Id = P::Id> + ?Sized,
    F: Fn(Q::Message) -> P::Message,
    G: Fn(Q::Event) -> P::Event,
{
    #[inline]
    fn send(&mut self, to: P::Id, message: Q::Message) {
        self.outer.send(to, (self.wrap)(message));
    }
    #[inline]
    fn room(&self, to: P::Id) -> usize {
        (self.outer.room(to) / self.place.sharers).saturating_sub(FRAME_OVERHEAD)
    }
    #[inline]
    fn watch(&mut self, peer: P::Id, on: bool) {
        self.outer.watch(peer, on);
    }
}

/// A decorator's context for the layer it owns: same messages, and the inner layer's events go to
/// the decorator, not to its owner.
///
/// ```
/// # use gossip_core::{Context, Local, Protocol, Layer, Nothing};
/// use gossip_core::context::Tap;
///
/// /// Passes on every second event of the layer it owns.
/// struct Half<L> { inner: L, odd: bool }
/// # impl<L: Protocol> Protocol for Half<L> {
/// #     type Id = L::Id; type Message = L::Message; type Event = L::Event; type Command = Nothing;
/// # }
/// impl<D: ?Sized, L: Layer<D>> Layer<D> for Half<L> {
///     fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
///         let mut heard = Vec::new();
///         self.inner.on_round(below, &mut Tap::<Self, _, _>::new(cx, &mut heard));
///         for event in heard {
///             self.odd = !self.odd;
///             if self.odd { cx.emit(event) }
///         }
///     }
/// #   fn on_message(
/// #       &mut self, below: &D, from: L::Id, m: L::Message, cx: &mut impl Context<Self>,
/// #   ) {
/// #       self.inner.on_message(below, from, m, &mut Tap::<Self, _, _>::new(cx, &mut Vec::new()));
/// #   }
/// }
/// ```
pub struct Tap<'a, P: ?Sized, C, E> {
    outer: &'a mut C,
    heard: &'a mut Vec<E>,
    owner: PhantomData<fn(&P)>,
}

impl<'a, P: ?Sized, C, E> Tap<'a, P, C, E> {
    /// A context over `outer` whose events are pushed to `heard`.
    pub fn new(outer: &'a mut C, heard: &'a mut Vec<E>) -> Self {
        Self { outer, heard, owner: PhantomData }
    }
}

impl<P: ?Sized, C, E> fmt::Debug for Tap<'_, P, C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("heard", &self.heard.len()).finish_non_exhaustive()
    }
}

impl<P, C, Q> Local<Q> for Tap<'_, P, C, Q::Event>
where
    P: Protocol + ?Sized,
    C: Local<P>,
    Q: Protocol<Id = P::Id> + ?Sized,
{
    fn me(&self) -> P::Id {
        self.outer.me()
    }
    fn now(&self) -> Time {
        self.outer.now()
    }
    fn wall(&self) -> u64 {
        self.outer.wall()
    }
    fn round(&self) -> Round {
        self.outer.round()
    }
    fn rng(&mut self) -> &mut Random {
        self.outer.rng()
    }
    fn key(&self) -> Key {
        self.outer.key()
    }
    fn emit(&mut self, event: Q::Event) {
        self.heard.push(event);
    }
    fn tally(&mut self, layer: &'static str, cause: &'static str) {
        self.outer.tally(layer, cause);
    }
}

impl<P, C, Q> Context<Q> for Tap<'_, P, C, Q::Event>
where
    P: Protocol + ?Sized,
    C: Context<P>,
    Q: Protocol<Id = P::Id, Message = P::Message> + ?Sized,
{
    fn send(&mut self, to: P::Id, message: Q::Message) {
        self.outer.send(to, message);
    }
    fn room(&self, to: P::Id) -> usize {
        self.outer.room(to)
    }
    fn watch(&mut self, peer: P::Id, on: bool) {
        self.outer.watch(peer, on);
    }
}
