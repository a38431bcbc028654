//! Every way to compare two sets by its name, and the choice among them.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 1.3
//! (checksums first, full comparison if they differ); the other ways as in their modules.
//!
//! ```text
//! automatic:  send our digest
//! asked:      answer with ours; if the set is small, and the digests differ, all of it, too
//! on theirs:  the same as ours: done
//!             by the sizes alone, all identifiers are cheaper than sketches: ask for them
//!             else: ask with our estimator
//! asked so:   answer with sketches or with all identifiers, whichever takes fewer bytes
//! the sketches led to no end:  ask for all identifiers
//! ```
//!
//! Whether differences are neighbours, nobody knows before: [ranges](super::range), and
//! [peeling back](super::peel_back) where they are the newest, are for those who do, by name.
//!
//! # What holds
//!
//! What holds of each way. A session that chooses by itself ends with a difference wherever one of
//! the ways that it may choose does, but for silence and sets that do not stay as they are.
//!
//! # Deviations from the paper
//!
//! - The checksum is 128 bits, so that what is the same by it is the same.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use gossip_core::message;
use gossip_core::wire::Wire;

use super::activity::Active;
use super::merkle::Hashed;
use super::parts::Silences;
use super::{
    Difference, End, Item, Known, Reconcile, Sorted, activity, full, merkle, peel_back, range,
};
use crate::page::MESSAGE;
use crate::sketch::digest::Digest;
use crate::sketch::wire::{self, Frame};
use crate::sketch::{self, Fingerprint};

/// How two sets are compared.
///
/// ```
/// use gossip_entropy::reconcile::method::Method;
///
/// assert_eq!("sketch".parse(), Ok(Method::Sketch));
/// let refused = "sketches".parse::<Method>().unwrap_err();
/// let ways = "automatic, full, sketch, merkle, range, peel-back or activity";
/// assert_eq!(refused.to_string(), format!("no way to compare sets is called `sketches`: {ways}"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// What takes the fewest bytes, as far as digests, sizes and estimators tell, and another way
    /// if that fails.
    #[default]
    Automatic,
    /// [All identifiers](full).
    Full,
    /// [Sketches](crate::sketch).
    Sketch,
    /// [Digests of a tree](merkle).
    Merkle,
    /// [Sums of ranges](range).
    Range,
    /// [The newest first](peel_back).
    PeelBack,
    /// [What was last active first](activity).
    Activity,
}

/// There is no [`Method`] of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMethod(String);

impl fmt::Display for UnknownMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name) = self;
        let ways = "automatic, full, sketch, merkle, range, peel-back or activity";
        write!(f, "no way to compare sets is called `{name}`: {ways}")
    }
}

impl core::error::Error for UnknownMethod {}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        match name {
            "automatic" => Ok(Self::Automatic),
            "full" => Ok(Self::Full),
            "sketch" => Ok(Self::Sketch),
            "merkle" => Ok(Self::Merkle),
            "range" => Ok(Self::Range),
            "peel-back" => Ok(Self::PeelBack),
            "activity" => Ok(Self::Activity),
            _ => Err(UnknownMethod(name.to_owned())),
        }
    }
}

message! {
    /// What one side asks of the other.
    #[derive(PartialEq)]
    pub enum Ask {
        /// Is your set of this digest?
        Digest {
            /// The session, drawn at random by the one who asks.
            nonce: [u8; 4],
            /// Of the set of the one who asks.
            digest: [u8; Digest::LEN],
        },
        /// Sketches, or all identifiers if that is shorter.
        Either(wire::Ask),
        /// All identifiers.
        Full(full::Ask),
        /// Sketches.
        Sketch(wire::Ask),
        /// Digests of a tree.
        Merkle(merkle::Ask),
        /// Sums of ranges.
        Range(range::Ask),
        /// The newest first.
        PeelBack(peel_back::Ask),
        /// What was last active first.
        Activity(activity::Ask),
    }
}

message! {
    /// What is answered.
    #[derive(PartialEq)]
    pub enum Answer {
        /// Of this digest.
        Digest {
            /// That of the question.
            nonce: [u8; 4],
            /// Of the set of the one who is asked.
            digest: [u8; Digest::LEN],
        },
        /// Identifiers.
        Full(full::Answer),
        /// A sketch.
        Sketch(Frame),
        /// What is below a node.
        Merkle(merkle::Answer),
        /// What is in a range.
        Range(range::Answer),
        /// The newest before some item.
        PeelBack(peel_back::Answer),
        /// What was last active before some time.
        Activity(activity::Answer),
    }
}

const _: () = assert!(Ask::MAX_LEN <= MESSAGE && Answer::MAX_LEN <= MESSAGE, "too long");

/// A set that can be compared in every way.
///
/// ```
/// use gossip_entropy::reconcile::method::Indexed;
/// use gossip_entropy::reconcile::Item;
/// use gossip_entropy::sketch::Fingerprint;
///
/// let set = Indexed::new([Item::new(1, Fingerprint(7)), Item::new(2, Fingerprint(9))]);
/// assert!(set.known().has(Fingerprint(7).id()));
/// assert_eq!(set.sorted().items().len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Indexed {
    known: Known,
    sorted: Sorted,
    hashed: Hashed,
    active: Active,
}

impl Indexed {
    /// Of these elements, whose order ranges and peeling back go by, and which were active in it.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut set = Self::default();
        set.extend(items);
        set
    }

    /// For sketches and for all identifiers.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// For ranges and for peeling back.
    pub const fn sorted(&self) -> &Sorted {
        &self.sorted
    }

    /// For digests of a tree.
    pub const fn hashed(&self) -> &Hashed {
        &self.hashed
    }

    /// For what was last active.
    pub const fn active(&self) -> &Active {
        &self.active
    }

    /// Adds elements, which in their order are the last that were active; not while a session
    /// lasts.
    pub fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        let mut items: Vec<Item> = items.into_iter().collect();
        items.sort_unstable();
        for print in items.iter().map(Item::print) {
            self.hashed.insert(print);
            self.active.insert(print.id());
        }
        self.known.extend(items.iter().map(Item::print));
        self.sorted.extend(items);
    }

    fn digest(&self) -> Digest {
        self.known.sketch().digest()
    }
}

/// What comes next.
pub type Step = super::Step<Ask, u64>;

/// Identifiers that go with a digest, unasked. Our choice: as long as an estimator.
const UNASKED: u64 = 26;

/// Bytes of sketches that a difference takes at least, if there are many. See `bench recon`.
const BYTES: u64 = 13;

/// The side of a session that asks. The set must stay as it is while it lasts.
///
/// ```
/// use gossip_entropy::reconcile::method::{Indexed, Method, Session};
/// use gossip_entropy::reconcile::{Reconcile, Step, Item};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let here = Indexed::new([Item::new(1, Fingerprint(7))]);
/// let there = Indexed::new([Item::new(1, Fingerprint(7)), Item::new(2, Fingerprint(9))]);
/// let (mut session, ask) = Session::open(Method::Automatic, &here, 1_000, 42);
/// let mut steps = Session::answer(&there, &ask, 10).into_iter().map(|a| session.take(&here, &a));
/// assert_eq!(steps.next(), Some(Step::Wait)); // the digests differ; the set comes along
/// let Some(Step::Done(difference)) = steps.next() else { panic!() };
/// assert_eq!((difference.theirs, difference.ours), (vec![9], vec![]));
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    way: Way,
    /// Whether another way may be taken.
    chooses: bool,
    /// The most identifiers, or answers about ranges, that are taken.
    most: u32,
    draw: u64,
}

#[derive(Clone, Debug)]
enum Way {
    Digest { nonce: [u8; 4], silences: Silences },
    Full(full::Session),
    Sketch(sketch::Session),
    Merkle(merkle::Session),
    Range(range::Session),
    PeelBack(peel_back::Session),
    Activity(activity::Session),
}

impl Session {
    /// Opens a session about `set`, with 64 random bits. It takes at most so many identifiers, or
    /// so many answers about ranges.
    pub fn open(method: Method, set: &Indexed, most: u32, draw: u64) -> (Self, Ask) {
        let [a, b, c, d, ..] = draw.to_le_bytes();
        let nonce = [a, b, c, d];
        let (way, ask) = match method {
            Method::Automatic => {
                let digest = set.digest().to_bytes();
                let silences = Silences::default();
                (Way::Digest { nonce, silences }, Ask::Digest { nonce, digest })
            }
            Method::Full => Way::full(nonce, most),
            Method::Sketch => {
                let (session, ask) = sketch::Session::open(set.known.sketch(), 0, draw);
                (Way::Sketch(session), Ask::Sketch(ask))
            }
            Method::Merkle => {
                let (session, ask) = merkle::Session::open(nonce, most);
                (Way::Merkle(session), Ask::Merkle(ask))
            }
            Method::Range => {
                let (session, ask) = range::Session::open(nonce, most);
                (Way::Range(session), Ask::Range(ask))
            }
            Method::PeelBack => {
                let (session, ask) = peel_back::Session::open(nonce, most);
                (Way::PeelBack(session), Ask::PeelBack(ask))
            }
            Method::Activity => {
                let (session, ask) = activity::Session::open(&set.active, nonce, most);
                (Way::Activity(session), Ask::Activity(ask))
            }
        };
        (Self { way, chooses: method == Method::Automatic, most, draw }, ask)
    }

    /// The other side's set has this digest.
    fn compare(&mut self, set: &Indexed, nonce: [u8; 4], theirs: Digest) -> Step {
        let ours = set.digest();
        if theirs == ours {
            return Step::Done(Difference::default());
        }
        let count = theirs.count();
        let (way, ask) = Way::full(nonce, self.most);
        if count <= UNASKED {
            self.way = way;
            return Step::Wait;
        }
        if full::cost(count) <= BYTES.saturating_mul(count.abs_diff(ours.count())) {
            self.way = way;
            return Step::Ask(ask);
        }
        let (session, ask) = sketch::Session::open(set.known.sketch(), 0, self.draw);
        self.way = Way::Sketch(session);
        Step::Ask(Ask::Either(ask))
    }

    /// All identifiers come where something else was asked for, or they as well.
    fn change(&mut self, nonce: [u8; 4]) {
        let asked = match &self.way {
            Way::Digest { nonce, .. } => Some(*nonce),
            Way::Sketch(session) => Some(session.nonce()),
            Way::Full(_) | Way::Merkle(_) | Way::Range(_) | Way::PeelBack(_) | Way::Activity(_) => {
                None
            }
        };
        if self.chooses && asked == Some(nonce) {
            self.way = Way::full(nonce, self.most).0;
        }
    }

    /// Sketches that led to no end are not the end of a session that chooses.
    fn or_another(&mut self, step: Step) -> Step {
        let failed = matches!(step, Step::Ended(End::TooMany | End::Inconsistent));
        if !failed || !self.chooses || !matches!(self.way, Way::Sketch(_)) {
            return step;
        }
        // Another name, so that answers to what was asked before are not read.
        let [.., a, b, c, d] = self.draw.to_le_bytes();
        let (way, ask) = Way::full([a, b, c, d], self.most);
        self.way = way;
        Step::Ask(ask)
    }
}

impl Way {
    fn full(nonce: [u8; 4], most: u32) -> (Self, Ask) {
        let (session, ask) = full::Session::open(nonce, most.into());
        (Self::Full(session), Ask::Full(ask))
    }
}

/// A step of one way as one of all.
fn lift<A, K>(step: super::Step<A, K>, ask: fn(A) -> Ask, id: fn(K) -> u64) -> Step {
    match step {
        super::Step::Wait => Step::Wait,
        super::Step::Ask(asked) => Step::Ask(ask(asked)),
        super::Step::Done(Difference { theirs, ours }) => {
            let ids = |keys: Vec<K>| {
                let mut ids: Vec<u64> = keys.into_iter().map(id).collect();
                ids.sort_unstable();
                ids
            };
            Step::Done(Difference { theirs: ids(theirs), ours: ids(ours) })
        }
        super::Step::Ended(end) => Step::Ended(end),
    }
}

const fn same(id: u64) -> u64 {
    id
}

fn id_of(item: Item) -> u64 {
    item.print().id()
}

impl Reconcile for Session {
    type Set = Indexed;
    type Ask = Ask;
    type Answer = Answer;
    type Key = u64;

    fn take(&mut self, set: &Indexed, answer: &Answer) -> Step {
        if let Answer::Full(answer) = answer {
            self.change(answer.nonce);
        }
        let step = match (&mut self.way, answer) {
            (Way::Digest { nonce, .. }, Answer::Digest { nonce: told, digest }) => {
                if nonce != told {
                    return Step::Wait;
                }
                let nonce = *nonce;
                return self.compare(set, nonce, Digest::from_bytes(*digest));
            }
            (Way::Full(session), Answer::Full(answer)) => {
                lift(session.take(&set.known, answer), Ask::Full, same)
            }
            (Way::Sketch(session), Answer::Sketch(frame)) => {
                lift(Reconcile::take(session, &set.known, frame), Ask::Sketch, same)
            }
            (Way::Merkle(session), Answer::Merkle(answer)) => {
                lift(session.take(&set.hashed, answer), Ask::Merkle, Fingerprint::id)
            }
            (Way::Range(session), Answer::Range(answer)) => {
                lift(session.take(&set.sorted, answer), Ask::Range, id_of)
            }
            (Way::PeelBack(session), Answer::PeelBack(answer)) => {
                lift(session.take(&set.sorted, answer), Ask::PeelBack, id_of)
            }
            (Way::Activity(session), Answer::Activity(answer)) => {
                lift(session.take(&set.active, answer), Ask::Activity, same)
            }
            _ => Step::Wait,
        };
        self.or_another(step)
    }

    fn silence(&mut self, set: &Indexed) -> Step {
        let step = match &mut self.way {
            Way::Digest { nonce, silences } => {
                silences.again(Ask::Digest { nonce: *nonce, digest: set.digest().to_bytes() })
            }
            Way::Full(session) => lift(session.silence(&set.known), Ask::Full, same),
            Way::Sketch(session) => {
                let ask = if self.chooses { Ask::Either } else { Ask::Sketch };
                lift(Reconcile::silence(session, &set.known), ask, same)
            }
            Way::Merkle(session) => {
                lift(session.silence(&set.hashed), Ask::Merkle, Fingerprint::id)
            }
            Way::Range(session) => lift(session.silence(&set.sorted), Ask::Range, id_of),
            Way::PeelBack(session) => lift(session.silence(&set.sorted), Ask::PeelBack, id_of),
            Way::Activity(session) => lift(session.silence(&set.active), Ask::Activity, same),
        };
        self.or_another(step)
    }

    fn answer(set: &Indexed, ask: &Ask, most: usize) -> Vec<Answer> {
        let sketches = |ask: &wire::Ask| {
            let frames = sketch::answer(set.known.sketch(), ask, most);
            frames.into_iter().map(Answer::Sketch).collect()
        };
        let all = |ask: &full::Ask| {
            full::Session::answer(&set.known, ask, most).into_iter().map(Answer::Full)
        };
        match ask {
            Ask::Digest { nonce, digest } => {
                let ours = set.digest();
                let told = Answer::Digest { nonce: *nonce, digest: ours.to_bytes() };
                let small = ours.count() <= UNASKED && ours != Digest::from_bytes(*digest);
                let unasked = small.then(|| all(&full::Session::open(*nonce, 0).1));
                [told].into_iter().chain(unasked.into_iter().flatten()).collect()
            }
            Ask::Either(ask) => {
                let by_sketches = sketch::cost(set.known.sketch(), ask);
                if by_sketches > full::cost(set.digest().count()) {
                    all(&full::Session::open(ask.nonce, 0).1).collect()
                } else {
                    sketches(ask)
                }
            }
            Ask::Full(ask) => all(ask).collect(),
            Ask::Sketch(ask) => sketches(ask),
            Ask::Merkle(ask) => {
                let answers = merkle::Session::answer(&set.hashed, ask, most);
                answers.into_iter().map(Answer::Merkle).collect()
            }
            Ask::Range(ask) => {
                let answers = range::Session::answer(&set.sorted, ask, most);
                answers.into_iter().map(Answer::Range).collect()
            }
            Ask::PeelBack(ask) => {
                let answers = peel_back::Session::answer(&set.sorted, ask, most);
                answers.into_iter().map(Answer::PeelBack).collect()
            }
            Ask::Activity(ask) => {
                let answers = activity::Session::answer(&set.active, ask, most);
                answers.into_iter().map(Answer::Activity).collect()
            }
        }
    }
}
