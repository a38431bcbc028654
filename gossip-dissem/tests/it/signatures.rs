//! Messages that prove themselves among hostile relays, with Ed25519 and with a group's keyed hash:
//! whatever a relay changes, its receiver refuses, counts, and does not pass on.

use core::time::Duration;

use crate::common::hands::Held;
use gossip_core::Wire;
use gossip_core::auth::{Ed25519, Signer, Verifier};
use gossip_dissem::plumtree::{Config, Message, Plumtree, Trees};
#[cfg(feature = "hash")]
use gossip_dissem::signed::Group;
use gossip_dissem::signed::{Forged, Sealed};
use gossip_dissem::{Fifo, MessageId, Patience, Post, Publish, Signed, Told};

type Value<S> = Sealed<u32, <S as Verifier>::Signature>;
type Keys<S> = fn(u32) -> Option<<S as Verifier>::Key>;
type Proven<S> = Signed<Plumtree<u32, Value<S>>, S, Keys<S>>;

/// Who signs, who is known by which key, and what there is instead of a signature.
struct Scheme<S: Signer> {
    signer: fn(u32) -> S,
    keys: Keys<S>,
    nothing: S::Signature,
}

fn ed25519() -> Scheme<Ed25519> {
    fn signer(node: u32) -> Ed25519 {
        Ed25519::from_secret(&[node as u8; 32])
    }
    Scheme { signer, keys: |node| Some(signer(node).key()), nothing: ([0; 32], [0; 32]) }
}

#[cfg(feature = "hash")]
fn group() -> Scheme<Group> {
    Scheme { signer: |_| Group::from_secret(&[7; 16]), keys: |_| Some(0), nothing: [0; 16] }
}

impl<S: Signer> Scheme<S> {
    /// It remembers six names.
    fn layer(&self, node: u32) -> Proven<S> {
        let trees = Trees::Shared;
        let config = Config { trees, age: 1, intake: 2, share: 2, memory: 6, ..Config::default() };
        Signed::new(Plumtree::new(config).unwrap(), (self.signer)(node), self.keys, 100).unwrap()
    }

    /// A life of node 1, which begins at this second: the messages by which `values` spread.
    fn life<const N: usize>(&self, begin: u64, values: [u32; N]) -> [Post<u32, Value<S>>; N] {
        let mut origin = Held::at(1, self.layer(1));
        origin.hands.now = origin.hands.now + Duration::from_secs(begin);
        values.map(|value| {
            origin.command(Publish::new(value)).unwrap();
            let sent = core::mem::take(&mut origin.hands.sent);
            origin.round();
            let post = sent.into_iter().find_map(|(_, message)| match message {
                Message::Gossip(post) => Some(post),
                _ => None,
            });
            post.expect("Plumtree sends at once")
        })
    }

    /// All that a relay can do to a message of one life, with one of another in its hands.
    fn alterations(&self) -> [(&'static str, Post<u32, Value<S>>); 7] {
        let [post, next] = self.life(1, [70, 71]);
        let [old] = self.life(9, [70]);
        assert_ne!(old.id.boot, post.id.boot);
        let sealed = |value, signature| Sealed { value, signature };
        let named = |id| Post { id, ..post.clone() };
        let saying = |value| Post { value, ..post.clone() };
        let signature = post.value.signature;
        [
            ("another payload", saying(sealed(72, signature))),
            ("another origin", named(MessageId { origin: 3, ..post.id })),
            ("another number", named(MessageId { sequence: 7, ..post.id })),
            ("an old message in the name of this life", named(old.id)),
            ("this message in the name of an old life", Post { id: post.id, ..old }),
            ("no signature", saying(sealed(70, self.nothing))),
            ("another's signature", saying(sealed(70, next.value.signature))),
        ]
    }
}

/// How many messages that carry or announce something leave, at once and a round later.
fn passed_on<S: Signer>(node: &mut Held<Proven<S>>) -> usize {
    node.wake_after(Duration::from_secs(1));
    node.round();
    let tells = |message: &_| matches!(message, Message::Gossip(_) | Message::Announce { .. });
    node.hands.sent.drain(..).filter(|(_, message)| tells(message)).count()
}

fn what_a_relay_changes_is_refused<S: Signer>(scheme: &Scheme<S>) {
    for (what, post) in scheme.alterations() {
        let mut node = Held::new(scheme.layer(0));
        let id = post.id;
        node.message(2, Message::Gossip(post));
        let told = node.hands.take_told();
        let note = Told::Note(Forged { from: 2, id });
        assert_eq!(told, [note], "{what}: delivered, or not told");
        assert_eq!(node.hands.count_of("forged"), 1, "{what}");
        assert_eq!(passed_on(&mut node), 0, "{what}");
        // What was refused is no name that is known: the real one still comes, and goes on.
        let [real] = scheme.life(1, [70]);
        node.message(3, Message::Gossip(real));
        assert_eq!(node.hands.take_told().iter().filter_map(Told::delivered).count(), 1, "{what}");
        assert!(passed_on(&mut node) > 0, "{what}: the control");
    }
}

#[test]
fn what_a_relay_changes_is_refused_counted_and_not_passed_on() {
    what_a_relay_changes_is_refused(&ed25519());
    #[cfg(feature = "hash")]
    what_a_relay_changes_is_refused(&group());
}

/// The control: without signatures each of them is taken in.
#[test]
fn what_a_relay_changes_is_taken_in_without_signatures() {
    for (what, post) in ed25519().alterations() {
        let config = Config { trees: Trees::Shared, ..Config::default() };
        let mut node = Held::new(Plumtree::new(config).unwrap());
        node.message(2, Message::Gossip(post));
        assert_eq!(node.hands.take_told().len(), 1, "{what}");
    }
}

/// A signature that is cut off on the wire is no message.
#[test]
fn a_message_without_its_signature_cannot_be_read() {
    let [post] = ed25519().life(1, [70]);
    let mut bytes = Vec::new();
    Message::Gossip(post).encode(&mut bytes);
    for len in 0..bytes.len() {
        let read = Message::<u32, Value<Ed25519>>::decode(&mut &bytes[..len]);
        assert!(read.is_err(), "{len} of {} bytes", bytes.len());
    }
    assert!(Message::<u32, Value<Ed25519>>::decode(&mut &bytes[..]).is_ok(), "the control");
}

/// An unaltered message of an old life, sent again: known, as long as its name is remembered;
/// afterwards FIFO order remembers its line. Without that it is new: the control.
#[test]
fn a_message_of_an_old_life_is_not_delivered_again() {
    let scheme = ed25519();
    let [old] = scheme.life(1, [70]);
    let mut node = Held::new(Fifo::new(scheme.layer(0), Patience::default()).unwrap());
    let mut bare = Held::new(scheme.layer(0));
    let replay = || Message::Gossip(Post { age: 0, hops: 0, ..old.clone() });
    for _ in 0..2 {
        node.message(2, replay());
        bare.message(2, replay());
    }
    assert_eq!(node.hands.take_told().iter().filter_map(Told::delivered).count(), 1);
    assert_eq!(node.hands.count_of("known already"), 1);
    // A new life says so much that the name is forgotten.
    for post in scheme.life(9, [0, 1, 2, 3, 4, 5]) {
        node.message(1, Message::Gossip(post.clone()));
        bare.message(1, Message::Gossip(post));
        node.round();
        bare.round();
    }
    assert_eq!(node.hands.take_told().iter().filter_map(Told::delivered).count(), 6);
    bare.hands.told.clear();
    node.message(2, replay());
    bare.message(2, replay());
    assert_eq!(node.hands.take_told().iter().filter_map(Told::delivered).count(), 0);
    assert_eq!(node.hands.count_of("late: its turn is over"), 1);
    assert_eq!(bare.hands.take_told().iter().filter_map(Told::delivered).count(), 1);
}
