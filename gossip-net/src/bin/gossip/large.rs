//! Values and texts that do not fit a datagram: the store and the news carry their names, and every
//! node fetches what is named. So the store is held whole by all, large values included.
//!
//! Not a protocol: [`Blobs`](gossip_entropy::blobs) fetches. What nothing names any more is
//! forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::{Blob, Wire, message};
use gossip_dissem::rumor;
use gossip_entropy::Secret;
use gossip_entropy::blobs::{self, Reference};
use gossip_net::Delivery;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, warn};

use crate::agent::{Node, Running};
use crate::clock::wall_micros;
use crate::exit::Failure;
use crate::stack::{Agent, Asked, LARGE, TOPIC, Told};
use crate::views;

/// What the name of something large begins with, and a text that is published: no text does, since
/// neither is of UTF-8.
const MARK: u8 = 0xff;
const POST: u8 = 0xfe;

/// Bytes of a text that is published: what names it goes beside it.
const TEXT: usize = LARGE - 128;

/// Texts that are kept for others to fetch, the last ones. Our choice: 4 MiB.
const POSTS: usize = 64;

/// How often it is looked for what is named, and what is not. Our choice.
const LOOK: Duration = Duration::from_secs(1);

message! {
    /// A text that is published, and what names it.
    struct Post {
        /// The publisher's clock: the same text twice is two.
        at: u64,
        origin: SocketAddr,
        topic: Blob<TOPIC>,
        text: Blob<TEXT>,
    }
}

/// What a value or a text names, if it is the name of something large.
pub(crate) fn reference(value: &[u8]) -> Option<Reference> {
    let (&MARK, name) = value.split_first()? else { return None };
    Reference::decode_all(name).ok()
}

fn name(reference: Reference) -> Vec<u8> {
    let mut name = vec![MARK];
    reference.encode(&mut name);
    name
}

/// A value of the store as people see it; `None` if it is large and not here yet.
pub(crate) fn value(agent: &Agent<SocketAddr>, value: &[u8]) -> Option<String> {
    let bytes = reference(value).map_or(Some(value), |reference| agent.large.get(reference))?;
    Some(views::text(bytes))
}

/// A text that was published and has come, as an event.
pub(crate) fn news(agent: &Agent<SocketAddr>, reference: Reference) -> Option<Value> {
    let Post { origin, topic, text, .. } = post(agent.large.get(reference)?)?;
    let (topic, text) = (views::text(&topic), views::text(&text));
    Some(json!({ "event": "news", "topic": topic, "text": text, "origin": origin }))
}

fn post(bytes: &[u8]) -> Option<Post> {
    let (&POST, post) = bytes.split_first()? else { return None };
    Post::decode_all(post).ok()
}

/// Holds a large value for all to fetch; returns what names it.
pub(crate) async fn put(running: &Running, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let put = blobs::Command::put(bytes).map_err(Failure::refused)?;
    running.node.call(Asked::large(put)).await.map_err(Failure::refused)?;
    let reference = Reference::of(bytes, Secret::default());
    if let Some(keeper) = &running.keeper {
        keeper.keep_large(&running.node, reference).map_err(Failure::refused)?;
    }
    Ok(name(reference))
}

/// Holds a large text for all to fetch; returns what names it.
pub(crate) async fn put_post(
    running: &Running,
    topic: Blob<TOPIC>,
    text: &str,
) -> Result<Vec<u8>, Failure> {
    let text = Blob::new(text).map_err(|e| Failure::refused(format!("the text: {e}")))?;
    let post = Post { at: wall_micros(), origin: running.node.id(), topic, text };
    let mut bytes = vec![POST];
    post.encode(&mut bytes);
    let put = blobs::Command::put(&bytes).map_err(Failure::refused)?;
    running.node.call(Asked::large(put)).await.map_err(Failure::refused)?;
    Ok(name(Reference::of(&bytes, Secret::default())))
}

/// Gives the node back the large values of an earlier life.
pub(crate) async fn restore(node: &Node, values: Vec<Vec<u8>>) {
    for bytes in values {
        let put = blobs::Command::put(bytes).ok().map(Asked::large);
        // What does not fit any more is fetched from peers, if there is room.
        if let Some(put) = put {
            let _ = node.call(put).await;
        }
    }
}

/// Fetches what is named, and forgets what is not, until the node ends.
pub(crate) async fn keep(running: Arc<Running>) {
    let mut events = running.node.events();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut keeping = Keeping::new(running);
    loop {
        tokio::select! {
            delivery = events.recv() => match delivery {
                Some(Delivery::Event(event)) => keeping.event(&event).await,
                Some(Delivery::Lagged(_)) => keeping.due = true,
                None => return,
            },
            _ = look.tick() => keeping.look().await,
        }
    }
}

struct Keeping {
    running: Arc<Running>,
    /// Texts that were published, the latest last.
    posts: VecDeque<Reference>,
    /// What was held and not named at the last look.
    unnamed: BTreeSet<Reference>,
    /// What the node was asked to fetch, and has not fetched yet.
    asked: BTreeSet<Reference>,
    due: bool,
    refused: bool,
}

impl Keeping {
    fn new(running: Arc<Running>) -> Self {
        Self {
            running,
            posts: VecDeque::new(),
            unnamed: BTreeSet::new(),
            asked: BTreeSet::new(),
            due: true,
            refused: false,
        }
    }

    async fn event(&mut self, event: &Told) {
        match event {
            Told::data(gossip_entropy::Event::Changed { key, .. }) => {
                self.due = true;
                let missing = |agent: &Agent<SocketAddr>| {
                    let named = reference(agent.data.get(key)?)?;
                    agent.large.get(named).is_none().then_some(named)
                };
                if let Some(named) = self.running.node.read(missing) {
                    self.want(named).await;
                }
            }
            Told::news(rumor::Event::Delivered { value, .. }) => {
                // One's own, too: that it is here is told as everywhere.
                if let Some(named) = reference(&value.text) {
                    self.remember(named);
                    self.want(named).await;
                }
            }
            Told::large(blobs::Event::Fetched(reference)) => self.fetched(*reference),
            Told::large(blobs::Event::Failed(reference)) => {
                self.asked.remove(reference);
                self.due = true;
            }
            _ => {}
        }
    }

    fn fetched(&mut self, reference: Reference) {
        self.asked.remove(&reference);
        self.due = true;
        let is_post = |agent: &Agent<SocketAddr>| agent.large.get(reference).and_then(post);
        if self.running.node.read(is_post).is_some() {
            return self.remember(reference);
        }
        if let Some(keeper) = &self.running.keeper
            && let Err(error) = keeper.keep_large(&self.running.node, reference)
        {
            error!("{error}; a restart would fetch a large value again");
        }
    }

    fn remember(&mut self, post: Reference) {
        if !self.posts.contains(&post) {
            self.posts.push_back(post);
        }
        if self.posts.len() > POSTS {
            self.posts.pop_front();
        }
    }

    async fn want(&mut self, named: Reference) {
        if self.asked.contains(&named) {
            return;
        }
        let want = Asked::large(blobs::Command::Want(named));
        match self.running.node.call(want).await {
            Ok(_) => {
                self.refused = false;
                if self.running.node.read(|agent| agent.large.get(named).is_none()) {
                    self.asked.insert(named);
                }
            }
            Err(error) if !self.refused => {
                warn!(%error, bytes = named.len, "a large value is not fetched");
                self.refused = true;
            }
            Err(_) => {}
        }
    }

    /// Asks for what is named and was given up, and forgets what twice in a row was not named.
    async fn look(&mut self) {
        if !std::mem::take(&mut self.due) && self.unnamed.is_empty() {
            return;
        }
        let (mut named, held) = self.running.node.read(|agent| {
            let named: BTreeSet<_> =
                agent.data.iter().filter_map(|(_, value)| reference(value)).collect();
            (named, agent.large.iter().collect::<BTreeSet<_>>())
        });
        for missing in named.difference(&held).copied().collect::<Vec<_>>() {
            self.want(missing).await;
        }
        named.extend(&self.posts);
        let unnamed: BTreeSet<_> = held.difference(&named).copied().collect();
        for &reference in unnamed.intersection(&self.unnamed) {
            let forget = Asked::large(blobs::Command::Forget(reference));
            let gone = self.running.node.call(forget).await.is_ok();
            if let Some(keeper) = self.running.keeper.as_ref().filter(|_| gone)
                && let Err(error) = keeper.forget_large(reference)
            {
                error!("{error}");
            }
        }
        self.unnamed = unnamed.difference(&self.unnamed).copied().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_text_and_a_text_no_name() {
        let named = Reference::of(b"much", Secret::default());
        assert_eq!(reference(&name(named)), Some(named));
        assert!(String::from_utf8(name(named)).is_err() && name(named).len() <= 27);
        for no_name in [&b""[..], b"green", &[MARK], &[MARK, 1], &[&name(named)[..], b"x"].concat()]
        {
            assert_eq!(reference(no_name), None, "{no_name:?}");
        }
        assert!(post(b"").is_none() && post(&[POST]).is_none() && post(b"text").is_none());
    }
}
