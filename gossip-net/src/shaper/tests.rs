//! Virtual time: what is offered when, and what goes when.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::packet::{ClusterId, Header};
use gossip_core::stack::tag;
use proptest::prelude::*;

use super::*;
use crate::{LayerLimits, Rate};

const LONGEST: usize = 1_200;
const LAYERS: [&str; 3] = ["members", "news", "bulk"];

fn peer(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 7).into()
}

fn at(millis: u64) -> Time {
    Time::from_micros(millis * 1_000)
}

/// A datagram with a frame of `len` bytes for each layer.
fn datagram(to: u8, frames: &[(&str, usize)]) -> Datagram<SocketAddr> {
    let mut bytes = Vec::new();
    Header { cluster: ClusterId::named("test"), shape: 7 }.write(&mut bytes);
    for &(layer, len) in frames {
        assert!((4..128 + 4).contains(&len), "a length of one byte");
        bytes.extend_from_slice(&tag(layer).to_le_bytes());
        bytes.push(len as u8 - 3);
        bytes.resize(bytes.len() + len - 3, 7);
    }
    Datagram { to: peer(to), bytes, frames: frames.len() as u32 }
}

/// Bytes by layer, in the frames of these datagrams.
fn by_layer(datagrams: &[Datagram<SocketAddr>]) -> BTreeMap<&'static str, usize> {
    let mut sums = BTreeMap::new();
    for datagram in datagrams {
        let mut rest = &datagram.bytes[HEADER..];
        while !rest.is_empty() {
            let before = rest.len();
            let (found, _) = open_frame(&mut rest).expect("frames stay whole");
            let name = LAYERS.into_iter().find(|name| tag(name) == found).expect("a layer");
            *sums.entry(name).or_default() += before - rest.len();
        }
    }
    sums
}

/// A shaper and what has gone through it.
struct Run {
    shaper: Shaper,
    counts: Counts,
    went: Vec<(Time, Datagram<SocketAddr>)>,
}

impl Run {
    fn new(limits: &Limits) -> Self {
        limits.check().unwrap();
        let shaper = Shaper::new(limits, LONGEST);
        Self { shaper, counts: Counts::default(), went: Vec::new() }
    }

    fn offer(&mut self, now: Time, mut datagrams: Vec<Datagram<SocketAddr>>) {
        self.shaper.shape(now, &mut datagrams, &mut self.counts);
        self.went.extend(datagrams.into_iter().map(|datagram| (now, datagram)));
    }

    /// Lets time pass to `until`, by the shaper's own deadlines.
    fn pass(&mut self, until: Time) {
        while self.shaper.wake_at() <= until {
            let now = self.shaper.wake_at();
            self.offer(now, Vec::new());
            assert!(self.shaper.wake_at() > now, "a deadline moves on");
        }
    }

    fn datagrams(&self) -> Vec<Datagram<SocketAddr>> {
        self.went.iter().map(|(_, datagram)| datagram.clone()).collect()
    }
}

fn kilobyte() -> Limits {
    Limits::default().send(Rate::default().bytes(1_000)).age(Duration::from_secs(3_600))
}

/// Three layers pour ten times what is allowed, for ten seconds.
fn pour(limits: &Limits, layers: &[&str]) -> Run {
    let mut run = Run::new(limits);
    for step in 0..1_000 {
        let frames: Vec<_> = layers.iter().map(|layer| (*layer, 40)).collect();
        run.offer(at(step * 10), vec![datagram((step % 5) as u8 + 1, &frames)]);
        run.pass(at(step * 10 + 9));
    }
    run
}

/// No more goes than the cap in bytes and the cap in datagrams say, a burst and a datagram more.
#[test]
fn caps_of_all_are_hard() {
    let bytes = Limits::default().send(Rate::default().bytes(2_000));
    let went = pour(&bytes, &LAYERS).datagrams();
    let sum: usize = went.iter().map(|datagram| datagram.bytes.len()).sum();
    assert!((19_000..=20_200 + LONGEST).contains(&sum), "{sum} bytes in ten seconds");
    let datagrams = Limits::default().send(Rate::default().datagrams(10));
    let went = pour(&datagrams, &LAYERS).datagrams().len();
    assert!((99..=102).contains(&went), "{went} datagrams in ten seconds");
    let free = pour(&Limits::default(), &LAYERS).datagrams();
    assert_eq!(free.len(), 1_000, "control: nothing is held without a cap");
}

/// A peer's cap holds up what goes to it, and nobody else's.
#[test]
fn a_peer_over_its_cap_holds_up_nobody_else() {
    let limits = Limits::default().peer_send(Rate::default().bytes(1_000));
    let mut run = Run::new(&limits);
    for step in 0..1_000 {
        let mut datagrams = vec![datagram(1, &[("bulk", 100)]); 3];
        datagrams.extend((step % 20 == 0).then(|| datagram(2, &[("news", 40)])));
        run.offer(at(step * 10), datagrams);
        run.pass(at(step * 10 + 9));
    }
    let to = |number| run.went.iter().filter(move |(_, datagram)| datagram.to == peer(number));
    let sum: usize = to(1).map(|(_, datagram)| datagram.bytes.len()).sum();
    assert!((9_000..=10_100 + LONGEST).contains(&sum), "{sum} bytes to the first");
    assert_eq!(to(2).count(), 50, "all to the second");
    assert!(to(2).all(|(when, _)| when.as_micros() % 200_000 == 0), "and at once");
    assert!(run.counts.total("shed: waited too long to be sent") > 1_000);
}

/// Layers that want more than there is have equal shares, or as their weights say; one that wants
/// little has all it wants. Without lines (the control) the greedy one has nearly all.
#[test]
fn no_layer_starves_another() {
    let lines = |weight| {
        let limits = kilobyte().queue(20_000).layer(LayerLimits::named("news").weight(weight));
        limits.layer(LayerLimits::named("bulk")).layer(LayerLimits::named("members"))
    };
    for weight in [1, 3] {
        let sums = by_layer(&pour(&lines(weight), &["news", "bulk"]).datagrams());
        let apart = (sums["news"] / weight as usize).abs_diff(sums["bulk"]);
        // One share and two frames: the bound of Shreedhar and Varghese, corollary 1.
        assert!(apart <= LONGEST + 2 * 40, "{sums:?} for weight {weight}");
    }
    let greedy = |limits: &Limits| {
        let mut run = Run::new(limits);
        for step in 0..1_000 {
            let mut datagrams = vec![datagram(1, &[("bulk", 100)]); 5];
            datagrams.extend((step % 20 == 0).then(|| datagram(2, &[("members", 40)])));
            run.offer(at(step * 10), datagrams);
            run.pass(at(step * 10 + 9));
        }
        by_layer(&run.datagrams()).get("members").copied().unwrap_or_default()
    };
    let all = 50 * 40;
    assert!(greedy(&lines(1)) >= all - 2 * 40 * 20, "but for what still waits");
    assert!(greedy(&kilobyte().queue(20_000)) < all / 4, "control");
}

/// Frames of control go first, however much else waits.
#[test]
fn control_goes_before_bulk() {
    let limits = kilobyte().layer(LayerLimits::named("members").control());
    let mut run = Run::new(&limits.layer(LayerLimits::named("bulk")));
    run.offer(at(0), vec![datagram(1, &[("bulk", 100)]); 100]);
    run.offer(at(1), vec![datagram(2, &[("members", 40)])]);
    run.pass(at(3_000));
    let first = run.went.iter().position(|(_, datagram)| datagram.to == peer(2));
    let before = run.went.iter().take(first.unwrap()).filter(|(when, _)| *when > at(1)).count();
    assert_eq!(before, 0, "nothing else went since it was said");
}

/// What waits is bounded in bytes and in age; the oldest give way, and are counted by layer.
#[test]
fn what_waits_is_bounded() {
    let limits = Limits::default().send(Rate::default().bytes(1)).queue(1_200);
    let mut run = Run::new(&limits.layer(LayerLimits::named("bulk")));
    run.offer(at(0), vec![datagram(1, &[("bulk", 100)]); 100]);
    let held: usize = run.shaper.lines.iter().map(|line| line.bytes).sum();
    assert_eq!(held, 1_200);
    let shed = |run: &Run, cause| run.counts.get("bulk", cause);
    assert_eq!(shed(&run, "shed: too much waits to be sent"), 100 - 1 - 12);
    run.pass(at(1_000));
    assert_eq!(shed(&run, "shed: waited too long to be sent"), 12);
    assert!(run.shaper.is_empty() && run.shaper.wake_at() == Time::NEVER);
}

/// What leaves together shares datagrams, up to the longest.
#[test]
fn frames_that_waited_share_datagrams() {
    let mut run =
        Run::new(&kilobyte().layer(LayerLimits::named("bulk")).burst(Duration::from_secs(2)));
    run.offer(at(0), vec![datagram(1, &[("news", 100)]); 30]);
    let now = run.went.len();
    run.offer(at(1_500), Vec::new());
    let later = &run.went[now..];
    assert!(later.iter().all(|(_, datagram)| datagram.bytes.len() <= LONGEST));
    let frames: u32 = later.iter().map(|(_, datagram)| datagram.frames).sum();
    assert!(frames >= 11 && later.len() <= 2, "{frames} frames in {} datagrams", later.len());
}

/// What the driver says has a header of its own, and no frames: it goes or is shed, and is never
/// taken apart, nor lends its header to others.
#[test]
fn what_the_driver_says_does_not_wait() {
    let mut run = Run::new(&kilobyte().layer(LayerLimits::named("bulk")));
    let own = Datagram { frames: 0, bytes: vec![0xff; 30], ..datagram(1, &[]) };
    run.offer(at(0), vec![own.clone()]);
    assert_eq!(run.datagrams(), std::slice::from_ref(&own));
    run.offer(at(1), vec![datagram(1, &[("bulk", 100)]); 5]);
    run.offer(at(2), vec![own]);
    assert_eq!(run.counts.get("driver", "shed: above the rate"), 1);
    run.pass(at(3_000));
    assert_eq!(by_layer(&run.datagrams()[1..])["bulk"], 500);
    assert!(run.datagrams()[1..].iter().all(|datagram| datagram.bytes[0] == 0x67));
}

proptest! {
    /// Whatever is offered: each frame goes, waits, or is counted as shed; none is cut or doubled.
    #[test]
    fn frames_are_conserved(
        offers in proptest::collection::vec(
            (0_u64..300, 1_u8..4, 0_usize..3, 4_usize..120),
            1..150,
        ),
        rate in 50_u64..5_000,
    ) {
        let limits = Limits::default()
            .send(Rate::default().bytes(rate))
            .peer_send(Rate::default().bytes(rate / 2 + 1))
            .queue(1_500)
            .layer(LayerLimits::named("news").send(Rate::default().bytes(rate / 2 + 1)))
            .layer(LayerLimits::named("members").control());
        let (mut run, mut now, offered) = (Run::new(&limits), 0, offers.len());
        for (pause, to, layer, len) in offers {
            now += pause;
            run.pass(at(now));
            run.offer(at(now), vec![datagram(to, &[(LAYERS[layer], len)])]);
        }
        by_layer(&run.datagrams());
        let went: u32 = run.went.iter().map(|(_, datagram)| datagram.frames).sum();
        let held: usize = run.shaper.lines.iter().map(|line| line.held.len()).sum();
        let shed: u64 = run.counts.iter().map(|(_, _, count)| count).sum();
        prop_assert_eq!(u64::from(went) + held as u64 + shed, offered as u64);
    }
}

/// A peer that floods loses what is above its own rate, and takes nothing from the others.
#[test]
fn a_flood_takes_nothing_from_others() {
    let limits = Limits::default()
        .receive(Rate::default().datagrams(100))
        .peer_receive(Rate::default().datagrams(20));
    let run = |limits: &Limits| {
        let mut gate = Gate::new(limits);
        let (mut flood, mut calm) = (0, 0);
        for step in 0..10_000 {
            flood += u32::from(gate.admit(at(step), peer(1), 500).is_ok());
            if step % 100 == 0 {
                calm += u32::from(gate.admit(at(step), peer(2), 500).is_ok());
            }
        }
        (flood, calm)
    };
    let (flood, calm) = run(&limits);
    assert!((200..=203).contains(&flood), "{flood}");
    assert_eq!(calm, 100);
    let (_, starved) = run(&limits.peer_receive(Rate::default()));
    assert!(starved < 50, "control: {starved} of 100 without a cap for each peer");
}

/// Frames of a layer above its rate are cut out; the others of the datagram come.
#[test]
fn a_layer_over_its_rate_is_cut_out() {
    let news = LayerLimits::named("news").receive(Rate::default().bytes(400));
    let mut gate = Gate::new(&Limits::default().layer(news));
    let mut counts = Counts::default();
    let mut came = Vec::new();
    for step in 0..1_000 {
        let whole = datagram(1, &[("members", 10), ("news", 40), ("bulk", 20)]);
        let cut = gate.cut(at(step * 10), &whole.bytes, &mut counts);
        came.push(Datagram { bytes: cut.unwrap_or(whole.bytes), ..whole });
    }
    let sums = by_layer(&came);
    assert_eq!((sums["members"], sums["bulk"]), (10_000, 20_000));
    assert!((4_000..=4_080).contains(&sums["news"]), "{sums:?}");
    assert_eq!(
        counts.get("news", "frame above its layer's rate"),
        1_000 - sums["news"] as u64 / 40
    );
}
