//! Membership: everybody known to everybody, and who has failed.
//!
//! Not a protocol: those are in the modules below.
//!
//! [`Swim`] is a source of peers like the samplers in [`sampling`](crate::sampling), and takes the
//! place of any of them in a stack. It knows all members, where they know a few; tells how each is,
//! where they only forget; and costs memory in proportion to the group, where theirs is constant.
//!
//! | Membership | A member is judged by | Load per member and period | Choose it when |
//! |---|---|---|---|
//! | [`Swim`] | whom it does not answer; it may refute | 2 messages, short | in general |
//! | [`Fireflies`] | its predecessors on rings; it may rebut | 2 messages a ring | members lie |
//! | [`Heartbeats`] | each node's [`Detector`] | as its beats say | delays vary |
//!
//! ```
//! use gossip_core::membership::{Config, Swim};
//! use gossip_core::{PeerId, stack};
//! # use gossip_core::sampling::Cyclon;
//! # use gossip_core::{Context, Layer, Local, Nothing, Peers, Protocol};
//! # #[derive(Debug)] pub struct Chat<I>(core::marker::PhantomData<fn() -> I>);
//! # impl<I: PeerId> Protocol for Chat<I> {
//! #     type Id = I; type Message = u8; type Event = Nothing; type Command = Nothing;
//! # }
//! # impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Chat<I> {
//! #     fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
//! #         if let Some(to) = below.sample(cx.rng()) { cx.send(to, 1) }
//! #     }
//! #     fn on_message(&mut self, _: &D, _: I, _: u8, _: &mut impl Context<Self>) {}
//! # }
//!
//! stack! {
//!     /// With `peers: Cyclon<I, 20>` instead, it is a partial view.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         peers: Swim<I>,
//!         #[uses(peers)]
//!         chat: Chat<I>,
//!     }
//! }
//! # let chat = Chat(core::marker::PhantomData);
//! let node = Node::<u32>::new(Swim::new(Config::default())?, chat);
//! assert_eq!(node.peers.snapshot().members, []);
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod config;
pub mod detector;
mod dissemination;
mod event;
mod farewell;
pub mod fireflies;
mod flaps;
mod health;
mod hearing;
pub mod heartbeat;
mod members;
mod merge;
mod message;
mod own;
mod probe;
mod probing;
mod snapshot;
mod state;
mod store;
mod suspicion;
pub mod swim;
mod sync;
mod twins;

pub use config::{Config, Lifeguard, Suspicion};
pub use detector::{Deadline, Detector, Phi, PhiConfig, Probes};
pub use event::{Deaf, Event, Why};
pub use fireflies::Fireflies;
pub use heartbeat::Heartbeats;
pub use message::{Claim, Command, Message, Page, Request, Update};
pub use snapshot::{Entry, Snapshot};
pub use state::{Standing, State};
pub use store::Store;
pub use suspicion::suspicion_timeout;
pub use swim::{Stats, Swim};
