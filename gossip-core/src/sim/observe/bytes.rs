//! Which layer sends how much.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::packet::HEADER;
use crate::sim::event::Passage;
use crate::stack::{open_frame, tag};

/// Bytes that the layers of a stack sent, from [recorded](crate::sim::event::Simulation::record)
/// datagrams. A layer's frame counts with its tag and length; a datagram's header is nobody's.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::sampling::Cyclon;
/// use gossip_core::sim::event::{Config, Simulation};
/// use gossip_core::sim::link::Network;
/// use gossip_core::sim::observe::Bytes;
/// use gossip_core::{PeerId, stack};
///
/// stack! {
///     #[derive(Debug)]
///     struct Two<I: PeerId> {
///         peers: Cyclon<I, 8>,
///         spare: Cyclon<I, 4>,
///     }
/// }
/// let make = |_| Two::<u32>::new(
///     Cyclon::new(Default::default()).unwrap(),
///     Cyclon::new(Default::default()).unwrap(),
/// );
/// let mut sim = Simulation::new(20, make, Network::default(), Config::seeded(1))?;
/// sim.record(10_000);
/// (1..20).for_each(|node| sim.contact(node, 0));
/// sim.run_for(Duration::from_secs(10));
///
/// let mut bytes = Bytes::of(["peers", "spare"]);
/// sim.recorded().for_each(|passage| bytes.look(&passage));
/// let [peers, spare] = ["peers", "spare"].map(|layer| bytes.layer(layer));
/// assert!(peers.bytes > spare.bytes && spare.frames > 0);
/// let all: u64 = bytes.layers().map(|(_, sent)| sent.bytes).sum();
/// assert_eq!(all + bytes.headers() + bytes.unknown().bytes, sim.traffic().bytes);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    names: Vec<&'static str>,
    sent: BTreeMap<u16, Sent>,
    headers: u64,
    unknown: Sent,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sent {
    const fn add(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }
}

impl Bytes {
    /// Those of the layers with these names.
    pub fn of(layers: impl IntoIterator<Item = &'static str>) -> Self {
        let names: Vec<&'static str> = layers.into_iter().collect();
        let sent = names.iter().map(|name| (tag(name), Sent::default())).collect();
        Self { names, sent, ..Self::default() }
    }

    /// Counts a datagram. What is no frame counts as one of no known layer, to the end.
    pub fn look(&mut self, passage: &Passage) {
        let bytes = passage.bytes.as_slice();
        let Some((_, mut rest)) = bytes.split_at_checked(HEADER) else {
            return self.unknown.add(bytes.len());
        };
        self.headers += HEADER as u64;
        while !rest.is_empty() {
            let left = rest.len();
            let Ok((tag, _)) = open_frame(&mut rest) else {
                return self.unknown.add(left);
            };
            self.sent.get_mut(&tag).unwrap_or(&mut self.unknown).add(left - rest.len());
        }
    }

    /// What the layer called `name` sent.
    pub fn layer(&self, name: &str) -> Sent {
        self.sent.get(&tag(name)).copied().unwrap_or_default()
    }

    /// What each layer sent.
    pub fn layers(&self) -> impl Iterator<Item = (&'static str, Sent)> {
        self.names.iter().map(|&name| (name, self.layer(name)))
    }

    /// What layers with other names sent, and stacks that are one protocol: it has no name.
    pub const fn unknown(&self) -> Sent {
        self.unknown
    }

    /// Bytes of the datagrams' headers.
    pub const fn headers(&self) -> u64 {
        self.headers
    }
}
