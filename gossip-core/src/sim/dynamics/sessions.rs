//! Nodes that come and go each at times of their own.

use core::cmp::Reverse;
use core::time::Duration;

use alloc::collections::BinaryHeap;

use super::stage::Stage;
use super::{Exit, Law};
use crate::error::ParameterError;
use crate::sim::host::Host;

/// What becomes of a node whose session ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// It comes back later, and so on.
    Return {
        /// How long it is away.
        down: Law,
        /// Whether it has the state it had.
        with_state: bool,
    },
    /// It is gone for good, and a new node joins in its place: the size stays.
    Replaced,
    /// It is gone for good.
    Gone,
}

/// What ends at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Up,
    Down,
}

/// Sessions under way.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    up: Law,
    after: After,
    exit: Exit,
    /// The earliest first.
    ends: BinaryHeap<Reverse<(Duration, u32, End)>>,
}

impl Sessions {
    pub(super) const fn new(up: Law, after: After, exit: Exit) -> Self {
        Self { up, after, exit, ends: BinaryHeap::new() }
    }

    /// When the next session ends, or begins again.
    pub(super) fn due(&self) -> Option<Duration> {
        self.ends.peek().map(|end| end.0.0)
    }

    /// A session of `node` begins at `time`.
    pub(super) fn begin<H>(&mut self, node: u32, time: Duration, stage: &mut Stage<'_, H>) {
        let end = time.saturating_add(self.up.draw(&mut stage.random));
        self.ends.push(Reverse((end, node, End::Up)));
    }

    /// All that is due at `time`. What follows counts from when it was due, not from `time`, so
    /// that a driver of cycles moves no rate.
    pub(super) fn act<H: Host>(
        &mut self,
        time: Duration,
        stage: &mut Stage<'_, H>,
    ) -> Result<(), ParameterError> {
        while let Some(&Reverse((due, node, end))) = self.ends.peek()
            && due <= time
        {
            self.ends.pop();
            let went_on = match (end, self.after) {
                (End::Up, _) => self.exit.of(node, stage.host),
                (End::Down, After::Return { with_state: true, .. }) => stage.host.revive(node),
                (End::Down, _) => stage.restart(node)?,
            };
            // Whoever was killed or revived by others is theirs.
            if !went_on {
                continue;
            }
            match (end, self.after) {
                (End::Down, _) => self.begin(node, due, stage),
                (End::Up, After::Return { down, .. }) => {
                    let back = due.saturating_add(down.draw(&mut stage.random));
                    self.ends.push(Reverse((back, node, End::Down)));
                }
                (End::Up, After::Replaced) => {
                    let new = stage.join()?;
                    self.begin(new, due, stage);
                }
                (End::Up, After::Gone) => {}
            }
        }
        Ok(())
    }
}
