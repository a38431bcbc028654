use gossip_core::auth::Signer;

use super::*;
use crate::allowed::AllowList;
use crate::node_key::NodeKey;
use crate::proof::{FORGED, NO_PROOF, NOT_ALLOWED, PROOF_LIFE, UNPROVEN};

const TICK: Duration = Duration::from_secs(1);
const CARD: Card = Card { versions: (1, 1), capabilities: LANE | 1 << 20, lane: 7_172 };

fn cluster() -> ClusterId {
    ClusterId::named("red")
}

fn peer(number: usize) -> SocketAddr {
    ([10, 0, (number >> 8) as u8, number as u8], 7).into()
}

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1_000)
}

fn greeter() -> Greeter {
    known_as(0, None, None)
}

/// The node `number`, with a key and a list or without.
fn known_as(number: usize, key: Option<&NodeKey>, allowed: Option<&AllowList>) -> Greeter {
    let prover = Prover::new(cluster(), peer(number), key.cloned(), allowed.cloned());
    Greeter::new(cluster(), CARD, TICK, prover)
}

/// What a node makes of a hello, when it needs no number.
fn hears(node: &mut Greeter, now: Time, from: usize, hello: &Hello) -> Heard {
    node.heard(now, peer(from), hello, || unreachable!("it asks for no proof"))
}

/// Runs rounds in which a node sends to `peers`, whose answers take `rtt`; returns what the
/// guard said.
fn rounds(node: &mut Greeter, from: u64, count: u64, peers: &[(usize, u64)]) -> Vec<Verdict> {
    let mut said = Vec::new();
    for round in from..from + count {
        for (number, _) in peers {
            node.sent(peer(*number));
        }
        let now = at(round * 1_000);
        let Some(asked) = node.round(now, round + 1) else { continue };
        let rtt = peers.iter().find(|(number, _)| peer(*number) == asked.to).unwrap().1;
        let mut other = greeter();
        let question = Hello::decode(&asked.bytes, cluster()).unwrap();
        let answer = hears(&mut other, now, 0, &question).says.remove(0);
        assert_eq!(answer.bytes.len(), asked.bytes.len(), "nothing is amplified");
        let answer = Hello::decode(&answer.bytes, cluster()).unwrap();
        let then = now + Duration::from_millis(rtt);
        let number = peers.iter().find(|(number, _)| peer(*number) == asked.to).unwrap().0;
        said.extend(hears(node, then, number, &answer).verdict);
    }
    said
}

#[test]
fn peers_are_known_by_what_they_say_and_how_long_they_take() {
    let mut node = greeter();
    assert_eq!(rounds(&mut node, 0, 60, &[(1, 20), (2, 40)]), []);
    let known = node.peer(peer(1)).unwrap();
    assert_eq!((known.common_version(), known.capabilities), (Some(1), CARD.capabilities));
    assert_eq!(known.lane, Some(([10, 0, 0, 1], 7_172).into()));
    assert_eq!(known.rtt, Some(Duration::from_millis(20)));
    let trips = node.round_trips();
    assert_eq!((trips.peers, trips.slow), (2, 0));
    assert_eq!(trips.max, Duration::from_millis(40));
    assert_eq!(node.peer(peer(3)), None);
}

/// The essay's condition 5. A peer whose answers take 700 ms of a period of a second is warned
/// of once; when they take 10 ms again, that is said once, too.
#[test]
fn a_period_near_the_round_trip_is_warned_of_once() {
    let mut node = greeter();
    assert_eq!(rounds(&mut node, 0, 100, &[(1, 10), (2, 10)]), []);
    let said = rounds(&mut node, 100, 400, &[(1, 10), (2, 700)]);
    assert!(matches!(said[..], [Verdict::Near(rtt)] if rtt * 2 > TICK), "{said:?}");
    assert_eq!(node.round_trips().slow, 1);
    assert_eq!(rounds(&mut node, 500, 400, &[(1, 10), (2, 10)]), [Verdict::Well]);
}

/// Round trips above the period are measured, too: answers are told apart by their nonces.
#[test]
fn a_round_trip_of_several_periods_is_measured() {
    let mut node = greeter();
    let mut under_way = VecDeque::new();
    for round in 0..200 {
        node.sent(peer(1));
        under_way.extend(node.round(at(round * 1_000), round + 1).map(|asked| (round, asked)));
        if under_way.front().is_some_and(|(then, _)| then + 3 == round)
            && let Some((_, asked)) = under_way.pop_front()
        {
            let question = Hello::decode(&asked.bytes, cluster()).unwrap();
            hears(&mut node, at(round * 1_000), 1, &Hello { answer: true, ..question });
        }
    }
    assert_eq!(node.round_trips().max, Duration::from_secs(3));
}

#[test]
fn answers_that_nobody_asked_for_say_nothing() {
    let mut node = greeter();
    let forged = Hello { answer: true, card: CARD, nonce: 7, tail: None };
    assert_eq!(hears(&mut node, at(1), 1, &forged), Heard::default());
    node.sent(peer(1));
    let asked = node.round(at(1), 9).unwrap();
    let answer = Hello { answer: true, ..Hello::decode(&asked.bytes, cluster()).unwrap() };
    hears(&mut node, at(2), 2, &answer);
    assert!(node.known.is_empty(), "not from another than the one asked");
    hears(&mut node, at(2), 1, &answer);
    hears(&mut node, at(900), 1, &answer);
    assert_eq!(node.peer(peer(1)).unwrap().rtt, Some(Duration::from_millis(1)), "and once");
}

#[test]
fn what_is_known_is_bounded() {
    let mut node = greeter();
    for round in 0..6_000_u64 {
        let to = peer(round as usize);
        node.sent(to);
        node.lately.retain(|peer| *peer == to);
        let asked = node.round(at(round), round).unwrap();
        let question = Hello::decode(&asked.bytes, cluster()).unwrap();
        hears(&mut node, at(round), round as usize, &Hello { answer: true, ..question });
    }
    assert_eq!(node.known.len(), KNOWN);
    assert!(node.peer(peer(5_999)).is_some() && node.peer(peer(0)).is_none());
    assert!(node.asked.len() <= ASKED);
}

/// Who has nothing to offer asks 4 strangers at once and then one in 8 rounds, and knows 64;
/// who has a lane asks one in every round. 512 rounds, a new peer in each.
#[test]
fn who_has_nothing_to_offer_is_not_curious() {
    let asked = |card: Card| {
        let prover = Prover::new(cluster(), peer(9_999), None, None);
        let (mut node, mut questions) = (Greeter::new(cluster(), card, TICK, prover), 0);
        for round in 0..512 {
            node.sent(peer(round as usize));
            let Some(question) = node.round(at(round * 1_000), round) else { continue };
            questions += 1;
            let asked = Hello::decode(&question.bytes, cluster()).unwrap();
            let (at_once, answer) = (at(round * 1_000 + 1), Hello { answer: true, ..asked });
            node.heard(at_once, question.to, &answer, || unreachable!("it asks for no proof"));
        }
        (questions, node.known.len())
    };
    assert_eq!(asked(CARD), (512, 512));
    assert_eq!(asked(Card { capabilities: 0, ..CARD }), (4 + 64, FEW));
}

/// Golden: the bytes of this version, and what a later one may add; then what is not of it.
#[test]
fn the_bytes_stay_what_they_are() {
    let hello = Hello { answer: true, card: CARD, nonce: 0x0102_0304_0506_0708, tail: None };
    let bytes = hello.encode(cluster());
    let mut golden = vec![0x67, 0xb6, 1];
    let mut header = Vec::new();
    Header { cluster: cluster(), shape: 0 }.write(&mut header);
    golden.extend_from_slice(&header[3..]);
    golden.extend_from_slice(&[1, 1, 1, 1, 0, 0x10, 0, 0x04, 0x1c, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(bytes, golden);
    let longer = [&bytes[..], b"what a later version adds"].concat();
    assert_eq!(Hello::decode(&longer, cluster()), Some(hello));
    for len in 0..bytes.len() {
        assert_eq!(Hello::decode(&bytes[..len], cluster()), None, "{len} bytes");
    }
    assert_eq!(Hello::decode(&bytes, ClusterId::named("blue")), None);
    let mut unknown = bytes;
    unknown[HEADER] = 2;
    assert_eq!(Hello::decode(&unknown, cluster()), None);
}

/// Versions of two releases: the highest that both read, or none.
#[test]
fn versions_are_agreed_on() {
    let common = |versions| {
        let info = PeerInfo { versions, capabilities: 0, lane: None, rtt: None, key: None };
        info.common_version()
    };
    assert_eq!(common(1..=1), Some(1));
    assert_eq!(common(0..=3), Some(1), "N-1 and N+1");
    assert_eq!((common(2..=3), common(0..=0)), (None, None));
}

/// Two nodes with keys of their own, and a list of both: who asks whom, and what is answered.
struct Pair {
    list: AllowList,
    keys: [NodeKey; 2],
    one: Greeter,
    two: Greeter,
}

impl Pair {
    fn new() -> Self {
        let keys = [NodeKey::generate().unwrap(), NodeKey::generate().unwrap()];
        let list = AllowList::new(keys.iter().map(NodeKey::public));
        let one = known_as(1, Some(&keys[0]), Some(&list));
        let two = known_as(2, Some(&keys[1]), Some(&list));
        Self { list, keys, one, two }
    }

    /// What node 1 asks the node at `number`, which it does not know.
    fn asks(&mut self, now: Time, number: usize, nonce: u64) -> Hello {
        let (admitted, question) = self.one.admit(now, peer(number), || Some(nonce));
        assert_eq!(admitted, Err(UNPROVEN));
        Hello::decode(&question.unwrap().bytes, cluster()).unwrap()
    }
}

/// What `node` answers to a question of the node at `asker`.
fn answer(node: &mut Greeter, now: Time, asker: usize, question: &Hello) -> Hello {
    let heard = node.heard(now, peer(asker), question, || Some(99));
    Hello::decode(&heard.says[0].bytes, cluster()).unwrap()
}

/// What node 1 makes of an answer from `number`: why it is refused, and who that is then.
fn judged(one: &mut Greeter, now: Time, number: usize, said: &Hello) -> Option<&'static str> {
    let heard = hears(one, now, number, said);
    assert_eq!(heard.refused.is_none(), one.peer(peer(number)).is_some_and(|p| p.key.is_some()));
    heard.refused
}

#[test]
fn who_proves_to_be_on_the_list_is_believed_for_so_long() {
    let mut pair = Pair::new();
    let question = pair.asks(at(1), 2, 7);
    assert_eq!(pair.one.admit(at(1), peer(2), || unreachable!("it is asked")).1, None);
    let said = answer(&mut pair.two, at(1), 1, &question);
    assert!(said.encode(cluster()).len() <= question.encode(cluster()).len(), "not amplified");
    assert_eq!(judged(&mut pair.one, at(2), 2, &said), None);
    assert_eq!(pair.one.peer(peer(2)).unwrap().key, Some(pair.keys[1].public()));
    let life = PROOF_LIFE.as_millis() as u64;
    let admits = |one: &mut Greeter, millis| {
        let (admitted, question) = one.admit(at(millis), peer(2), || Some(8));
        (admitted, question.is_some())
    };
    assert_eq!(admits(&mut pair.one, life / 2), (Ok(()), false));
    assert_eq!(admits(&mut pair.one, life / 2 + 2), (Ok(()), true), "asked in time");
    assert_eq!(admits(&mut pair.one, life + 2), (Err(UNPROVEN), true), "the control: no answer");
}

/// Each way to be believed without the right to it, and the control: the same answer, unchanged,
/// passes, once.
#[test]
fn what_proves_nothing_is_refused_by_cause() {
    let mut pair = Pair::new();
    let (eve, stranger) = (NodeKey::generate().unwrap(), NodeKey::generate().unwrap());
    let mut eves = known_as(2, Some(&eve), None);

    // Another's key, with a signature of one's own.
    let question = pair.asks(at(0), 2, 1);
    let real = answer(&mut pair.two, at(0), 1, &question);
    let mut forged = answer(&mut eves, at(0), 1, &question);
    forged.tail.as_mut().unwrap()[..32].copy_from_slice(&pair.keys[1].public().to_bytes());
    assert_eq!(judged(&mut pair.one, at(1), 2, &forged), Some(FORGED));
    // The question was answered: the real answer comes too late, and so does any other.
    assert_eq!(judged(&mut pair.one, at(1), 2, &real), Some("answer that nobody asked for"));

    // An answer of before, under the number of now; and one that was given at another address.
    let question = pair.asks(at(2_000), 2, 2);
    let again = Hello { nonce: question.nonce, ..real };
    assert_eq!(judged(&mut pair.one, at(2_001), 2, &again), Some(FORGED));
    let question = pair.asks(at(4_000), 3, 3);
    let elsewhere = answer(&mut pair.two, at(4_000), 1, &question);
    assert_eq!(judged(&mut pair.one, at(4_001), 3, &elsewhere), Some(FORGED));
    // One that was given to another.
    let question = pair.asks(at(6_000), 2, 4);
    let to_another = answer(&mut pair.two, at(6_000), 5, &question);
    assert_eq!(judged(&mut pair.one, at(6_001), 2, &to_another), Some(FORGED));

    // A key that is not on the list; no key; and no right to the address of one who is.
    let question = pair.asks(at(8_000), 2, 5);
    let said = answer(&mut eves, at(8_000), 1, &question);
    assert_eq!(judged(&mut pair.one, at(8_001), 2, &said), Some(NOT_ALLOWED));
    let question = pair.asks(at(10_000), 2, 6);
    let mut before = known_as(2, None, None);
    let said = answer(&mut before, at(10_000), 1, &question);
    assert_eq!(judged(&mut pair.one, at(10_001), 2, &said), Some(NO_PROOF));
    let question = pair.asks(at(12_000), 2, 7);
    let mut stranger = known_as(2, Some(&stranger), None);
    let said = answer(&mut stranger, at(12_000), 1, &question);
    assert_eq!(judged(&mut pair.one, at(12_001), 2, &said), Some(NOT_ALLOWED));

    // Every bit of what is said is signed.
    let mut now = 14_000;
    for bit in (0..real.encode(cluster()).len() * 8).skip((HEADER + 1) * 8).step_by(5) {
        let question = pair.asks(at(now), 2, now);
        let mut bytes = answer(&mut pair.two, at(now), 1, &question).encode(cluster());
        bytes[bit / 8] ^= 1 << (bit % 8);
        let said = Hello::decode(&bytes, cluster()).unwrap();
        assert!(judged(&mut pair.one, at(now), 2, &said).is_some(), "bit {bit}");
        now += 2_000;
    }
    let question = pair.asks(at(now), 2, now);
    let said = answer(&mut pair.two, at(now), 1, &question);
    assert_eq!(judged(&mut pair.one, at(now), 2, &said), None);
    assert_eq!(
        hears(&mut pair.one, at(now), 2, &said).refused,
        Some("answer that nobody asked for")
    );
}

#[test]
fn who_is_taken_off_the_list_is_refused_from_then_on() {
    let mut pair = Pair::new();
    let question = pair.asks(at(0), 2, 1);
    let said = answer(&mut pair.two, at(0), 1, &question);
    assert_eq!(judged(&mut pair.one, at(1), 2, &said), None);
    let all = AllowList::new(pair.keys.iter().map(NodeKey::public));
    pair.list.replace(&AllowList::new([pair.keys[0].public()]));
    assert_eq!(pair.one.admit(at(2), peer(2), || Some(2)).0, Err(NOT_ALLOWED));
    pair.list.replace(&all);
    assert_eq!(pair.one.admit(at(2), peer(2), || Some(3)).0, Ok(()), "the control");
}

/// However many addresses send, few are asked, and few proofs given.
#[test]
fn questions_and_proofs_are_bounded() {
    let mut pair = Pair::new();
    let questions = (0..1_000).filter_map(|number| {
        pair.one.admit(at(number), peer(number as usize + 3), || Some(number)).1
    });
    assert_eq!(questions.count(), QUESTIONS);
    assert!(pair.one.asked.len() <= ASKED && pair.one.known.is_empty());
    let question = Hello::decode(&pair.one.ask(at(5_000), peer(2), 1).bytes, cluster()).unwrap();
    let answered = |two: &mut Greeter| {
        let said = (0..1_000).map(|_| two.heard(at(5_000), peer(1), &question, || None).refused);
        said.filter(Option::is_none).count()
    };
    assert_eq!(answered(&mut pair.two), 256);
    pair.two.round(at(6_000), 1);
    assert_eq!(answered(&mut pair.two), 256);
}

/// A node of the release before reads a question for a proof, and is read; and where nobody asks
/// for proofs, a key changes nothing but a bit.
#[test]
fn nodes_without_keys_and_nodes_without_lists_get_on() {
    let mut pair = Pair::new();
    let key = pair.keys[0].clone();
    let bytes = pair.one.ask(at(0), peer(2), 1).bytes;
    let before = Hello { tail: None, ..Hello::decode(&bytes, cluster()).unwrap() };
    assert_eq!(&bytes[..before.encode(cluster()).len()], before.encode(cluster()));
    let (mut plain, mut keyed) = (greeter(), known_as(1, Some(&key), None));
    keyed.sent(peer(0));
    let question = keyed.round(at(0), 5).unwrap();
    assert_eq!(question.bytes.len(), LEN);
    let question = Hello::decode(&question.bytes, cluster()).unwrap();
    let said = answer(&mut plain, at(0), 1, &question);
    assert_eq!(hears(&mut keyed, at(1), 0, &said).refused, None);
    let known = keyed.peer(peer(0)).unwrap();
    assert_eq!((known.key, known.capabilities & PROVES), (None, 0));
}

/// Golden: what is signed, byte for byte, and where the signature stands.
#[test]
fn a_proof_stays_what_it_is() {
    let key = NodeKey::generate().unwrap();
    let mut node = known_as(2, Some(&key), None);
    let card = Card { versions: (1, 1), capabilities: ASKS, lane: 0 };
    let question = Hello { answer: false, card, nonce: 0x0102_0304, tail: Some([0; 96]) };
    let said = hears(&mut node, at(0), 1, &question).says.remove(0).bytes;
    let mut text = b"gossip-net hello 1".to_vec();
    Header { cluster: cluster(), shape: 0 }.write(&mut text);
    for last in [2, 1] {
        text.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last, 7, 0]);
    }
    let body = [1, 1, 1, 3, 0, 0x10, 0, 0x04, 0x1c, 4, 3, 2, 1, 0, 0, 0, 0];
    text.extend_from_slice(&body);
    let (r, s) = key.sign(&text);
    let tail = [&body[..], &key.public().to_bytes(), &r, &s].concat();
    assert_eq!(&said[HEADER..], tail);
}
