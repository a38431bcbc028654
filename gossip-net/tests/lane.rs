//! The lanes over QUIC and TCP, on loopback: who may use them, what they carry, and what that costs
//! others. Each test is run over both.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use common::eventually;
use common::pours::{Pour, Pours};
use gossip_net::lane::{HANDSHAKES, Identity, Kind, Lane, LaneError, MESSAGE, Streams, quic, tcp};
use gossip_net::{Builder, Handle, Node};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);
const DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(20);
const NAME: &str = "red.gossip";

/// An authority, and its certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `name` that ends with this year; its holder believes `trusted`.
    fn identity(&self, name: &str, year: i32, trusted: &Self) -> Identity {
        self.certified(name, date_time_ymd(year, 12, 31).unix_timestamp() as u64, trusted)
    }

    /// The usual identity, which believes all authorities of `roots`.
    fn believing(&self, roots: &str) -> Identity {
        let trusted = Self { issuer: Self::new("any").issuer, pem: roots.to_owned() };
        self.identity(NAME, 2999, &trusted)
    }

    /// `end` is in seconds since 1970.
    fn certified(&self, name: &str, end: u64, trusted: &Self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        let (key, roots) = (key.serialize_pem(), trusted.pem.as_bytes());
        Identity::from_pem(chain.as_bytes(), key.as_bytes(), roots, name).unwrap()
    }

    /// As [`identity`](Self::identity), of the usual name and this authority, but it ends so many
    /// seconds from now.
    fn brief(&self, seconds: u64) -> Identity {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.certified(NAME, now + seconds, self)
    }

    fn lane<K: Kind>(&self) -> Streams<K> {
        Streams::bind(LOOPBACK, &self.identity(NAME, 2999, self)).unwrap()
    }
}

fn count<K: Kind>(lane: &Streams<K>, cause: &str) -> u64 {
    lane.counts().get("lane", cause)
}

async fn received<K: Kind>(lane: &Streams<K>) -> (SocketAddr, Vec<u8>) {
    tokio::time::timeout(DEADLINE, lane.recv()).await.expect("in time").expect("a message")
}

async fn messages_come_whole_from_who_sent_them<K: Kind>() {
    let red = Authority::new("red");
    let (one, two) = (red.lane::<K>(), red.lane::<K>());
    for len in [0, 1, 1_200, MESSAGE] {
        one.send(two.local_addr().unwrap(), vec![len as u8; len]).unwrap();
        let (from, message) = received(&two).await;
        assert_eq!((from.ip(), message), (one.local_addr().unwrap().ip(), vec![len as u8; len]));
    }
    assert!(one.send(two.local_addr().unwrap(), vec![0; MESSAGE + 1]).is_err());
    assert_eq!((count(&one, "message too long"), two.counts().total("message too long")), (1, 0));
}

/// Issue 9, "must be shown" 5: an expired certificate, one of another authority, and one of an
/// authority that only bears the same name are refused whichever side shows it, and counted by
/// cause. The control, of the same authority and in its
/// time, is taken.
async fn certificates_that_are_not_good_are_refused_by_cause<K: Kind>() {
    let (red, blue, false_red) =
        (Authority::new("red"), Authority::new("blue"), Authority::new("red"));
    let good = red.lane::<K>();
    let at = good.local_addr().unwrap();
    for (identity, cause, told) in [
        (
            red.identity(NAME, 2001, &red),
            "certificate expired",
            "own certificate expired, says the peer",
        ),
        (
            blue.identity(NAME, 2999, &red),
            "certificate of another authority",
            "own certificate of another authority, says the peer",
        ),
        (
            false_red.identity(NAME, 2999, &red),
            "certificate not accepted",
            "own certificate not accepted, says the peer",
        ),
    ] {
        let bad = Streams::<K>::bind(LOOPBACK, &identity).unwrap();
        bad.send(at, b"let me in".to_vec()).unwrap();
        eventually(cause, DEADLINE, PAUSE, || count(&good, cause) == 1).await;
        eventually(told, DEADLINE, PAUSE, || count(&bad, told) == 1).await;
        // And the other way round: what the good one calls shows the certificate.
        good.send(bad.local_addr().unwrap(), b"who is there".to_vec()).unwrap();
        eventually(cause, DEADLINE, PAUSE, || count(&good, cause) == 2).await;
        eventually(told, DEADLINE, PAUSE, || count(&bad, told) == 2).await;
    }
    let control = red.lane::<K>();
    control.send(at, b"let me in".to_vec()).unwrap();
    assert_eq!(received(&good).await.1, b"let me in", "and nothing of the others before");
}

/// Says something to `to` again and again, for ever.
async fn chat<K: Kind>(lane: &Streams<K>, to: SocketAddr, word: u8) {
    loop {
        // A full queue takes nothing, and empties again.
        let _ = lane.send(to, vec![word; 100]);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Failure 17 of the operations document, in mid-run: a certificate that expires while its
/// connection is busy is refused within a life of the connection, whichever side sees to it, and
/// says so on both sides. The control: with a life of a day on both sides it is not noticed.
async fn a_certificate_that_expires_while_it_is_used_is_found_out<K: Kind>() {
    let red = Authority::new("red");
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(86_400));
    let good = |life| {
        let identity = red.identity(NAME, 2999, &red).life(life).unwrap();
        Streams::<K>::bind(LOOPBACK, &identity).unwrap()
    };
    let brief = |life| Streams::<K>::bind(LOOPBACK, &red.brief(2).life(life).unwrap()).unwrap();
    let (strict, lax) = (good(short), good(long));
    let (strict_at, lax_at) = (strict.local_addr().unwrap(), lax.local_addr().unwrap());
    // One that the other side hangs up on, one that calls again by itself, and the control.
    let (held, calls, control) = (brief(long), brief(short), brief(long));
    let expired = "own certificate expired, says the peer";
    let mut came = [0_u32; 3];
    let watched = async {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            tokio::select! {
                one = strict.recv() => came[usize::from(one.unwrap().1[0])] += 1,
                one = lax.recv() => came[usize::from(one.unwrap().1[0])] += 1,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let told = count(&held, expired).min(count(&calls, expired)) > 0;
            if told && count(&strict, "certificate expired") > 0 {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{:?}", strict.counts());
        }
    };
    tokio::select! {
        () = watched => {}
        () = chat(&held, strict_at, 0) => {}
        () = chat(&calls, lax_at, 1) => {}
        () = chat(&control, lax_at, 2) => {}
    }
    assert!(came.iter().all(|came| *came > 20), "all were heard while they were good: {came:?}");
    assert!(count(&lax, "certificate expired") > 0 && count(&control, expired) == 0);
    assert!(count(&strict, "connection judged again") > 0);
    // The control goes on, with a certificate that is no longer good.
    control.send(lax_at, vec![9]).unwrap();
    while received(&lax).await.1 != [9] {}
}

/// An authority that is no longer believed is believed by no connection, however busy: at once.
/// Those of the other one are heard on.
async fn an_authority_is_removed_in_mid_run<K: Kind>() {
    let (red, blue) = (Authority::new("red"), Authority::new("blue"));
    let both = format!("{}{}", red.pem, blue.pem);
    let good = Streams::<K>::bind(LOOPBACK, &red.believing(&both)).unwrap();
    let at = good.local_addr().unwrap();
    let (one, two) =
        (red.lane::<K>(), Streams::<K>::bind(LOOPBACK, &blue.identity(NAME, 2999, &red)).unwrap());
    for lane in [&one, &two] {
        lane.send(at, vec![1]).unwrap();
        assert_eq!(received(&good).await.1, [1]);
    }
    good.renew(&red.believing(&red.pem)).unwrap();
    let refused = "certificate of another authority";
    tokio::select! {
        () = chat(&two, at, 2) => {}
        _ = eventually(refused, DEADLINE, PAUSE, || count(&good, refused) > 0) => {}
    }
    one.send(at, vec![3]).unwrap();
    // What was said before the connection's end was seen may be lost; what follows is not.
    let said = async {
        loop {
            tokio::time::sleep(PAUSE).await;
            let _ = one.send(at, vec![4]);
        }
    };
    tokio::select! {
        () = said => {}
        () = async { while received(&good).await.1 != [4] {} } => {}
    }
    assert_eq!(count(&good, refused), 1, "{:?}", good.counts());
}

#[test]
fn a_life_has_bounds() {
    let red = Authority::new("red");
    for (millis, right) in [(99, false), (100, true), (86_400_000, true), (86_400_001, false)] {
        let identity = red.identity(NAME, 2999, &red).life(Duration::from_millis(millis));
        assert_eq!(identity.is_ok(), right, "{millis} ms");
    }
}

/// A peer that takes nothing has a bounded queue, and holds up nobody else.
async fn a_slow_receiver_holds_up_only_itself<K: Kind>() {
    let red = Authority::new("red");
    let (one, slow, quick) = (red.lane::<K>(), red.lane::<K>(), red.lane::<K>());
    let (slow_at, quick_at) = (slow.local_addr().unwrap(), quick.local_addr().unwrap());
    let mut taken = 0;
    let full = || {
        taken += u32::from(one.send(slow_at, vec![1; MESSAGE]).is_ok());
        count(&one, "peer too slow") > 100
    };
    eventually("its queue is full", DEADLINE, PAUSE, full).await;
    assert!(taken < 64, "{taken} messages were kept for it");
    for number in 0..20 {
        one.send(quick_at, vec![number; 1_000]).unwrap();
        assert_eq!(received(&quick).await.1, vec![number; 1_000]);
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    let red = Authority::new("red");
    let bad = |chain: &[u8], roots: &[u8]| {
        let key = KeyPair::generate().unwrap().serialize_pem();
        Identity::from_pem(chain, key.as_bytes(), roots, NAME)
    };
    let pem = red.pem.as_bytes();
    assert!(matches!(bad(pem, b""), Err(LaneError::NoAuthority)));
    assert!(matches!(bad(pem, pem), Err(LaneError::Tls(_))), "the key is another's");
}

async fn spawned<K: Kind>(builder: Builder<Pours>, lane: Option<Streams<K>>) -> Handle<Pours> {
    let builder = builder.bind(LOOPBACK).tick(TICK);
    let builder = match lane {
        Some(lane) => builder.lane(lane),
        None => builder,
    };
    builder.spawn().await.unwrap()
}

/// Two nodes find each other's lane by themselves; a thousand datagrams at once, which overrun a
/// socket, come all of them by it. To a node without a lane they go as datagrams.
async fn what_is_much_at_once_goes_by_the_lane<K: Kind>() {
    let red = Authority::new("red");
    let two = spawned(Node::builder(Pours::default()), Some(red.lane::<K>())).await;
    let without = spawned::<K>(Node::builder(Pours::default()), None).await;
    let builder = Node::builder(Pours::default()).contact(two.id());
    let one = spawned(builder, Some(red.lane::<K>())).await;
    let found = || one.peer(two.id()).is_some_and(|peer| peer.lane.is_some());
    eventually("the lane is known", DEADLINE, PAUSE, found).await;

    one.call(Pour { to: two.id(), count: 800 }).await.unwrap();
    let all = || two.read(|pours| pours.came) == 800;
    eventually("all have come", DEADLINE, PAUSE, all).await;
    let counters = one.counters();
    assert!(counters.lane_out >= 4 && counters.datagrams_out >= 800, "{counters:?}");
    one.call(Pour { to: without.id(), count: 20 }).await.unwrap();
    let all = || without.read(|pours| pours.came) == 20;
    eventually("all have come as datagrams", DEADLINE, PAUSE, all).await;
    assert_eq!(one.counters().lane_out, counters.lane_out);
}

/// Runs each test over a kind of lane.
macro_rules! over {
    ($module:ident, $kind:ty: $($test:ident)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test::<$kind>().await;
                }
            )*
        }
    };
}

macro_rules! over_both {
    ($($test:ident)*) => {
        over!(over_quic, super::quic::Connections: $($test)*);
        over!(over_tcp, super::tcp::Connections: $($test)*);
    };
}

over_both! {
    messages_come_whole_from_who_sent_them
    certificates_that_are_not_good_are_refused_by_cause
    a_certificate_that_expires_while_it_is_used_is_found_out
    an_authority_is_removed_in_mid_run
    a_slow_receiver_holds_up_only_itself
    what_is_much_at_once_goes_by_the_lane
}

/// A lane over TCP and one over QUIC do not speak to each other: what is much goes as datagrams.
#[tokio::test]
async fn lanes_of_two_kinds_are_not_used_between_each_other() {
    let red = Authority::new("red");
    let lane = red.lane::<tcp::Connections>();
    let two = spawned(Node::builder(Pours::default()), Some(lane)).await;
    let builder = Node::builder(Pours::default()).contact(two.id());
    let one = spawned(builder, Some(red.lane::<quic::Connections>())).await;
    let found = || one.peer(two.id()).is_some_and(|peer| peer.lane.is_some());
    eventually("the lane is known", DEADLINE, PAUSE, found).await;
    one.call(Pour { to: two.id(), count: 20 }).await.unwrap();
    let all = || two.read(|pours| pours.came) == 20;
    eventually("all have come as datagrams", DEADLINE, PAUSE, all).await;
    assert_eq!(one.counters().lane_out, 0);
}

/// Strangers who call and say nothing, or nonsense, do not keep a member out: of too many, the one
/// who has taken longest is given up.
#[tokio::test]
async fn silent_strangers_keep_nobody_out() {
    let red = Authority::new("red");
    let (good, member) = (red.lane::<tcp::Connections>(), red.lane::<tcp::Connections>());
    let at = good.local_addr().unwrap();
    let mut silent = Vec::new();
    for _ in 0..4 * HANDSHAKES {
        silent.push(tokio::net::TcpStream::connect(at).await.unwrap());
    }
    let given_up = "handshake given up for another";
    let most = || count(&good, given_up) >= 3 * HANDSHAKES as u64;
    eventually(given_up, DEADLINE, PAUSE, most).await;
    for stranger in &silent {
        // Of those who were given up, the system knows that nobody reads any more.
        let _ = stranger.try_write(b"GET / HTTP/1.1\r\n\r\n");
    }
    member.send(at, b"let me in".to_vec()).unwrap();
    assert_eq!(received(&good).await.1, b"let me in");
    let failed = || count(&good, "handshake failed") > 0;
    eventually("nonsense is counted", DEADLINE, PAUSE, failed).await;
}
