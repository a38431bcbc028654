//! The wire layer against its oracle, postcard, and against bytes that nobody vouches for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use gossip_core::message;
use gossip_core::wire::{
    Blob, Bounded, DecodeError, Decoder, Finite, Nothing, TooLarge, Wire, varint_len,
};
use proptest::prelude::*;
use serde::de::{IgnoredAny, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// As in `gossip_core::id`: a bound above `Wire`.
trait PeerId: Copy + Eq + Ord + Debug + Wire + 'static {}
impl PeerId for u64 {}

message! {
    /// A named struct.
    #[derive(Copy, PartialEq)]
    struct Entry<I: PeerId> {
        id: I,
        age: u16,
    }
}

message! {
    /// A tuple struct.
    #[derive(PartialEq)]
    struct Stamp(u32, i64);
}

message! {
    /// Every kind of variant.
    #[derive(PartialEq)]
    enum Leg<M: Wire> {
        Request(u32, M),
        Reply { seq: u32, value: M },
        Busy(u32),
        Bye,
    }
}

message! {
    /// Several parameters, nested sequences, heap bytes.
    #[derive(PartialEq)]
    struct View<I: PeerId, const C: usize, P: Wire> {
        me: I,
        entries: Bounded<Entry<I>, C>,
        profile: P,
        news: Bounded<(u32, Blob<20>), 3>,
        hint: Option<SocketAddr>,
    }
}

message! {
    /// The scalars.
    struct Scalars {
        a: bool,
        b: (u8, u16, u32, u64),
        c: (i8, i16, i32, i64),
        d: (f32, f64),
        e: [Option<Finite>; 3],
        f: (),
    }
}

type Datagram = Leg<View<u64, 8, Finite>>;

fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

/// What holds for every value.
fn check_value<T: Wire>(value: &T) {
    let bytes = encode(value);
    assert_eq!(bytes, postcard::to_allocvec(value).unwrap(), "postcard is the oracle");
    assert_eq!(value.encoded_len(), bytes.len());
    assert!((T::MIN_LEN..=T::MAX_LEN).contains(&bytes.len()), "{} bytes", bytes.len());
    assert_eq!(encode(&T::decode_all(&bytes).unwrap()), bytes);
    for len in 0..bytes.len() {
        assert!(T::decode_all(&bytes[..len]).is_err(), "a prefix of {len} bytes is a value");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(T::decode_all(&longer).err(), Some(DecodeError::Trailing { left: 1 }));
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check_bytes::<T>(&flipped);
    }
}

/// What holds for all bytes: refused, or the one encoding of a value that postcard reads as well.
fn check_bytes<T: Wire>(bytes: &[u8]) {
    let mut rest = bytes;
    match T::decode(&mut rest) {
        Ok(value) => {
            let read = &bytes[..bytes.len() - rest.len()];
            assert_eq!(encode(&value), read, "a second encoding");
            let (other, left) = postcard::take_from_bytes::<T>(bytes).unwrap();
            assert_eq!((encode(&other).as_slice(), left), (read, rest));
        }
        Err(_) => assert_eq!(rest, bytes, "a refusal advances nothing"),
    }
}

fn finite() -> impl Strategy<Value = Finite> {
    any::<u64>().prop_filter_map("finite", |bits| Finite::new(f64::from_bits(bits)))
}

/// Integers of all lengths, not only the long ones that are most of the range.
fn sized() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        any::<([u8; 4], u16)>().prop_map(SocketAddr::from),
        any::<([u16; 8], u16)>().prop_map(SocketAddr::from),
    ]
}

fn view() -> impl Strategy<Value = View<u64, 8, Finite>> {
    let entries = prop::collection::vec((sized(), any::<u16>()), 0..=8);
    let bytes = prop::collection::vec(any::<u8>(), 0..=20);
    let news = prop::collection::vec((any::<u32>(), bytes), 0..=3);
    let hint = prop::option::of(address());
    (sized(), entries, finite(), news, hint).prop_map(|(me, entries, profile, news, hint)| {
        let mut view = View { me, entries: Bounded::new(), profile, news: Bounded::new(), hint };
        let taken = view.entries.fill(entries.iter().map(|&(id, age)| Entry { id, age }));
        assert_eq!(taken, entries.len());
        view.news.fill(news.iter().map(|(seq, bytes)| (*seq, Blob::new(bytes).unwrap())));
        view
    })
}

fn datagram() -> impl Strategy<Value = Datagram> {
    prop_oneof![
        (any::<u32>(), view()).prop_map(|(seq, view)| Leg::Request(seq, view)),
        (any::<u32>(), view()).prop_map(|(seq, value)| Leg::Reply { seq, value }),
        any::<u32>().prop_map(Leg::Busy),
        Just(Leg::Bye),
    ]
}

fn scalars() -> impl Strategy<Value = Scalars> {
    let parts =
        (any::<bool>(), sized(), sized(), prop::array::uniform3(prop::option::of(finite())));
    parts.prop_map(|(a, unsigned, signed, e)| Scalars {
        a,
        b: (unsigned as u8, unsigned as u16, unsigned as u32, unsigned),
        c: (signed as i8, signed as i16, -(signed as i32 >> 1), (signed as i64).wrapping_neg()),
        // Any bits, NaNs included.
        d: (f32::from_bits(unsigned as u32), f64::from_bits(signed)),
        e,
        f: (),
    })
}

/// Bytes likely to get past the first field: small numbers, all ones, high bits.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0..4_u8, Just(0x80), Just(0xff), any::<u8>()];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #[test]
    fn datagrams_agree_with_postcard(value in datagram()) {
        check_value(&value);
        prop_assert_eq!(Datagram::decode_all(&encode(&value)), Ok(value));
    }

    #[test]
    fn scalars_agree_with_postcard(value in scalars()) {
        check_value(&value);
    }

    #[test]
    fn tuples_agree_with_postcard(seq in any::<u32>(), time in any::<i64>(), to in address()) {
        check_value(&Stamp(seq, time));
        check_value(&(to, to.ip(), Stamp(seq, time)));
        prop_assert_eq!(SocketAddr::decode_all(&encode(&to)), Ok(to));
    }

    #[test]
    fn mutated_bytes_are_refused_or_canonical(
        value in datagram(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4),
    ) {
        let mut bytes = encode(&value);
        for (at, with) in changes {
            // Replaces, removes or inserts, by the length of `with`.
            let at = at.index(bytes.len() + 1);
            let to = bytes.len().min(at + with.len() % 3);
            bytes.splice(at..to, with.iter().take(2).copied());
        }
        check_bytes::<Datagram>(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in hostile()) {
        check_bytes::<Datagram>(&bytes);
        check_bytes::<Scalars>(&bytes);
        check_bytes::<Leg<Leg<Nothing>>>(&bytes);
        check_bytes::<Bounded<Bounded<Option<Blob<3>>, 4>, 5>>(&bytes);
        check_bytes::<(SocketAddr, IpAddr, Stamp)>(&bytes);
    }

    #[test]
    fn varint_len_is_what_postcard_writes(value in sized()) {
        prop_assert_eq!(varint_len(value as usize), postcard::to_allocvec(&value).unwrap().len());
    }
}

/// The fewest and most bytes of `T`, which `short` and `long` take exactly.
fn bounds<T: Wire>(min: usize, short: &T, max: usize, long: &T) {
    let name = std::any::type_name::<T>();
    assert_eq!((T::MIN_LEN, T::MAX_LEN), (min, max), "{name}");
    assert_eq!((short.encoded_len(), long.encoded_len()), (min, max), "{name}");
    check_value(short);
    check_value(long);
}

fn longest_view() -> View<u64, 8, Finite> {
    let blob = Blob::new([0; 20]).unwrap();
    View {
        me: u64::MAX,
        entries: Bounded::from([Entry { id: u64::MAX, age: u16::MAX }; 8]),
        profile: Finite::ZERO,
        news: Bounded::from([(); 3].map(|()| (u32::MAX, blob.clone()))),
        hint: Some(SocketAddr::from(([0_u16; 8], u16::MAX))),
    }
}

/// Golden: a change of any of these figures is a change of the wire format.
#[test]
fn bounds_are_reached() {
    bounds(0, &(), 0, &());
    bounds(1, &false, 1, &true);
    bounds(1, &0, 1, &u8::MAX);
    bounds(1, &0, 3, &u16::MAX);
    bounds(1, &0, 5, &u32::MAX);
    bounds(1, &0, 10, &u64::MAX);
    bounds(1, &0, 1, &i8::MIN);
    bounds(1, &-64, 3, &i16::MIN);
    bounds(1, &63, 5, &i32::MAX);
    bounds(1, &0, 10, &i64::MIN);
    bounds(4, &0.0, 4, &f32::NAN);
    bounds(8, &-0.0, 8, &f64::INFINITY);
    bounds(8, &Finite::ZERO, 8, &Finite::new(f64::MIN).unwrap());
    bounds(1, &None, 6, &Some(u32::MAX));
    bounds(2, &(0, 0), 8, &(u16::MAX, u32::MAX));
    bounds(1, &(0,), 3, &(u16::MAX,));
    bounds(4, &(0, 0, 0, 0), 19, &(u8::MAX, u16::MAX, u32::MAX, i64::MAX));
    bounds(5, &[0; 5], 15, &[u16::MAX; 5]);
    bounds(32, &[0; 32], 32, &[u8::MAX; 32]);
    let (v4, v6) = (Ipv4Addr::BROADCAST, Ipv6Addr::LOCALHOST);
    bounds(4, &v4, 4, &v4);
    bounds(16, &v6, 16, &v6);
    bounds(5, &IpAddr::V4(v4), 17, &IpAddr::V6(v6));
    bounds(5, &SocketAddrV4::new(v4, 0), 7, &SocketAddrV4::new(v4, u16::MAX));
    bounds(17, &SocketAddrV6::new(v6, 0, 0, 0), 19, &SocketAddrV6::new(v6, u16::MAX, 0, 0));
    bounds(6, &SocketAddr::from((v4, 0)), 20, &SocketAddr::from((v6, u16::MAX)));
    bounds(1, &Bounded::new(), 1 + 127 * 3, &Bounded::from([u16::MAX; 127]));
    bounds(1, &Bounded::new(), 2 + 128 * 3, &Bounded::from([u16::MAX; 128]));
    bounds(1, &Blob::default(), 514, &Blob::<512>::new([0; 512]).unwrap());
    bounds(2, &Entry { id: 0, age: 0 }, 13, &Entry { id: u64::MAX, age: u16::MAX });
    bounds(2, &Stamp(0, 0), 15, &Stamp(u32::MAX, i64::MIN));
    let least =
        View { entries: Bounded::new(), news: Bounded::new(), hint: None, ..longest_view() };
    bounds(12, &View { me: 0, ..least.clone() }, 10 + 105 + 8 + 79 + 21, &longest_view());
    bounds(1, &Leg::Bye, 229, &Leg::Request(u32::MAX, longest_view()));
    assert_eq!((Nothing::MIN_LEN, Nothing::MAX_LEN), (0, 0));
    assert_eq!((Scalars::MIN_LEN, Scalars::MAX_LEN), (24, 78));
}

/// Two versions of this crate must agree on these, or every peer reports a difference.
#[test]
fn shapes_are_stable_and_tell_layouts_apart() {
    assert_eq!((u32::SHAPE, <(u32, bool)>::SHAPE), (0x09641ecd, 0xddfd4f53));
    assert_eq!((Bounded::<u64, 20>::SHAPE, Datagram::SHAPE), (0x759e01dd, 0xfda50266));
    assert_ne!(u64::SHAPE, i64::SHAPE);
    assert_ne!(<(u8, u16)>::SHAPE, <(u16, u8)>::SHAPE);
    assert_ne!(<((u8, u8), u8)>::SHAPE, <(u8, (u8, u8))>::SHAPE);
    assert_ne!(Bounded::<u8, 4>::SHAPE, Blob::<4>::SHAPE);
    assert_ne!(Leg::<u8>::SHAPE, Leg::<i8>::SHAPE);
}

fn refusal<T: Wire>(bytes: &[u8]) -> DecodeError {
    T::decode_all(bytes).expect_err("these bytes must be refused")
}

fn refusal_of<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> DecodeError {
    T::deserialize(&mut Decoder::new(bytes)).err().expect("these bytes must be refused")
}

// The rest: the bombs of reliability.md, section A5, each with what postcard makes of it.

#[test]
fn zero_sized_elements_cannot_spin() {
    let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f]; // 2^32 - 1 elements: 27.6 s in postcard's
    let refused = DecodeError::TooLong { len: 0xffff_ffff, limit: 0 };
    assert_eq!(refusal_of::<BTreeSet<()>>(&bomb), refused);
    assert_eq!(refusal_of::<Vec<()>>(&bomb), refused);
}

#[test]
fn a_length_claim_needs_the_bytes() {
    let mut bytes = [0; 70];
    bytes[..6].copy_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x20]); // 2^40
    let refused = DecodeError::TooLong { len: 1 << 40, limit: 64 };
    assert_eq!(refusal::<Bounded<u8, 1000>>(&bytes), refused);
    assert_eq!(refusal::<Blob<1000>>(&bytes), refused);
    assert_eq!(refusal_of::<&str>(&bytes), refused);
    assert_eq!(refusal::<Blob<1000>>(&[3, 1, 2]), DecodeError::TooLong { len: 3, limit: 2 });
    // Enough bytes, but more than the type holds.
    assert_eq!(refusal::<Blob<2>>(&[3, 1, 2, 3]), DecodeError::TooLong { len: 3, limit: 2 });
    let bounded = refusal::<Bounded<u8, 2>>(&[3, 1, 2, 3]);
    assert_eq!(bounded, DecodeError::TooLong { len: 3, limit: 2 });
}

#[test]
fn varints_are_the_shortest() {
    assert_eq!(postcard::from_bytes(&[0x85, 0x00]), Ok(5_u16), "postcard accepts it");
    assert_eq!(refusal::<u16>(&[0x85, 0x00]), DecodeError::Varint);
    assert_eq!(refusal::<i32>(&[0x80, 0x80, 0x00]), DecodeError::Varint);
    assert_eq!(refusal::<u16>(&[0xff, 0xff, 0x83, 0x00]), DecodeError::Varint);
    assert_eq!(refusal::<u64>(&[0xff; 11]), DecodeError::Varint);
    assert_eq!(refusal::<Blob<4>>(&[0x80, 0x00]), DecodeError::Varint);
    assert_eq!(refusal::<Bounded<u8, 4>>(&[0x81, 0x00, 7]), DecodeError::Varint);
    assert_eq!(refusal::<Leg<u8>>(&[0x83, 0x00]), DecodeError::Varint);
    assert_eq!(u64::decode_all(&[0x80; 9].map(|b: u8| b | 0x7f)), Err(DecodeError::End));
}

#[test]
fn integers_are_in_range() {
    assert_eq!(refusal::<u16>(&[0xff, 0xff, 0x04]), DecodeError::Range);
    assert_eq!(refusal::<i16>(&[0xff, 0xff, 0x04]), DecodeError::Range);
    assert_eq!(refusal::<u32>(&[0x80, 0x80, 0x80, 0x80, 0x10]), DecodeError::Range);
    let mut bytes = [0xff; 10];
    bytes[9] = 2;
    assert_eq!(refusal::<u64>(&bytes), DecodeError::Range);
    assert_eq!(refusal::<i64>(&bytes), DecodeError::Range);
    assert_eq!(refusal::<Leg<u8>>(&[0x80, 0x80, 0x80, 0x80, 0x10]), DecodeError::Range);
    assert_eq!(refusal_of::<std::num::NonZeroU32>(&[0]), DecodeError::Range);
}

#[test]
fn tags_are_known() {
    assert_eq!(refusal::<bool>(&[2]), DecodeError::Bool);
    assert_eq!(refusal::<Option<u8>>(&[2, 7]), DecodeError::Option);
    assert_eq!(refusal::<Leg<u8>>(&[4]), DecodeError::Tag);
    assert_eq!(refusal::<SocketAddr>(&[2, 1, 1, 1, 1, 80]), DecodeError::Tag);
    assert_eq!(refusal::<Nothing>(&[]), DecodeError::Tag);
    assert_eq!(refusal::<Leg<Nothing>>(&[0, 7]), DecodeError::Tag);
}

#[test]
fn nothing_may_follow() {
    assert_eq!(postcard::from_bytes(&[7, 0]), Ok(7_u8), "postcard accepts it");
    assert_eq!(refusal::<u8>(&[7, 0]), DecodeError::Trailing { left: 1 });
    assert_eq!(refusal::<()>(&[7, 0]), DecodeError::Trailing { left: 2 });
}

#[test]
fn numbers_are_finite_and_zero_has_one_sign() {
    for bad in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
        assert_eq!(refusal::<Finite>(&bad.to_le_bytes()), DecodeError::NotFinite);
    }
    assert!(Finite::new(-0.0).unwrap().get().is_sign_positive());
    assert_eq!(refusal::<Finite>(&[0; 7]), DecodeError::End);
}

#[test]
fn what_has_no_bound_is_not_on_the_wire() {
    let bytes = [1, 1, 1, 1];
    assert_eq!(refusal_of::<BTreeMap<u8, u8>>(&bytes), DecodeError::Unsupported);
    assert_eq!(refusal_of::<IgnoredAny>(&bytes), DecodeError::Unsupported);
    assert_eq!(refusal_of::<char>(&bytes), DecodeError::Unsupported);
    assert_eq!(refusal_of::<u128>(&bytes), DecodeError::Unsupported);
    assert_eq!(refusal_of::<i128>(&bytes), DecodeError::Unsupported);
}

/// A type of a user's own, with the check that sorted sets need.
#[derive(Debug)]
struct Ascending;

impl<'de> Deserialize<'de> for Ascending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (low, high) = <(u8, u8)>::deserialize(deserializer)?;
        let refused = || serde::de::Error::invalid_value(Unexpected::Seq, &"an ascending pair");
        if low < high { Ok(Self) } else { Err(refused()) }
    }
}

/// A type that reads the first element of a sequence and leaves the others.
#[derive(Debug)]
struct First;

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self)
    }
}

impl<'de> Visitor<'de> for First {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        seq.next_element::<u8>().map(|_| self)
    }
}

#[test]
fn the_other_causes() {
    assert!(First::deserialize(&mut Decoder::new(&[1, 7])).is_ok());
    assert_eq!(refusal_of::<First>(&[2, 7, 7]), DecodeError::Invalid);
    assert_eq!(refusal_of::<&str>(&[1, 0xff]), DecodeError::Utf8);
    assert_eq!(refusal_of::<Ascending>(&[2, 2]), DecodeError::Unsorted);
    let custom: DecodeError = serde::de::Error::custom("no");
    assert_eq!(custom, DecodeError::Invalid);
    let frame = DecodeError::UnknownFrame { tag: 7 };
    assert_eq!((frame.cause(), frame.to_string().ends_with("tag 7")), ("unknown_frame", true));
}

#[test]
fn bounded_and_blob_keep_their_bounds() {
    let mut view = Bounded::<u8, 3>::try_from(&[1, 2][..]).unwrap();
    assert_eq!((view.capacity(), view.room(), view.is_full()), (3, 1, false));
    assert_eq!((view.insert(3, 9), view.insert(0, 9), view.insert(0, 9)), (Err(9), Ok(()), Err(9)));
    assert_eq!((view.swap_remove(0), view.remove(7), view[..] == [2, 1]), (Some(9), None, true));
    assert_eq!(view.fill([5, 6, 7]), 1);
    view.retain(|n| *n != 1);
    assert_eq!(view.into_iter().collect::<Vec<_>>(), [2, 5]);
    let refused = TooLarge { len: 4, limit: 3 };
    assert_eq!(Bounded::<u8, 3>::try_from(vec![0; 4]), Err(refused));
    assert_eq!(Blob::<3>::try_from(vec![0; 4]), Err(refused));
    assert_eq!(size_of::<Blob<512>>(), 2 * size_of::<usize>());
    let long = Blob::<99>::new([b'a'; 40]).unwrap();
    assert_eq!(format!("{long:?}"), format!("b\"{}\".. 40 bytes", "a".repeat(32)));
}
