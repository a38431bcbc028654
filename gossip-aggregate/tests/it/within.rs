//! Declared bounds, checked at the receiver: of each protocol, what one liar can do with them and
//! without; and that NaN and infinities are not even decoded.

use gossip_aggregate::extrema::Draws;
use gossip_aggregate::flow_updating::{self, Config as Flows};
use gossip_aggregate::hyperloglog::Census;
use gossip_aggregate::merge::{Greatest, Own, Source};
use gossip_aggregate::push_pull::Function;
use gossip_aggregate::push_sum::{Linear, Share};
use gossip_aggregate::within::Ranged;
use gossip_aggregate::{
    Draw, Extrema, Extreme, FlowUpdating, Leaders, LiMoSense, Mean, Merge, PowerMean, PushFlow,
    PushPull, PushSum, Quantile, Registers, Spread, Top, Total, Variance, Within, epoch, limosense,
    push_flow, push_pull, push_sum,
};
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Network;
use gossip_core::sim::{Neighbourhood, topology};
use gossip_core::{Finite, Layer, Wire};

const NODES: u32 = 60;

/// What the liar claims, and the bounds that it sets itself.
const LIE: f64 = 1e6;
const WIDE: (f64, f64) = (-1e12, 1e12);

/// Uniform from .25 to .75; the bounds that the honest declare are 0 and 1.
fn input(at: u32) -> f64 {
    if at == 0 { LIE } else { 0.25 + 0.5 * Key::new(4).random(at.into()).unit() }
}

/// The bounds of a node: the liar's are wide, and so are all where none are declared.
fn bounds(at: u32, declared: bool) -> (f64, f64) {
    if declared && at > 0 { (0.0, 1.0) } else { WIDE }
}

fn endless<F>(function: F) -> epoch::Config<F> {
    epoch::Config::founding(function).endless()
}

/// From where to where the honest are after 60 rounds over a random graph of degree 6 with 10 % of
/// messages lost, and how much was refused.
fn honest<S: Layer<Neighbourhood, Id = u32>>(
    node: impl Fn(u32) -> S,
    said: impl Fn(&S) -> Option<f64>,
) -> ((f64, f64), u64) {
    let graph = topology::random_regular(NODES, 6, Key::new(1)).expect("a graph");
    let (world, link) = (Neighbourhood::new(graph), Network::default().loss(0.1).unwrap());
    let mut sim = Simulation::with((0..NODES).map(node), 1, Order::Sequential, world, link);
    sim.run(60);
    let all = sim.nodes().filter(|(at, _)| *at > 0).filter_map(|(_, node)| said(node));
    let range = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), said| {
        (said.min(least), said.max(most))
    });
    let causes = ["unsound state", "unsound share", "out of bounds", "not believed"];
    (range, causes.iter().map(|cause| sim.counts().total(cause)).sum())
}

/// With bounds the honest stay within `allowed`, and what the liar says was refused; without them,
/// the control, they do not.
fn check<S: Layer<Neighbourhood, Id = u32>>(
    name: &str,
    allowed: (f64, f64),
    node: impl Fn(u32, bool) -> S,
    said: impl Fn(&S) -> Option<f64>,
) {
    let ((least, most), refused) = honest(|at| node(at, true), &said);
    assert!(allowed.0 <= least && most <= allowed.1, "{name}: {least} to {most}");
    assert!(refused > 0, "{name}: nothing was refused");
    let ((_, most), _) = honest(|at| node(at, false), &said);
    assert!(most > allowed.1, "{name}, the control: {most} at most");
}

fn within<T: Ranged>(inner: T, at: u32, declared: bool) -> Within<T> {
    let (least, greatest) = bounds(at, declared);
    Within::new(inner, least, greatest).unwrap()
}

fn pulled<F>(name: &str, allowed: (f64, f64), function: impl Fn(f64) -> F)
where
    F: Function + Ranged<Value = <F as Function>::State>,
{
    let node = |at, declared| {
        let function = within(function(input(at)), at, declared);
        PushPull::<u32, _>::new(endless(function)).unwrap()
    };
    check(name, allowed, node, |node| node.running_estimate());
}

fn pushed<F>(name: &str, allowed: (f64, f64), function: impl Fn(f64) -> F)
where
    F: Linear + Ranged<Value = <F as Function>::State>,
{
    let node = |at, declared| {
        let function = within(function(input(at)), at, declared);
        PushSum::<u32, _>::new(push_sum::Config::new(endless(function))).unwrap()
    };
    check(name, allowed, node, |node| node.running_estimate());
}

fn spread<S>(
    name: &str,
    most: f64,
    source: impl Fn(u32) -> S,
    read: impl Fn(&<S as Source>::Value) -> f64,
) where
    S: Source + Ranged<Value = <S as Source>::Value>,
{
    let node = |at: u32, declared: bool| {
        let (least, greatest) = if declared && at > 0 { (0.0, most) } else { WIDE };
        let within = Within::new(source(at), least, greatest).unwrap();
        Spread::<u32, _>::new(endless(within)).unwrap()
    };
    // What is measured may be off by four of its sd where it is an estimate: see `Ranged`.
    check(name, (0.0, 2.0 * most), node, |node| node.value().map(&read));
}

/// Means of inputs of .25 to .75 stay within 0 and 1, whatever one of 60 says.
#[test]
fn bounds_keep_a_liar_out_of_push_pull() {
    let all = (0.0, 1.0);
    pulled("mean", all, |x| Mean::of(x).unwrap());
    pulled("quadratic mean", all, |x| PowerMean::of(x, 2.0).unwrap());
    pulled("greatest", all, |x| Extreme::greatest(x).unwrap());
    pulled("variance", (0.0, 0.25), |x| Variance::of(x).unwrap());
    pulled("random element", all, |x| Draw::weighted(x, if x == LIE { 1e3 } else { 1.0 }).unwrap());
    // A sum of 60 that are at most 1; one count is off by what lost replies make of it.
    pulled("sum", (0.0, 600.0), |x| Total::sum(x, Leaders::<24>::default()).unwrap());
}

#[test]
fn bounds_keep_a_liar_out_of_push_sum() {
    let all = (0.0, 1.0);
    pushed("mean", all, |x| Mean::of(x).unwrap());
    pushed("quadratic mean", all, |x| PowerMean::of(x, 2.0).unwrap());
    pushed("random element", all, |x| Draw::weighted(x, if x == LIE { 1e3 } else { 1.0 }).unwrap());
    pushed("sum", (0.0, 600.0), |x| Total::sum(x, Leaders::<24>::default()).unwrap());
}

#[test]
fn bounds_keep_a_liar_out_of_flows() {
    let config = |at, declared| {
        let (least, greatest) = bounds(at, declared);
        Flows::of(input(at)).within(least, greatest).unwrap()
    };
    let all = (0.0, 1.0);
    let updating = |at, declared| FlowUpdating::<u32>::new(config(at, declared)).unwrap();
    check("Flow Updating", all, updating, |node| Some(node.estimate()));
    let limosense = |at, declared| LiMoSense::<u32>::new(config(at, declared)).unwrap();
    check("LiMoSense", all, limosense, LiMoSense::estimate);
    let push_flow = |at, declared| PushFlow::<u32>::new(config(at, declared)).unwrap();
    check("Push-Flow", all, push_flow, PushFlow::estimate);
}

#[test]
fn bounds_keep_a_liar_out_of_what_spreads() {
    let finite = |at| Finite::new(input(at)).unwrap();
    spread("greatest", 1.0, |at| Own(Greatest(finite(at))), |most| most.0.get());
    let top = |at| Own(Top::<u32, Finite, 3>::of(at, finite(at)));
    spread("top 3", 1.0, top, |top| top.ranking()[0].0.get());
    // 60 nodes weigh 30 together, and at most 60.
    spread("extrema", 60.0, |at| Draws::<100>::of(input(at)).unwrap(), Extrema::sum);
}

/// Registers that all bear the highest place: of 2^60 nodes where there are at most 1,000.
#[test]
fn a_census_within_bounds_believes_no_more_nodes_than_there_can_be() {
    let census = Within::new(Census::<64>::default(), 1.0, 1_000.0).unwrap();
    let mut known = Registers::<64>::new();
    known.insert(&7_u32);
    let mut lie = Registers::decode_all(&[&[64][..], &[59; 64]].concat()).unwrap();
    assert!(lie.is_sound() && lie.count() > 1e15);
    assert_eq!((census.admit(0, &known, &mut lie), &lie), (1, &known));
    let mut honest = Registers::new();
    (0..1_000_u32).for_each(|node| honest.insert(&node));
    let before = honest.clone();
    assert_eq!((census.admit(0, &known, &mut honest), honest), (0, before));
}

/// Bounds that every honest input keeps cost nothing: flows with them come out as exact as without
/// (`flows.rs` has the rounds), with six messages of ten lost, though some of what overshoots is
/// refused.
#[test]
fn bounds_leave_flows_exact() {
    fn off<S: Layer<Neighbourhood, Id = u32>>(
        node: impl Fn(Flows) -> S,
        said: fn(&S) -> f64,
    ) -> f64 {
        let graph = topology::random_regular(NODES, 6, Key::new(2)).expect("a graph");
        let (world, link) = (Neighbourhood::new(graph), Network::default().loss(0.6).unwrap());
        // Half of all inputs at either end of the bounds.
        let nodes =
            (0..NODES).map(|at| node(Flows::of(f64::from(at % 2)).within(0.0, 1.0).unwrap()));
        let mut sim = Simulation::with(nodes, 3, Order::Sequential, world, link);
        sim.run(1_610);
        sim.nodes().map(|(_, node)| (said(node) - 0.5).abs()).fold(0.0, f64::max)
    }
    let updating = off(|config| FlowUpdating::<u32>::new(config).unwrap(), FlowUpdating::estimate);
    assert!(updating < 1e-6, "Flow Updating: {updating}");
    let limosense =
        off(|config| LiMoSense::<u32>::new(config).unwrap(), |node| node.estimate().unwrap_or(0.5));
    assert!(limosense < 1e-6, "LiMoSense: {limosense}");
    let push_flow =
        off(|config| PushFlow::<u32>::new(config).unwrap(), |node| node.estimate().unwrap_or(0.5));
    assert!(push_flow < 1e-6, "Push-Flow: {push_flow}");
}

/// What a node sets itself is held to the bounds, too.
#[test]
fn inputs_out_of_bounds_are_not_taken() {
    let set = |x| gossip_aggregate::mean::Set(Finite::new(x).unwrap());
    let mut mean = Within::new(Mean::of(0.5).unwrap(), 0.0, 1.0).unwrap();
    assert!(Function::set(&mut mean, set(1.5)).is_err());
    assert!(Function::set(&mut mean, set(0.9)).is_ok());
    let most = |x| Greatest(Finite::new(x).unwrap());
    let mut greatest = Within::new(Own(most(0.5)), 0.0, 1.0).unwrap();
    assert!(Source::set(&mut greatest, most(-0.5)).is_err());
    assert!(Within::new(Variance::of(2.0).unwrap(), 0.0, 1.0).is_err());
    assert!(Within::new(Quantile::of(0.5, 0.5).unwrap(), 0.0, f64::NAN).is_err());
    assert!(FlowUpdating::<u32>::new(Flows::of(2.0).within(0.0, 1.0).unwrap()).is_err());
}

/// A mean of .5 that comes with the variance of inputs at 0 and 1 is the most; a quantile's search
/// cannot be at a place where no input is.
#[test]
fn states_that_bounds_exclude_are_unsound() {
    let finite = |x| Finite::new(x).unwrap();
    let variance = Within::new(Variance::of(0.5).unwrap(), 0.0, 1.0).unwrap();
    let sound = |mean, variance_of| {
        let (mean, of) = (finite(mean), finite(variance_of));
        variance.is_sound(&gossip_aggregate::means::Moments { mean, variance: of })
    };
    assert!(sound(0.5, 0.25) && sound(0.0, 0.0) && !sound(0.5, 0.26) && !sound(0.1, 0.25));
    assert!(!sound(0.5, -0.1) && !sound(1.5, 0.0));
    let quantile = Within::new(Quantile::of(0.5, 0.5).unwrap(), 0.0, 1.0).unwrap();
    let place = |pivot| gossip_aggregate::quantile::Place { pivot, ..Default::default() };
    let step = |pivot| gossip_aggregate::quantile::Step {
        place: place(pivot),
        below: finite(0.5),
        left: None,
        right: None,
    };
    assert!(quantile.is_sound(&step(Some(finite(0.3)))));
    assert!(!quantile.is_sound(&step(Some(finite(3.0)))));
}

/// A number that no message here holds by chance.
const MARK: f64 = 12_345.678;

/// With NaN or an infinity in place of any number it holds, a message is not decoded.
fn refuses<M: Wire>(message: &M) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    let mark = MARK.to_le_bytes();
    let places = (0..bytes.len() - 7).filter(|&at| bytes[at..at + 8] == mark);
    let places: Vec<usize> = places.collect();
    assert!(!places.is_empty(), "{message:?} holds no number");
    for at in places {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut spoilt = bytes.clone();
            spoilt[at..at + 8].copy_from_slice(&bad.to_le_bytes());
            assert!(M::decode_all(&spoilt).is_err(), "{message:?} with {bad} at {at}");
        }
    }
}

#[test]
fn nan_and_infinities_are_not_decoded() {
    let mark = Finite::new(MARK).unwrap();
    refuses(&push_pull::Message { epoch: 1, state: Some(mark) });
    let moments = gossip_aggregate::means::Moments { mean: mark, variance: mark };
    refuses(&push_pull::Message { epoch: 1, state: Some(moments) });
    let drawn = gossip_aggregate::draw::Drawn { mass: mark, element: mark, coin: 1 };
    refuses(&push_sum::Message::Give(1, 1, Share { sum: drawn, weight: mark }));
    refuses(&push_sum::Message::Give(1, 1, Share { sum: mark, weight: mark }));
    refuses(&flow_updating::Message { flow: mark, estimate: mark });
    refuses(&limosense::Message { link: 1, sum: mark, weight: mark, asks: false });
    refuses(&push_flow::Message { ours: 1, theirs: 1, turn: 1, sum: mark, weight: mark });
    refuses(&Greatest(mark));
    refuses(&Top::<u32, Finite, 3>::of(1, mark));
}
