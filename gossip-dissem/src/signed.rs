//! Messages that prove themselves: a signature travels with each, and every node checks it before
//! it takes the message in, delivers it or passes it on.
//!
//! Not a protocol: a decorator around any layer whose messages [carry](crate::Carries)
//! publications. What is signed is the name of the publication and its value, so that neither can
//! be changed. Signatures go through [`auth`](gossip_core::auth): Ed25519 with the feature `secure`
//! of `gossip-core`, or with the feature `hash` of this crate the keyed hash `Group`, which
//! proves that a member of a group spoke, not which one.
//!
//! # What holds
//!
//! - What is delivered was published, under that name, by the holder of the origin's key: nodes in
//!   between can lose it, delay it, and lie about its hops and age; no more.
//! - An old message that is sent again after everybody has forgotten its name is delivered again;
//!   [`Fifo`](crate::Fifo) or [`Causal`](crate::Causal) around this drops it, as long as the origin
//!   is remembered.
//! - A node checks at most `checks` signatures a round; others are shed, and counted.
//!
//! Around what is put around this the names of publications must be the next ones at once:
//! [`Paced`](crate::Paced), which keeps them for a while, goes outside.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use gossip_core::auth::{Signer, Verifier};
use gossip_core::{
    Context, Layer, Local, ParameterError, PeerId, Protocol, Receipt, Refusal, Time, Wire, message,
};

use crate::post::MessageId;
use crate::spread::{
    Carried, Carries, Delivery, Publish, Spread, Told, decorates, hands_on, spreads_on,
};

message! {
    /// A value, and the proof of who said it.
    #[derive(PartialEq)]
    pub struct Sealed<V: Wire, S: Wire> {
        /// What was said.
        pub value: V,
        /// The origin's signature of the publication's name and the value.
        pub signature: S,
    }
}

/// Knows whose key is whose.
pub trait Keyring<I, K> {
    /// The key of `origin`; none if it is not known: then nothing from there is taken in.
    fn key_of(&self, origin: I) -> Option<K>;
}

impl<I, K, F: Fn(I) -> Option<K>> Keyring<I, K> for F {
    fn key_of(&self, origin: I) -> Option<K> {
        self(origin)
    }
}

impl<K: Ord, V: Copy> Keyring<K, V> for BTreeMap<K, V> {
    fn key_of(&self, origin: K) -> Option<V> {
        self.get(&origin).copied()
    }
}

/// A layer that spreads values sealed with signatures of `S`.
pub trait Seals<S: Verifier>:
    Carries<Value = Sealed<<Self as Seals<S>>::Inner, <S as Verifier>::Signature>>
{
    /// The values that are sealed.
    type Inner: Wire;
}

impl<V: Wire, S: Verifier, L: Carries<Value = Sealed<V, <S as Verifier>::Signature>>> Seals<S>
    for L
{
    type Inner = V;
}

/// What only this decorator tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged<I: PeerId> {
    /// Who sent it: no honest node passes on what is not signed well.
    pub from: I,
    /// In whose name, as which.
    pub id: MessageId<I>,
}

/// Signs what `L` spreads, as the signer `S`, and checks it with the keys of `K`.
///
/// ```
/// use gossip_core::auth::{Authority, Keyed};
/// use gossip_dissem::plumtree::Plumtree;
/// use gossip_dissem::signed::{Sealed, Signed};
///
/// // In a simulation a node's key is its number.
/// let keys = |origin: u32| Some(origin);
/// let news = Plumtree::<u32, Sealed<u32, u64>>::new(Default::default())?;
/// let news = Signed::new(news, Authority::new(1).signer(7), keys, 1_000)?;
/// assert!(news.neighbours().next().is_none());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Signed<L, S, K> {
    inner: L,
    signer: S,
    keys: K,
    checks: usize,
    checked: usize,
}

decorates!([L: Seals<S>, S: Signer, K: Keyring<L::Id, S::Key>] Signed<L, S, K>, L);
spreads_on!(
    [L: Seals<S>, S: Signer, K: Keyring<L::Id, S::Key>] Signed<L, S, K>,
    L,
    L::Inner,
    Publish::for_rounds
);

impl<L: Seals<S>, S: Signer, K: Keyring<L::Id, S::Key>> Signed<L, S, K> {
    /// Signs what `inner` spreads, and checks at most `checks` signatures a round: at least as many
    /// as `inner` takes in.
    ///
    /// # Errors
    ///
    /// If none would be checked.
    pub fn new(inner: L, signer: S, keys: K, checks: usize) -> Result<Self, ParameterError> {
        ParameterError::new("checks", checks as f64, "signatures a round", "at least 1")
            .unless(checks >= 1)?;
        Ok(Self { inner, signer, keys, checks, checked: 0 })
    }

    fn hear(_: &mut Self, event: L::Event, cx: &mut impl Local<Self>) {
        cx.emit(match L::delivery(event) {
            Ok(Delivery { id, value, hops }) => {
                Told::Delivered(Delivery { id, value: value.value, hops })
            }
            Err(event) => Told::Below(event),
        });
    }

    /// Whether the signature of what `from` has sent is good.
    fn is_good(
        &mut self,
        from: L::Id,
        post: Carried<'_, L::Id, L::Value>,
        cx: &mut impl Local<Self>,
    ) -> bool {
        if self.checked >= self.checks {
            cx.count("shed: too many signatures to check");
            return false;
        }
        let Some(key) = self.keys.key_of(post.id.origin) else {
            cx.count("no key of its origin");
            return false;
        };
        self.checked += 1;
        let Sealed { value, signature } = post.value;
        let good = self.signer.verify(&key, &statement(&post.id, value), signature);
        if !good {
            cx.count("forged");
            cx.emit(Told::Note(Forged { from, id: post.id }));
        }
        good
    }
}

/// What is signed: what it is for, its name, its value.
fn statement<I: PeerId, V: Wire>(id: &MessageId<I>, value: &V) -> Vec<u8> {
    let mut bytes = b"gossip-dissem publication".to_vec();
    id.encode(&mut bytes);
    value.encode(&mut bytes);
    bytes
}

impl<L: Seals<S>, S: Signer, K: Keyring<L::Id, S::Key>> Protocol for Signed<L, S, K> {
    type Id = L::Id;
    type Message = L::Message;
    type Event = Told<L::Id, L::Inner, Forged<L::Id>, L::Event>;
    type Command = Publish<L::Inner>;

    fn wake_at(&self) -> Time {
        self.inner.wake_at()
    }

    fn version(&self) -> u64 {
        self.inner.version()
    }
}

impl<D: ?Sized, L, S, K> Layer<D> for Signed<L, S, K>
where
    L: Seals<S> + Layer<D>,
    S: Signer,
    K: Keyring<L::Id, S::Key>,
{
    hands_on!(L, D);

    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.checked = 0;
        self.with(cx, |inner, cx| inner.on_round(below, cx));
    }

    fn on_message(
        &mut self,
        below: &D,
        from: L::Id,
        message: L::Message,
        cx: &mut impl Context<Self>,
    ) {
        // What is known was checked when it came first; what it says now is not looked at.
        if let Some(post) = L::carried(&message)
            && !self.inner.knows_id(cx.me(), &post.id)
            && !self.is_good(from, post, cx)
        {
            return;
        }
        self.with(cx, |inner, cx| inner.on_message(below, from, message, cx));
    }

    fn on_command(
        &mut self,
        below: &D,
        Publish { value, rounds }: Self::Command,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        let id = self.next_id(cx);
        let signature = self.signer.sign(&statement(&id, &value));
        let command = L::publish(Sealed { value, signature }, rounds);
        self.with(cx, |inner, cx| inner.on_command(below, command, cx))
    }
}

impl<L: Seals<S>, S: Signer, K: Keyring<L::Id, S::Key>> Carries for Signed<L, S, K> {
    fn carried(message: &L::Message) -> Option<Carried<'_, L::Id, L::Inner>> {
        let Carried { id, hops, age, value } = L::carried(message)?;
        Some(Carried { id, hops, age, value: &value.value })
    }

    fn grow_older(message: &mut L::Message, rounds: u16) {
        L::grow_older(message, rounds);
    }

    fn knows_id(&self, me: L::Id, id: &MessageId<L::Id>) -> bool {
        self.inner.knows_id(me, id)
    }

    fn hold_back(&mut self, id: &MessageId<L::Id>, on: bool) {
        self.inner.hold_back(id, on);
    }
}

#[cfg(feature = "hash")]
pub use group::Group;

#[cfg(feature = "hash")]
mod group {
    use core::fmt;
    use core::hash::Hasher;

    use gossip_core::auth::{Signer, Verifier};
    use siphasher::sip128::{Hasher128, SipHasher24};

    /// The secret that the members of a group share: its keyed hash, SipHash-2-4 of 128 bits,
    /// proves that a member spoke. Members can speak in each other's names.
    ///
    /// ```
    /// use gossip_core::auth::{Signer, Verifier};
    /// use gossip_dissem::signed::Group;
    ///
    /// // Not a secret for real: take 16 bytes from the operating system.
    /// let (ours, theirs) = (Group::from_secret(&[1; 16]), Group::from_secret(&[2; 16]));
    /// let tag = ours.sign(b"hello");
    /// assert!(ours.verify(&0, b"hello", &tag));
    /// assert!(!ours.verify(&0, b"hullo", &tag));
    /// assert!(!theirs.verify(&0, b"hello", &tag));
    /// ```
    #[derive(Clone)]
    pub struct Group {
        secret: [u8; 16],
    }

    impl Group {
        /// The group with this secret: 16 bytes that nobody outside can guess.
        pub const fn from_secret(secret: &[u8; 16]) -> Self {
            Self { secret: *secret }
        }
    }

    impl Verifier for Group {
        /// All members have the same, 0.
        type Key = u8;
        type Signature = [u8; 16];

        fn verify(&self, _: &u8, message: &[u8], signature: &[u8; 16]) -> bool {
            // In a time that does not depend on where they differ.
            let both = self.sign(message).into_iter().zip(signature);
            both.fold(0, |differ, (ours, theirs)| differ | (ours ^ theirs)) == 0
        }
    }

    impl Signer for Group {
        fn key(&self) -> u8 {
            0
        }

        fn sign(&self, message: &[u8]) -> [u8; 16] {
            let mut hasher = SipHasher24::new_with_key(&self.secret);
            hasher.write(message);
            hasher.finish128().as_u128().to_le_bytes()
        }
    }

    impl fmt::Debug for Group {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Group").finish_non_exhaustive()
        }
    }
}
