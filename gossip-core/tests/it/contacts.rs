//! Peers by contact trace: the source itself, what spreads over it, generated traces, and traces in
//! text.

use core::marker::PhantomData;
use core::time::Duration;
use std::sync::Arc;

use gossip_core::random::Key;
use gossip_core::sampling::Fixed;
use gossip_core::sampling::contacts::{Contact, Contacts, Trace};
use gossip_core::sim::contact_text::{Columns, read, write};
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::{Latency, Link, Network, Trip};
use gossip_core::sim::mobility::{Communities, InRange, Law, earliest};
use gossip_core::sim::observe::neighbours;
use gossip_core::{
    Context, Layer, Nothing, PeerId, Peers, Protocol, Receipt, Refusal, Time, stack,
};
use proptest::prelude::*;

const HOP: Duration = Duration::from_millis(1);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Twenty nodes in two communities for an hour: pairs of one meet every 20 minutes or so for a
/// minute, others hardly ever.
fn model() -> Communities {
    Communities {
        nodes: 20,
        communities: 2,
        span: seconds(3_600),
        length: Law::Exponential(seconds(60)),
        within: Law::Power { shape: 0.5, least: seconds(60), most: seconds(7_200) },
        across: Some(Law::Exponential(seconds(40_000))),
    }
}

fn network() -> Network {
    Network::new(Latency::Constant(HOP))
}

/// At every time, between changes and at changes, each node knows exactly those in range by the
/// list of contacts, and `in_range` says the same.
#[test]
fn views_are_the_trace_at_every_time() {
    let seed = 3;
    let trace = Arc::new(model().trace(Key::new(seed)).unwrap());
    let own = Arc::clone(&trace);
    let make = move |me| Contacts::new(&own, me, |number| number);
    let mut sim = Simulation::new(20, make, network(), Config::seeded(seed)).unwrap();
    let changes = trace.contacts().iter().flat_map(|contact| [contact.start, contact.end]);
    let ticks = (0..3_700).step_by(7).map(|second| Time::ZERO + seconds(second));
    let mut times: Vec<Time> = changes.chain(ticks).collect();
    times.sort_unstable();
    let mut seen = 0;
    for at in times {
        sim.run_until(at);
        for (me, node) in sim.nodes() {
            let now = |contact: &&Contact| contact.start <= at && at < contact.end;
            let mine = |contact: &Contact| match (contact.a == me, contact.b == me) {
                (true, false) => Some(contact.b),
                (false, true) => Some(contact.a),
                _ => None,
            };
            let mut expected: Vec<u32> =
                trace.contacts().iter().filter(now).filter_map(mine).collect();
            expected.sort_unstable();
            let mut view = neighbours(node);
            view.sort_unstable();
            assert_eq!(view, expected, "node {me} at {at:?}, seed {seed}");
            let reached: Vec<u32> = (0..20).filter(|&to| trace.in_range(me, to, at)).collect();
            assert_eq!(reached, expected, "node {me} at {at:?}, seed {seed}");
            seen += view.len();
        }
    }
    assert!(seen > 1_000, "{seen} peers seen only");
}

/// Passes on what is new to whoever is in range, and to whoever comes into range later.
#[derive(Clone, Debug)]
struct Epidemic<I> {
    heard: Option<Time>,
    /// The version of the latest link over which it was sent.
    sent: u64,
    id: PhantomData<fn() -> I>,
}

impl<I> Epidemic<I> {
    const fn new() -> Self {
        Self { heard: None, sent: 0, id: PhantomData }
    }
}

impl<I: PeerId> Epidemic<I> {
    fn pass_on(&mut self, below: &impl Peers<Id = I>, cx: &mut impl Context<Self>) {
        if self.heard.is_none() {
            return;
        }
        let mut latest = self.sent;
        below.for_each(|peer, version| {
            if version >= self.sent {
                cx.send(peer, 1);
            }
            latest = latest.max(version + 1);
        });
        self.sent = latest;
    }
}

impl<I: PeerId> Protocol for Epidemic<I> {
    type Id = I;
    type Message = u8;
    type Event = Nothing;
    type Command = u8;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Epidemic<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, below: &D, _: I, _: u8, cx: &mut impl Context<Self>) {
        if self.heard.is_none() {
            self.heard = Some(cx.now());
            self.pass_on(below, cx);
        }
    }

    fn on_change(&mut self, below: &D, cx: &mut impl Context<Self>) {
        self.pass_on(below, cx);
    }

    fn on_command(
        &mut self,
        below: &D,
        _: u8,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.heard = Some(cx.now());
        self.pass_on(below, cx);
        Ok(Receipt::default())
    }
}

/// Pushes what it has heard to a peer in every round.
#[derive(Clone, Debug)]
struct Rumor<I> {
    heard: Option<Time>,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Rumor<I> {
    type Id = I;
    type Message = u8;
    type Event = Nothing;
    type Command = u8;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Rumor<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if self.heard.is_some()
            && let Some(peer) = below.sample(cx.rng())
        {
            cx.send(peer, 1);
        }
    }

    fn on_message(&mut self, _: &D, _: I, _: u8, cx: &mut impl Context<Self>) {
        self.heard.get_or_insert(cx.now());
    }

    fn on_command(
        &mut self,
        _: &D,
        _: u8,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.heard = Some(cx.now());
        Ok(Receipt::default())
    }
}

stack! {
    /// Both over contacts.
    #[derive(Clone, Debug)]
    struct Mobile<I: PeerId> {
        peers: Contacts<I>,
        #[uses(peers)]
        epidemic: Epidemic<I>,
        #[uses(peers)]
        rumor: Rumor<I>,
    }
}

stack! {
    /// An epidemic over links that stay: whoever is ever met, whenever that is.
    #[derive(Clone, Debug)]
    struct Timeless<I: PeerId> {
        peers: Fixed<I, 32>,
        #[uses(peers)]
        epidemic: Epidemic<I>,
    }
}

/// What may be asked of a [`Mobile`].
type Asked = <Mobile<u32> as Protocol>::Command;

/// A simulation of stacks made by `make`, in which node 0 has news at 600 s, after an hour.
fn spread<S, L: Link>(
    make: impl FnMut(u32) -> S + Send + 'static,
    link: L,
    seed: u64,
    publish: &[S::Command],
) -> Simulation<S, L>
where
    S: Layer<(), Id = u32>,
{
    let mut sim = Simulation::new(20, make, link, Config::seeded(seed)).unwrap();
    sim.run_until(BEGIN);
    for command in publish {
        let asked = sim.command(0, command.clone());
        assert!(asked.is_ok(), "{asked:?}");
    }
    sim.run_until(Time::ZERO + seconds(3_600));
    sim
}

const BEGIN: Time = Time::from_micros(600_000_000);

/// An epidemic reaches every node exactly when contacts let it, by an oracle that relaxes all
/// contacts until nothing changes; a rumor pushed once a second never sooner. The control is the
/// same epidemic over the graph of who ever meets whom: it is at all nodes at once.
#[test]
fn news_spreads_only_along_contacts() {
    let mut unreached = 0;
    for seed in 0..8 {
        // Of 100 pairs across, one meets in 4000 s: in some runs none does in time.
        let across = Some(Law::Exponential(seconds(400_000)));
        let trace = Communities { across, ..model() }.trace(Key::new(seed)).unwrap();
        let trace = Arc::new(trace);
        let oracle = relaxed(&trace, 0, BEGIN);
        assert_eq!(earliest(&trace, 0, BEGIN, HOP), oracle, "seed {seed}");

        let own = Arc::clone(&trace);
        let rumor = || Rumor { heard: None, id: PhantomData };
        let make = move |me| {
            Mobile::new(Contacts::new(&own, me, |number| number), Epidemic::new(), rumor())
        };
        let link = InRange::new(Arc::clone(&trace), network());
        let sim = spread(make, link, seed, &[Asked::epidemic(0), Asked::rumor(0)]);
        let end = Time::ZERO + seconds(3_600);
        for (at, node) in sim.nodes() {
            let first = oracle[at as usize].filter(|&first| first <= end);
            assert_eq!(node.epidemic.heard, first, "node {at}, seed {seed}");
            let sooner = node.rumor.heard.is_some_and(|heard| first.is_none_or(|at| heard < at));
            assert!(!sooner, "node {at}: rumor {:?}, seed {seed}", node.rumor.heard);
            unreached += usize::from(first.is_none());
        }

        let own = Arc::clone(&trace);
        let make = move |me| {
            let met = |&peer: &u32| {
                let pair = (peer.min(me), peer.max(me));
                own.contacts().iter().any(|contact| (contact.a, contact.b) == pair)
            };
            let peers = (0..20).filter(|peer| met(peer));
            Timeless::new(Fixed::new(peers), Epidemic::new())
        };
        let publish = [<Timeless<u32> as Protocol>::Command::epidemic(0)];
        let sim = spread(make, network(), seed, &publish);
        let times: Vec<_> = sim.nodes().map(|(_, node)| node.epidemic.heard).collect();
        assert_ne!(times, oracle, "control, seed {seed}");
    }
    assert!(unreached > 0, "every node was reached in every run");
}

/// Bellman and Ford's way, over plain contacts.
fn relaxed(trace: &Trace, origin: u32, from: Time) -> Vec<Option<Time>> {
    let mut found = vec![None; trace.nodes() as usize];
    found[origin as usize] = Some(from);
    loop {
        let before = found.clone();
        for contact in trace.contacts() {
            for (from, to) in [(contact.a, contact.b), (contact.b, contact.a)] {
                let Some(had) = found[from as usize] else { continue };
                let sent = had.max(contact.start);
                let known = found[to as usize].unwrap_or(Time::NEVER);
                if sent < contact.end && sent + HOP < known {
                    found[to as usize] = Some(sent + HOP);
                }
            }
        }
        if found == before {
            return found;
        }
    }
}

/// A link that reaches as far as the trace says loses all else.
#[test]
fn what_is_sent_out_of_range_is_lost() {
    let (start, end) = (Time::ZERO + seconds(10), Time::ZERO + seconds(20));
    let trace = Trace::new(2, [Contact { start, end, a: 0, b: 1 }]).unwrap();
    let mut link = InRange::new(Arc::new(trace), network());
    let mut random = Key::new(1).random(0);
    for (second, copies) in [(9, 0), (10, 1), (19, 1), (20, 0)] {
        let at = Time::ZERO + seconds(second);
        for (from, to) in [(0, 1), (1, 0)] {
            let trip = Trip { from, to, at, len: 1, opening: true };
            assert_eq!(link.carry(&trip, &mut random).len(), copies, "at {second} s");
        }
    }
}

/// Who comes into range again is a new link: its version moves.
#[test]
fn links_that_come_back_have_new_versions() {
    let contact = |start, end, b| Contact {
        start: Time::ZERO + seconds(start),
        end: Time::ZERO + seconds(end),
        a: 0,
        b,
    };
    let contacts = [contact(1, 20, 1), contact(2, 4, 2), contact(6, 9, 2)];
    let trace = Trace::new(3, contacts).unwrap();
    let make = move |me| Contacts::new(&trace, me, |number| number);
    let mut sim = Simulation::new(3, make, network(), Config::seeded(1)).unwrap();
    let mut links = Vec::new();
    for second in [3, 5, 7] {
        sim.run_until(Time::ZERO + seconds(second));
        let node = sim.node(0).unwrap();
        let mut now = Vec::new();
        node.for_each(|peer, version| now.push((peer, version)));
        links.push((now, node.version()));
    }
    assert_eq!(links[0], (vec![(1, 1), (2, 2)], 2));
    assert_eq!(links[1], (vec![(1, 1)], 3));
    assert_eq!(links[2], (vec![(1, 1), (2, 4)], 4));
}

/// Kolmogorov and Smirnov's distance of `values` from the law whose tail is `longer`, times the
/// root of their number: above 2.23 with p < 1e-4.
fn distance(mut values: Vec<f64>, longer: impl Fn(f64) -> f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let count = values.len() as f64;
    let gap = |(at, &value): (usize, &f64)| {
        let share = 1.0 - longer(value);
        (share - at as f64 / count).max((at + 1) as f64 / count - share)
    };
    values.iter().enumerate().map(gap).fold(0.0, f64::max) * count.sqrt()
}

/// The first gaps of all pairs, in seconds.
fn first_gaps(trace: &Trace) -> Vec<f64> {
    let mut gaps = Vec::new();
    let mut last = None;
    for contact in trace.contacts() {
        if last.replace((contact.a, contact.b)) != Some((contact.a, contact.b)) {
            gaps.push(contact.start.since(Time::ZERO).as_secs_f64());
        }
    }
    gaps
}

/// Gaps and lengths of a generated trace follow their laws: 11,175 pairs, their first gaps and
/// first lengths, in a span beyond the longest (or, for the exponential law, beyond e^-20). The
/// control is the exponential law of the same mean against the power law's gaps.
#[test]
fn gaps_and_lengths_follow_their_laws() {
    let seed = 7;
    let power = Law::Power { shape: 0.4, least: seconds(120), most: seconds(43_200) };
    let tail = |x| {
        let [drawn, least, most] = [x, 120.0, 43_200.0].map(|x| libm::pow(x, -0.4));
        (drawn - most) / (least - most)
    };
    let of = |within, length| {
        let (nodes, span) = (150, seconds(50_000));
        let model = Communities { nodes, communities: 1, span, length, within, across: None };
        model.trace(Key::new(seed)).unwrap()
    };
    let short = Law::Constant(seconds(10_000));
    let gaps = first_gaps(&of(power, short));
    assert_eq!(gaps.len(), 150 * 149 / 2);
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let far = distance(gaps.clone(), tail);
    assert!(far < 2.23, "distance {far} from the power law, seed {seed}");
    let far = distance(gaps, |x| libm::exp(-x / mean));
    assert!(far > 10.0, "control: distance {far} from the exponential law, seed {seed}");

    let trace = of(Law::Exponential(seconds(2_500)), Law::Exponential(seconds(300)));
    let far = distance(first_gaps(&trace), |x| libm::exp(-x / 2_500.0));
    assert!(far < 2.23, "distance {far} from the exponential law, seed {seed}");
    // Contacts that begin in the first tenth are not cut off by the end.
    let early =
        trace.contacts().iter().filter(|contact| contact.start < Time::ZERO + seconds(5_000));
    let lengths = early.map(|contact| contact.end.since(contact.start).as_secs_f64()).collect();
    let far = distance(lengths, |x| libm::exp(-x / 300.0));
    assert!(far < 2.23, "distance {far} of lengths, seed {seed}");
}

/// Pairs of a community meet by its law and others by theirs. Exponential gaps of 1000 s and 10,000
/// s and contacts of 100 s, 10^5 s: a renewal process has 10^5 / 1100 = 91 contacts a pair, or
/// 10^5 / 10,100 = 9.9; 380 and 400 pairs: standard errors below .5 and .16.
#[test]
fn communities_meet_more_often() {
    let seed = 11;
    let mut model = Communities {
        nodes: 40,
        communities: 2,
        span: seconds(100_000),
        length: Law::Constant(seconds(100)),
        within: Law::Exponential(seconds(1_000)),
        across: Some(Law::Exponential(seconds(10_000))),
    };
    let count = |model: &Communities| {
        let trace = model.trace(Key::new(seed)).unwrap();
        let together = |contact: &&Contact| contact.a / 20 == contact.b / 20;
        let within = trace.contacts().iter().filter(together).count();
        (within as f64 / 380.0, (trace.contacts().len() - within) as f64 / 400.0)
    };
    let (within, across) = count(&model);
    assert!((within - 90.9).abs() < 2.0, "{within} contacts within, seed {seed}");
    assert!((across - 9.9).abs() < 0.7, "{across} contacts across, seed {seed}");
    model.across = None;
    assert_eq!(count(&model), (within, 0.0), "seed {seed}");
}

#[test]
fn parameters_of_models_are_checked() {
    let power =
        |shape, least, most| Law::Power { shape, least: seconds(least), most: seconds(most) };
    let wrong = [
        Communities { nodes: 1, ..model() },
        Communities { nodes: 10_000, ..model() },
        Communities { communities: 0, ..model() },
        Communities { communities: 21, ..model() },
        Communities { span: seconds(1_000_000_001), ..model() },
        Communities { length: Law::Constant(Duration::ZERO), ..model() },
        Communities { within: Law::Exponential(Duration::ZERO), ..model() },
        Communities { within: power(0.0, 1, 2), ..model() },
        Communities { within: power(f64::NAN, 1, 2), ..model() },
        Communities { within: power(1.0, 2, 1), ..model() },
        Communities { within: power(1.0, 0, 1), ..model() },
        Communities { across: Some(power(1.0, 1, u64::MAX)), ..model() },
        // More contacts than are kept.
        Communities {
            span: seconds(1_000_000),
            length: Law::Constant(Duration::from_micros(1)),
            within: Law::Constant(Duration::from_micros(1)),
            ..model()
        },
    ];
    for model in wrong {
        assert!(model.trace(Key::new(1)).is_err(), "{model:?}");
    }
}

/// Every error names line and column of what is wrong.
#[test]
fn malformed_traces_are_errors_with_line_and_column() {
    use Columns::{NodesFirst, TimesFirst};
    for (columns, text, expected) in [
        (TimesFirst, "", "line 1, column 1: the text has no node"),
        (TimesFirst, "# no\n", "line 2, column 1: the text has no node"),
        (TimesFirst, "1 2", "line 1, column 4: a contact is two times and two names"),
        (TimesFirst, "\n1 2 a \n", "line 2, column 6: a contact is two times and two names"),
        (
            TimesFirst,
            "1 2 a b\n1 2 a b c",
            "line 2, column 9: a contact has no such word, at \"c\"",
        ),
        (TimesFirst, "1 2 a b 3", "line 1, column 9: a contact has no such word"),
        (TimesFirst, "a b 1 2", "line 1, column 1: a time is a number of seconds from 0 to 10^9"),
        (TimesFirst, "1 x a b", "line 1, column 3: a time is a number of seconds"),
        (TimesFirst, "-1 2 a b", "line 1, column 1: a time is a number of seconds"),
        (TimesFirst, "NaN 2 a b", "line 1, column 1: a time is a number of seconds"),
        (TimesFirst, "1 inf a b", "line 1, column 3: a time is a number of seconds"),
        (TimesFirst, "1 1e300 a b", "line 1, column 3: a time is a number of seconds"),
        (TimesFirst, "2 1 a b", "line 1, column 3: a contact does not end before it begins"),
        (TimesFirst, "\u{e4} \u{e4}\n", "line 1, column 4: a contact is two times"),
        (TimesFirst, "1 2  \u{e4} \u{e4}", "line 1, column 8: a contact is of two nodes"),
        (NodesFirst, "a b 1 2 3 4 5", "line 1, column 13: a contact has no such word, at \"5\""),
        (NodesFirst, "a b 1 2 x", "line 1, column 9: a contact has no such word"),
        (NodesFirst, "a b 2 1 1 1", "line 1, column 7: a contact does not end before it begins"),
        (NodesFirst, "a a 1 2", "line 1, column 3: a contact is of two nodes"),
    ] {
        let error = read(text, columns, Duration::ZERO).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{error}\nfor {text}\nexpected {expected}");
    }
}

/// Devices that look around every two minutes see some contacts once: no length, unless these
/// linger. Both ends' notes are one contact, and repeated ones, too.
#[test]
fn haggle_traces_are_read() {
    let text = "% ids, start, end, number, gap\n\
                1 2 100 100 1 0\n2 1 160 340 1 0\n1 2 340 400 2 240\n1 3 500 620\n";
    let named = read(text, Columns::NodesFirst, Duration::ZERO).unwrap();
    assert_eq!(named.names, ["1", "2", "3"]);
    let spans = |trace: &Trace| -> Vec<(u32, u64, u64)> {
        let second = |time: Time| time.as_micros() / 1_000_000;
        trace.contacts().iter().map(|c| (c.b, second(c.start), second(c.end))).collect()
    };
    assert_eq!(spans(&named.trace), [(1, 160, 400), (2, 500, 620)]);
    let named = read(text, Columns::NodesFirst, seconds(120)).unwrap();
    assert_eq!(spans(&named.trace), [(1, 100, 520), (2, 500, 740)]);
    assert_eq!(named.trace.end(), Time::ZERO + seconds(740));
}

proptest! {
    #[test]
    fn reading_what_was_written_gives_the_same_trace(seed: u64, nodes in 2_u32..30) {
        let trace = Communities { nodes, ..model() }.trace(Key::new(seed)).unwrap();
        let named = read(&write(&trace), Columns::TimesFirst, Duration::ZERO).unwrap();
        prop_assert_eq!(named.trace, trace);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([0-9a-c.e+# \\n-]|NaN|inf|\u{e4}|\\PC){0,80}") {
        for columns in [Columns::TimesFirst, Columns::NodesFirst] {
            if let Ok(named) = read(&text, columns, seconds(1)) {
                prop_assert!(named.trace.nodes() as usize <= text.len());
            }
        }
    }

    /// Contacts in any order, overlapping or not: those of a pair are apart afterwards, and in
    /// range is who is in range by any of them.
    #[test]
    fn contacts_of_a_pair_become_apart(
        raw in prop::collection::vec((0_u64..50, 0_u64..12, 0_u32..4, 1_u32..4), 0..40),
        at in 0_u64..70,
    ) {
        let contacts: Vec<Contact> = raw
            .iter()
            .map(|&(start, length, a, step)| Contact {
                start: Time::from_micros(start),
                end: Time::from_micros(start + length),
                a,
                b: (a + step) % 4,
            })
            .collect();
        let trace = Trace::new(4, contacts.iter().copied()).unwrap();
        let at = Time::from_micros(at);
        for (one, other) in [(0, 1), (3, 1), (2, 3)] {
            let met = |c: &Contact| {
                let pair = (c.a, c.b) == (one, other) || (c.b, c.a) == (one, other);
                pair && c.start <= at && at < c.end
            };
            prop_assert_eq!(trace.in_range(one, other, at), contacts.iter().any(met));
        }
        for two in trace.contacts().windows(2) {
            let pair = (two[0].a, two[0].b) == (two[1].a, two[1].b);
            prop_assert!(!pair || two[0].end < two[1].start);
        }
    }
}
