//! The queue of the event driver is a heap ordered by time and number, whatever is done with it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gossip_core::Time;
use gossip_core::random::Key;
use gossip_core::sim::Agenda;
use proptest::prelude::*;

/// What a heap does, with the number of the push to break ties, and a time that never goes back.
#[derive(Default)]
struct Reference {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    now: u64,
    pushed: u32,
}

impl Reference {
    fn push(&mut self, at: u64) -> u32 {
        self.pushed += 1;
        self.heap.push(Reverse((at.max(self.now), self.pushed)));
        self.pushed
    }

    fn pop(&mut self) -> Option<(Time, u32)> {
        let Reverse((at, number)) = self.heap.pop()?;
        self.now = at;
        Some((Time::from_micros(at), number))
    }

    fn pop_until(&mut self, end: u64) -> Option<(Time, u32)> {
        if self.heap.peek().is_some_and(|due| due.0.0 <= end) {
            return self.pop();
        }
        self.now = self.now.max(end);
        None
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// At this time.
    Push(u64),
    /// So long after the time of the last thing popped.
    After(u64),
    Pop,
    /// All that is due in so long.
    Until(u64),
}

fn any_span() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..4,
        4 => 0_u64..2_000,
        4 => 0_u64..2_000_000,
        // Around every boundary of a digit.
        2 => (0_u32..64, 0_u64..3).prop_map(|(bit, off)| (1_u64 << bit).wrapping_add(off) - 1),
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => any_span().prop_map(Step::Push),
        4 => any_span().prop_map(Step::After),
        4 => Just(Step::Pop),
        2 => any_span().prop_map(Step::Until),
    ]
}

fn same(steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut agenda, mut reference) = (Agenda::new(), Reference::default());
    for &step in steps {
        let now = reference.now;
        match step {
            Step::Push(at) => agenda.push(Time::from_micros(at), reference.push(at)),
            Step::After(span) => {
                let at = now.saturating_add(span);
                agenda.push(Time::from_micros(at), reference.push(at));
            }
            Step::Pop => prop_assert_eq!(agenda.pop(), reference.pop()),
            Step::Until(span) => {
                let end = now.saturating_add(span);
                loop {
                    let popped = agenda.pop_until(Time::from_micros(end));
                    prop_assert_eq!(popped, reference.pop_until(end));
                    if popped.is_none() {
                        break;
                    }
                }
            }
        }
        prop_assert_eq!(agenda.len(), reference.heap.len());
    }
    while let Some(popped) = reference.pop() {
        prop_assert_eq!(agenda.pop(), Some(popped));
    }
    prop_assert_eq!(agenda.pop(), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_agenda_is_a_heap_of_times_and_numbers(
        steps in prop::collection::vec(any_step(), 0..300),
    ) {
        same(&steps)?;
    }
}

/// As many at one time as fill many chunks, and pushes between the pops of that time.
#[test]
fn equal_times_come_in_the_order_of_their_pushes() {
    let (mut agenda, mut reference) = (Agenda::new(), Reference::default());
    let at = Time::from_micros(70_000);
    for _ in 0..1_000 {
        agenda.push(at, reference.push(70_000));
    }
    for _ in 0..500 {
        assert_eq!(agenda.pop(), reference.pop());
        agenda.push(at, reference.push(70_000));
    }
    while let Some(popped) = reference.pop() {
        assert_eq!(agenda.pop(), Some(popped));
    }
    assert!(agenda.is_empty());
}

/// The hold model (a thing popped is pushed again, later) as simulations do it: long enough that
/// the wheel turns at every level that microseconds of an hour have; and what memory it keeps is
/// bounded by what was on it at once.
#[test]
fn an_agenda_holds_its_memory_and_its_order_over_hours() {
    let (mut agenda, mut reference) = (Agenda::new(), Reference::default());
    let mut random = Key::new(11).random(0);
    for _ in 0..2_000 {
        let at = random.below(1_000_000) as u64;
        agenda.push(Time::from_micros(at), reference.push(at));
    }
    let mut bytes = 0;
    for step in 0..400_000 {
        let popped = agenda.pop();
        assert_eq!(popped, reference.pop());
        let at = popped.map_or(0, |popped| popped.0.as_micros()) + random.below(60_000_000) as u64;
        agenda.push(Time::from_micros(at), reference.push(at));
        if step == 100_000 {
            bytes = agenda.bytes();
        }
    }
    assert!(reference.now > 3_600_000_000, "{} microseconds", reference.now);
    assert!(agenda.bytes() <= 2 * bytes, "{bytes} bytes, then {}", agenda.bytes());
}

/// The control: the wheel shows what is coming, each thing once, before it pops it.
#[test]
fn what_comes_soon_is_shown_before_it_is_due() {
    let mut agenda = Agenda::new();
    for at in 0..5_000_u64 {
        agenda.push(Time::from_micros(at * 7 + 1_000), at);
    }
    let (mut shown, mut popped) = (Vec::new(), Vec::new());
    while let Some((_, thing)) = agenda.pop_until_with(Time::NEVER, |&thing| shown.push(thing)) {
        assert!(shown.contains(&thing), "{thing} came unseen");
        popped.push(thing);
    }
    assert_eq!(popped, (0..5_000).collect::<Vec<_>>());
    shown.sort_unstable();
    assert_eq!(shown, popped);
}
