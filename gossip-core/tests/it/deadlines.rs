//! The event driver wakes nodes when they want to be woken, whatever they wanted before.

use std::time::Duration;

use gossip_core::random::Key;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::{Context, Layer, Nothing, Protocol, Receipt, Refusal, Time};

/// An alarm clock: it rings once at the time it is set to, unless that is changed before.
#[derive(Debug)]
struct Alarm {
    at: Time,
    rang: Vec<Time>,
}

impl Protocol for Alarm {
    type Id = u32;
    type Message = Nothing;
    type Event = Nothing;
    /// When to ring, in microseconds; 0: not at all.
    type Command = u64;

    fn wake_at(&self) -> Time {
        self.at
    }
}

impl<D: ?Sized> Layer<D> for Alarm {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, _: &D, _: u32, never: Nothing, _: &mut impl Context<Self>) {
        match never {}
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        if self.at <= cx.now() {
            self.rang.push(cx.now());
            self.at = Time::NEVER;
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        micros: u64,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.at = if micros == 0 { Time::NEVER } else { Time::from_micros(micros) };
        Ok(Receipt::default())
    }
}

/// 20 clocks are set, set anew and stopped 5,000 times: each rings when it should, and at no other
/// time. A deadline that is given up, passed over, and wanted again later once was lost for ever.
#[test]
fn nodes_are_woken_when_they_want_to_be_whatever_they_wanted_before() {
    let (clocks, seed) = (20, 7);
    let mut random = Key::new(seed).random(0);
    let quiet = Config { tick: Duration::from_secs(3_600), ..Config::seeded(seed) };
    let make = |_| Alarm { at: Time::NEVER, rang: Vec::new() };
    let mut sim = Simulation::new(clocks, make, Perfect, quiet).unwrap();
    let mut set = vec![Time::NEVER; clocks as usize];
    let mut due = vec![Vec::new(); clocks as usize];
    for _ in 0..5_000 {
        sim.run_for(Duration::from_millis(random.below(30) as u64));
        for (set, due) in set.iter_mut().zip(&mut due).filter(|(set, _)| **set <= sim.now()) {
            due.push(*set);
            *set = Time::NEVER;
        }
        let clock = random.below(clocks as usize);
        let after = Duration::from_millis(1 + random.below(2_000) as u64);
        let at = sim.now() + after;
        let stops = random.chance(0.4);
        set[clock] = if stops { Time::NEVER } else { at };
        sim.command(clock as u32, if stops { 0 } else { at.as_micros() }).unwrap();
    }
    for (clock, due) in due.iter().enumerate() {
        let rang = &sim.node(clock as u32).unwrap().rang;
        assert_eq!(rang, due, "clock {clock}; seed {seed}");
        assert!(due.len() > 10, "clock {clock} rang {} times; seed {seed}", due.len());
    }
}
