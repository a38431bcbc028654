//! What all layers that spread values have in common, so that a layer can be put around any.
//!
//! Not a protocol: two traits, and what they speak of. A decorator owns the layer it is around,
//! hears its events first, and spreads values itself: so decorators go around decorators. Each
//! takes the command [`Publish`], and tells its owner [`Told`].

use gossip_core::{Local, ParameterError, PeerId, Protocol, Wire, message};

use crate::post::MessageId;

/// A value that has come, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<I: PeerId, V> {
    /// Its name.
    pub id: MessageId<I>,
    /// What it says.
    pub value: V,
    /// How many times it was passed on to get here; 0 at the origin.
    pub hops: u16,
}

/// A publication in a message that is on its way.
#[derive(Debug)]
pub struct Carried<'a, I: PeerId, V> {
    /// Its name.
    pub id: MessageId<I>,
    /// Peers it has been passed on by, its origin included.
    pub hops: u16,
    /// Rounds of its life that are over.
    pub age: u16,
    /// What it says.
    pub value: &'a V,
}

impl<I: PeerId, V> Clone for Carried<'_, I, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I: PeerId, V> Copy for Carried<'_, I, V> {}

message! {
    /// What may be asked of a decorator that spreads values `V`.
    #[derive(PartialEq)]
    pub struct Publish<V: Wire> {
        /// What is to be spread.
        pub value: V,
        /// For how many rounds at most; `None`: for as long as the layer below spreads anything.
        pub rounds: Option<u16>,
    }
}

impl<V: Wire> Publish<V> {
    /// Spread `value`.
    pub const fn new(value: V) -> Self {
        Self { value, rounds: None }
    }

    pub(crate) const fn for_rounds(value: V, rounds: Option<u16>) -> Self {
        Self { value, rounds }
    }

    /// For so many rounds at most.
    pub const fn within(mut self, rounds: u16) -> Self {
        self.rounds = Some(rounds);
        self
    }
}

/// What a decorator tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<I: PeerId, V, N, E> {
    /// A publication, once. A node is told of its own, too.
    Delivered(Delivery<I, V>),
    /// What only this decorator tells.
    Note(N),
    /// What the layer below tells besides.
    Below(E),
}

impl<I: PeerId, V, N, E> Told<I, V, N, E> {
    /// What it delivers, if it delivers something.
    pub const fn delivered(&self) -> Option<&Delivery<I, V>> {
        match self {
            Self::Delivered(delivery) => Some(delivery),
            _ => None,
        }
    }
}

/// A layer that spreads values: what is published at one node is delivered at others, each
/// publication at most once at a node, the publisher included.
///
/// A node's publications of one life bear the numbers 0, 1, 2 and so on.
pub trait Spread: Protocol {
    /// What is published.
    type Value: Wire;

    /// The command that publishes `value`, for so many rounds at most.
    fn publish(value: Self::Value, rounds: Option<u16>) -> Self::Command;

    /// What `event` delivers.
    ///
    /// # Errors
    ///
    /// The event, if it delivers nothing.
    fn delivery(event: Self::Event) -> Result<Delivery<Self::Id, Self::Value>, Self::Event>;

    /// The name that the next publication of this node will bear.
    fn next_id(&mut self, cx: &mut impl Local<Self>) -> MessageId<Self::Id>;
}

/// A layer that spreads values whose messages can be looked into before it takes them in.
pub trait Carries: Spread {
    /// The publication that `message` carries, if it carries one.
    fn carried(message: &Self::Message) -> Option<Carried<'_, Self::Id, Self::Value>>;

    /// Makes what `message` carries so many rounds older, because it was held back.
    fn grow_older(message: &mut Self::Message, rounds: u16);

    /// Whether this node, `me`, knows the publication `id`, as far as it remembers.
    fn knows_id(&self, me: Self::Id, id: &MessageId<Self::Id>) -> bool;

    /// The publication `id` is here, and held back (`on`), or no longer: as long as it is, it need
    /// not be asked for.
    fn hold_back(&mut self, id: &MessageId<Self::Id>, on: bool);
}

/// Refuses counts of a decorator's parameters, each with its name and unit, that are 0.
pub(crate) fn at_least_one(
    counts: &[(&'static str, usize, &'static str)],
) -> Result<(), ParameterError> {
    counts.iter().try_for_each(|&(parameter, count, unit)| {
        ParameterError::new(parameter, count as f64, unit, "at least 1").unless(count >= 1)
    })
}

/// Implements [`Spread`] and [`Carries`] for the `State` of a protocol whose messages carry a
/// [`Post`](crate::Post), and which may tell `$other` events besides.
macro_rules! spreads {
    ($($other:pat)?) => {
        impl<I: PeerId, V: Wire> crate::spread::Spread for State<I, V> {
            type Value = V;

            fn publish(value: V, rounds: Option<u16>) -> Self::Command {
                match rounds {
                    Some(rounds) => Command::PublishFor { value, rounds },
                    None => Command::Publish(value),
                }
            }

            fn delivery(event: Self::Event) -> Result<crate::spread::Delivery<I, V>, Self::Event> {
                match event {
                    Event::Delivered { id, value, hops } => {
                        Ok(crate::spread::Delivery { id, value, hops })
                    }
                    $(other @ $other => Err(other),)?
                }
            }

            fn next_id(&mut self, cx: &mut impl Local<Self>) -> MessageId<I> {
                self.seen.next(cx)
            }
        }

        impl<I: PeerId, V: Wire> crate::spread::Carries for State<I, V> {
            fn carried(message: &Self::Message) -> Option<crate::spread::Carried<'_, I, V>> {
                let Post { id, hops, age, ref value } = *message.post()?;
                Some(crate::spread::Carried { id, hops, age, value })
            }

            fn grow_older(message: &mut Self::Message, rounds: u16) {
                if let Some(post) = message.post_mut() {
                    post.age = post.age.saturating_add(rounds);
                }
            }

            fn knows_id(&self, me: I, id: &MessageId<I>) -> bool {
                self.seen.knows(me, id)
            }

            fn hold_back(&mut self, id: &MessageId<I>, on: bool) {
                self.seen.hold_back(id, on);
            }
        }
    };
}

/// Gives the decorator `$Type` with a field `inner` of type `$L` a method `with`, which lets the
/// inner layer act and hears (`hear`) what it tells, and `Deref` to the inner layer.
macro_rules! decorates {
    ([$($generics:tt)*] $Type:ty, $L:ident) => {
        impl<$($generics)*> $Type {
            /// Lets the layer below act, and hears what it tells.
            fn with<C: gossip_core::Local<Self>, T>(
                &mut self,
                cx: &mut C,
                act: impl FnOnce(
                    &mut $L,
                    &mut gossip_core::context::Tap<'_, Self, C, $L::Event>,
                ) -> T,
            ) -> T {
                let mut heard = alloc::vec::Vec::new();
                let result =
                    act(&mut self.inner, &mut gossip_core::context::Tap::new(cx, &mut heard));
                for event in heard {
                    Self::hear(self, event, cx);
                }
                result
            }
        }

        impl<$($generics)*> core::ops::Deref for $Type {
            type Target = $L;

            fn deref(&self) -> &$L {
                &self.inner
            }
        }
    };
}

/// The handlers of [`Layer`](gossip_core::Layer) over `$D` of a type that [`decorates!`] an `$L`
/// that only hand on.
macro_rules! hands_on {
    ($L:ident, $D:ident) => {
        fn on_wake(&mut self, below: &$D, cx: &mut impl gossip_core::Context<Self>) {
            self.with(cx, |inner, cx| inner.on_wake(below, cx));
        }

        fn on_change(&mut self, below: &$D, cx: &mut impl gossip_core::Context<Self>) {
            self.with(cx, |inner, cx| inner.on_change(below, cx));
        }

        fn on_unreachable(
            &mut self,
            below: &$D,
            peer: $L::Id,
            cx: &mut impl gossip_core::Context<Self>,
        ) {
            self.with(cx, |inner, cx| inner.on_unreachable(below, peer, cx));
        }

        fn on_contact(
            &mut self,
            below: &$D,
            peer: $L::Id,
            cx: &mut impl gossip_core::Context<Self>,
        ) {
            self.with(cx, |inner, cx| inner.on_contact(below, peer, cx));
        }

        fn on_leave(&mut self, below: &$D, cx: &mut impl gossip_core::Context<Self>) {
            self.with(cx, |inner, cx| inner.on_leave(below, cx));
        }

        fn on_spare(&mut self, below: &$D, to: $L::Id, cx: &mut impl gossip_core::Context<Self>) {
            self.with(cx, |inner, cx| inner.on_spare(below, to, cx));
        }
    };
    // And that does nothing to messages.
    ($L:ident, $D:ident, on_message) => {
        crate::spread::hands_on!($L, $D);

        fn on_message(
            &mut self,
            below: &$D,
            from: $L::Id,
            message: Self::Message,
            cx: &mut impl gossip_core::Context<Self>,
        ) {
            self.with(cx, |inner, cx| inner.on_message(below, from, message, cx));
        }
    };
}

/// A decorator spreads values `$V` itself: [`Spread`] for one that tells [`Told`] of them, and
/// takes what `$publish` makes of a value and its rounds.
macro_rules! spreads_on {
    ([$($generics:tt)*] $Type:ty, $L:ident, $V:ty, $publish:expr) => {
        impl<$($generics)*> crate::spread::Spread for $Type {
            type Value = $V;

            fn publish(value: $V, rounds: Option<u16>) -> Self::Command {
                $publish(value, rounds)
            }

            fn delivery(
                event: Self::Event,
            ) -> Result<crate::spread::Delivery<$L::Id, $V>, Self::Event> {
                match event {
                    crate::spread::Told::Delivered(delivery) => Ok(delivery),
                    other => Err(other),
                }
            }

            fn next_id(
                &mut self,
                cx: &mut impl gossip_core::Local<Self>,
            ) -> crate::post::MessageId<$L::Id> {
                self.with(cx, |inner, cx| inner.next_id(cx))
            }
        }
    };
}

pub(crate) use {decorates, hands_on, spreads, spreads_on};
