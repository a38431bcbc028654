//! What `Pairwise` promises, as scripts that read like protocol traces.

use gossip_core::sim::script::Player;
use gossip_core::testkit::check_golden;
use gossip_core::{
    Configured, Exchange, Local, Nothing, Pairwise, ParameterError, Protocol, Receipt, Refusal,
};

/// Halves the difference between two numbers; the least atomic exchange. Asks whom it was told to.
#[derive(Clone, Debug)]
struct Halve {
    value: i64,
    partner: Option<u32>,
    abandoned: u32,
    refused: u32,
}

impl Configured for Halve {
    type Config = i64;

    fn new(value: i64) -> Result<Self, ParameterError> {
        Ok(Self { value, partner: None, abandoned: 0, refused: 0 })
    }
}

impl Protocol for Halve {
    type Id = u32;
    type Message = i64;
    type Event = Nothing;
    type Command = u32;
}

impl Exchange for Halve {
    const ATOMIC: bool = true;

    fn initiate(&mut self, (): &(), _: &mut impl Local<Self>) -> Option<(u32, i64)> {
        Some((self.partner.take()?, self.value))
    }

    fn respond(&mut self, (): &(), _: u32, asked: i64, _: &mut impl Local<Self>) -> Option<i64> {
        let before = self.value;
        self.value = before.midpoint(asked);
        Some(before)
    }

    fn complete(&mut self, (): &(), _: u32, reply: i64, _: &mut impl Local<Self>) {
        self.value = self.value.midpoint(reply);
    }

    fn refused(&mut self, (): &(), _: u32, _: &mut impl Local<Self>) {
        self.refused += 1;
    }

    fn abandon(&mut self, (): &(), _: u32, _: &mut impl Local<Self>) {
        self.abandoned += 1;
    }

    /// Ask this peer in the next round.
    fn on_command(
        &mut self,
        (): &(),
        partner: u32,
        _: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        self.partner = Some(partner);
        Ok(Receipt::default())
    }
}

fn play(script: &str) {
    let make = |node| Pairwise::<Halve>::new(i64::from(node) * 100).expect("no parameters");
    let show = |node: &Pairwise<Halve>| {
        let Halve { value, abandoned, refused, .. } = **node;
        format!("value {value}, abandoned {abandoned}, refused {refused}")
    };
    let read = |text: &str| text.strip_prefix("ask ")?.parse().ok();
    let player = Player::new(make, show)
        .commands(move |text| read(text).ok_or_else(|| format!("`{text}`: write `ask NODE`")));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts/");
    check_golden(format!("{path}{script}.txt"), &player);
}

#[test]
fn an_exchange_conserves() {
    play("exchange");
}

#[test]
fn a_lost_request_changes_nothing_and_a_lost_reply_half() {
    play("loss");
}

#[test]
fn a_late_reply_is_stale() {
    play("late");
}

#[test]
fn a_busy_partner_refuses_explicitly() {
    play("busy");
}

#[test]
fn a_doubled_request_is_answered_once() {
    play("doubled");
}

#[test]
fn a_restarted_node_takes_no_old_reply() {
    play("restarted");
}
