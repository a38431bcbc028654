//! Where what may not be sent yet waits, and whose turn it is.
//!
//! Not a protocol: the driver's side of [`Limits`]. What a node wants to send goes at once while
//! nothing waits and every cap allows it. Otherwise its frames wait in a line for each layer, and
//! leave by deficit round-robin (Shreedhar and Varghese, SIGCOMM 1995), the lines of control before
//! all others. Frames that leave together to one peer share datagrams.
//!
//! Deviations: a frame whose peer is over its cap is passed over, up to [`SCAN`] of them, instead
//! of holding up its line; a round that a cap cuts short goes on where it was.

use std::collections::VecDeque;
use std::net::SocketAddr;

use gossip_core::packet::{Datagram, HEADER};
use gossip_core::stack::open_frame;
use gossip_core::{Counts, Time};

use crate::limits::{Limits, Meter, Meters};

/// Frames of a line looked at for one whose peer may be sent to. Our choice.
const SCAN: usize = 1_024;

/// What waits: frames of one layer to one peer, without a header.
#[derive(Debug)]
struct Held {
    since: Time,
    to: SocketAddr,
    body: Vec<u8>,
    frames: u32,
}

/// What waits of one layer.
#[derive(Debug)]
struct Line {
    name: &'static str,
    tag: Option<u16>,
    meter: Meter,
    weight: usize,
    control: bool,
    held: VecDeque<Held>,
    bytes: usize,
    /// Bytes that it may send in its turn.
    deficit: usize,
}

impl Line {
    fn pop(&mut self, at: usize) -> Option<Held> {
        let held = self.held.remove(at)?;
        self.bytes -= held.body.len();
        Some(held)
    }

    /// The first frame that may go by this line's cap and its peer's.
    fn ready(&self, peers: &Meters, now: Time) -> Option<usize> {
        let allows = || self.held.iter().take(SCAN).position(|held| peers.allows(held.to, now));
        self.meter.allows(now).then(allows).flatten()
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shaper {
    limits: Limits,
    /// The most bytes of a datagram.
    longest: usize,
    total: Meter,
    peers: Meters,
    /// One for each layer that the limits name, and one for all others.
    lines: Vec<Line>,
    /// Whose turn it is, and whether it has been given its share.
    turn: usize,
    served: bool,
    header: [u8; HEADER],
}

impl Shaper {
    /// For datagrams of up to `longest` bytes.
    pub(crate) fn new(limits: &Limits, longest: usize) -> Self {
        let line = |name, tag, send, weight: u32, control| Line {
            name,
            tag,
            meter: Meter::new(send, limits.burst),
            weight: weight as usize,
            control,
            held: VecDeque::new(),
            bytes: 0,
            deficit: 0,
        };
        let named = limits.layers.iter().map(|layer| {
            line(layer.name, Some(layer.tag), layer.send, layer.weight, layer.control)
        });
        let others = line("driver", None, crate::Rate::default(), 1, false);
        Self {
            longest,
            total: Meter::new(limits.send, limits.burst),
            peers: Meters::new(limits.peer_send, limits.burst),
            lines: named.chain([others]).collect(),
            turn: 0,
            served: false,
            header: [0; HEADER],
            limits: limits.clone(),
        }
    }

    /// Takes what the node wants to send, and leaves in its place what may go now.
    pub(crate) fn shape(
        &mut self,
        now: Time,
        datagrams: &mut Vec<Datagram<SocketAddr>>,
        counts: &mut Counts,
    ) {
        let wanted = std::mem::take(datagrams);
        for datagram in wanted {
            if datagram.frames == 0 {
                self.pass(datagram, now, datagrams, counts);
            } else if self.is_empty() && self.allows(&datagram, now) {
                self.charge(&datagram, now);
                datagrams.push(datagram);
            } else {
                self.hold(&datagram, now, counts);
            }
        }
        self.shed_old(now, counts);
        self.release(now, datagrams);
    }

    /// What the driver itself has to say has no frames, and does not wait: later it is not true.
    fn pass(
        &mut self,
        datagram: Datagram<SocketAddr>,
        now: Time,
        out: &mut Vec<Datagram<SocketAddr>>,
        counts: &mut Counts,
    ) {
        if self.total.allows(now) && self.peers.allows(datagram.to, now) {
            self.total.take(now, datagram.bytes.len(), 1);
            self.peers.take(datagram.to, now, datagram.bytes.len(), 1);
            out.push(datagram);
        } else {
            counts.add("driver", "shed: above the rate");
        }
    }

    /// When something that waits may go, or has waited for too long.
    pub(crate) fn wake_at(&self) -> Time {
        let of = |line: &Line| {
            let old_at = line.held.front()?.since + self.limits.age;
            let peers = line.held.iter().take(SCAN).map(|held| self.peers.ready_at(held.to));
            let ready_at = peers.min()?.max(line.meter.ready_at()).max(self.total.ready_at());
            Some(old_at.min(ready_at))
        };
        self.lines.iter().filter_map(of).min().unwrap_or(Time::NEVER)
    }

    fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.held.is_empty())
    }

    /// The line of the frames with this tag.
    fn line(&self, tag: u16) -> usize {
        let named = self.lines.iter().position(|line| line.tag == Some(tag));
        named.unwrap_or(self.lines.len() - 1)
    }

    /// The frames of a datagram with their lines; all at once if there are no lines to choose from,
    /// or if they are no frames.
    fn parts<'a>(&self, datagram: &'a Datagram<SocketAddr>) -> Vec<(usize, &'a [u8], u32)> {
        let body = datagram.bytes.get(HEADER..).unwrap_or_default();
        let last = self.lines.len() - 1;
        let whole = vec![(last, body, datagram.frames)];
        if last == 0 {
            return whole;
        }
        let (mut rest, mut parts) = (body, Vec::with_capacity(datagram.frames as usize));
        while !rest.is_empty() {
            let before = rest;
            let Ok((tag, _)) = open_frame(&mut rest) else { return whole };
            parts.push((self.line(tag), &before[..before.len() - rest.len()], 1));
        }
        parts
    }

    fn allows(&self, datagram: &Datagram<SocketAddr>, now: Time) -> bool {
        let lines = || self.parts(datagram).iter().all(|part| self.lines[part.0].meter.allows(now));
        self.total.allows(now) && self.peers.allows(datagram.to, now) && lines()
    }

    /// Counts a whole datagram against every cap.
    fn charge(&mut self, datagram: &Datagram<SocketAddr>, now: Time) {
        for (line, body, frames) in self.parts(datagram) {
            self.lines[line].meter.take(now, body.len(), frames as usize);
        }
        self.total.take(now, datagram.bytes.len(), 1);
        self.peers.take(datagram.to, now, datagram.bytes.len(), 1);
    }

    fn hold(&mut self, datagram: &Datagram<SocketAddr>, now: Time, counts: &mut Counts) {
        if let Some(header) = datagram.bytes.first_chunk() {
            self.header = *header;
        }
        for (at, body, frames) in self.parts(datagram) {
            let (to, body) = (datagram.to, body.to_vec());
            let line = &mut self.lines[at];
            line.bytes += body.len();
            line.held.push_back(Held { since: now, to, body, frames });
            while line.bytes > self.limits.queue && line.pop(0).is_some() {
                counts.add(line.name, "shed: too much waits to be sent");
            }
        }
    }

    fn shed_old(&mut self, now: Time, counts: &mut Counts) {
        for line in &mut self.lines {
            let old = |held: &Held| now.since(held.since) >= self.limits.age;
            while line.held.front().is_some_and(old) && line.pop(0).is_some() {
                counts.add(line.name, "shed: waited too long to be sent");
            }
        }
    }

    /// Moves what may go to `out`.
    fn release(&mut self, now: Time, out: &mut Vec<Datagram<SocketAddr>>) {
        let open = out.len();
        for at in 0..self.lines.len() {
            while self.lines[at].control && self.send_one(at, usize::MAX, now, open, out).is_some()
            {
            }
        }
        // A line whose share is used up passes once before all have passed.
        let mut passed = 0;
        while passed <= self.lines.len() {
            let at = self.turn;
            self.give_share(at);
            match self.send_one(at, self.lines[at].deficit, now, open, out) {
                Some(len) => {
                    self.lines[at].deficit -= len;
                    passed = 0;
                }
                // Its turn goes on when the cap allows.
                None if !self.total.allows(now) => return,
                None => {
                    self.turn = (at + 1) % self.lines.len();
                    self.served = false;
                    passed += 1;
                }
            }
        }
    }

    /// A line whose turn has come may send as much as a datagram more, times its weight. One that
    /// has nothing to send saves nothing up.
    fn give_share(&mut self, at: usize) {
        if self.served {
            return;
        }
        self.served = true;
        let line = &mut self.lines[at];
        let share = self.longest * line.weight;
        let kept = if line.held.is_empty() { 0 } else { line.deficit.min(share) };
        line.deficit = kept + share;
    }

    /// Sends the first frame of a line that may go, if it has at most `most` bytes; returns them.
    fn send_one(
        &mut self,
        at: usize,
        most: usize,
        now: Time,
        open: usize,
        out: &mut Vec<Datagram<SocketAddr>>,
    ) -> Option<usize> {
        let line = &mut self.lines[at];
        let first = self.total.allows(now).then(|| line.ready(&self.peers, now)).flatten()?;
        if line.held[first].body.len() > most {
            return None;
        }
        let held = line.pop(first)?;
        line.meter.take(now, held.body.len(), held.frames as usize);
        let len = held.body.len();
        let fits = |datagram: &&mut Datagram<SocketAddr>| {
            datagram.to == held.to && datagram.bytes.len() + len <= self.longest
        };
        let shared = out[open..].iter_mut().rev().find(fits);
        let datagrams = usize::from(shared.is_none());
        let bytes = len + HEADER * datagrams;
        if let Some(datagram) = shared {
            datagram.bytes.extend_from_slice(&held.body);
            datagram.frames += held.frames;
        } else {
            let bytes = [&self.header[..], &held.body].concat();
            out.push(Datagram { to: held.to, bytes, frames: held.frames });
        }
        self.total.take(now, bytes, datagrams);
        self.peers.take(held.to, now, bytes, datagrams);
        Some(len)
    }
}

/// What is held against [`Limits`] when it comes.
#[derive(Debug)]
pub(crate) struct Gate {
    total: Meter,
    peers: Meters,
    /// Of layers that have a cap: tag, name.
    layers: Vec<(u16, &'static str, Meter)>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let capped = limits.layers.iter().filter(|layer| !layer.receive.is_unlimited());
        Self {
            total: Meter::new(limits.receive, limits.burst),
            peers: Meters::new(limits.peer_receive, limits.burst),
            layers: capped
                .map(|layer| (layer.tag, layer.name, Meter::new(layer.receive, limits.burst)))
                .collect(),
        }
    }

    /// Whether a datagram of `len` bytes is taken in, or why not. What one peer sends too much does
    /// not count against the others.
    pub(crate) fn admit(
        &mut self,
        now: Time,
        from: SocketAddr,
        len: usize,
    ) -> Result<(), &'static str> {
        if !self.peers.allows(from, now) {
            return Err("datagram above its peer's rate");
        }
        if !self.total.allows(now) {
            return Err("datagram above the rate of all");
        }
        self.peers.take(from, now, len, 1);
        self.total.take(now, len, 1);
        Ok(())
    }

    /// The datagram without the frames of layers that are above their rate, if there are any.
    pub(crate) fn cut(&mut self, now: Time, bytes: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
        if self.layers.is_empty() {
            return None;
        }
        let (header, mut rest) = bytes.split_at_checked(HEADER)?;
        let mut kept = header.to_vec();
        while !rest.is_empty() {
            let before = rest;
            // What is no frame is left to the node, which counts it.
            let Ok((tag, _)) = open_frame(&mut rest) else {
                kept.extend_from_slice(before);
                break;
            };
            let frame = &before[..before.len() - rest.len()];
            let layer = self.layers.iter_mut().find(|layer| layer.0 == tag);
            if let Some((_, name, meter)) = layer {
                if !meter.allows(now) {
                    counts.add(name, "frame above its layer's rate");
                    continue;
                }
                meter.take(now, frame.len(), 1);
            }
            kept.extend_from_slice(frame);
        }
        (kept.len() < bytes.len()).then_some(kept)
    }
}

#[cfg(test)]
mod tests;
