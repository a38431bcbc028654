//! The owner's side of a running node.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_core::node::{Effects, Node};
use gossip_core::{Counts, Protocol, Receipt, Refusal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::Stack;
use crate::counters::Counters;
use crate::end::Ended;
use crate::events::{Events, Ring};
use crate::hello::{Greeter, PeerInfo};
use crate::path::Paths;
use crate::presence::Status;
use crate::transport::{canonical, problem};

/// What the owner asks of the task.
pub(crate) enum Ask<S: Protocol> {
    Call(S::Command, oneshot::Sender<Result<Receipt, Refusal>>),
    Contact(SocketAddr),
    Leave,
}

/// What the owner and the task share. Locks are held for one look at the stack, one call
/// of it, or those for datagrams that came together; never across an await.
pub(crate) struct Shared<S: Protocol> {
    state: Mutex<State<S>>,
    pub(crate) events: Arc<Ring<S::Event>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) me: SocketAddr,
    pub(crate) bound: SocketAddr,
}

/// The node, what came out of its last call, and what it has done.
pub(crate) struct State<S: Protocol> {
    pub(crate) node: Node<S>,
    /// Its counts are never taken out: they are the node's, from the start on.
    pub(crate) effects: Effects<S>,
    /// All but counts and events, which are kept elsewhere.
    pub(crate) counters: Counters,
    /// The transport's counts as of the last round.
    pub(crate) transport: Counts,
    pub(crate) greeter: Greeter,
    pub(crate) paths: Paths,
}

impl<S: Protocol> Shared<S> {
    pub(crate) fn new(
        node: Node<S>,
        events: usize,
        status: Status,
        me: SocketAddr,
        bound: SocketAddr,
        greeter: Greeter,
        paths: Paths,
    ) -> Self {
        let (effects, counters, transport) = Default::default();
        let state = Mutex::new(State { node, effects, counters, transport, greeter, paths });
        let status = watch::Sender::new(status);
        Self { state, events: Arc::new(Ring::new(events)), status, me, bound }
    }

    /// A panic under this lock ended the task, or was the owner's own in a closure that could only
    /// read: either way there is no half-made change that a later look could make worse.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ended: Ended) {
        self.status.send_replace(Status::Ended(ended));
        self.events.close();
    }
}

/// Says how the node ended, even when its runtime is shut down and nothing runs any more: then by
/// being dropped.
pub(crate) struct Warden<S: Protocol>(Option<Arc<Shared<S>>>);

impl<S: Protocol> Warden<S> {
    pub(crate) const fn of(shared: Arc<Shared<S>>) -> Self {
        Self(Some(shared))
    }

    pub(crate) fn end(mut self, ended: Ended) {
        if let Some(shared) = self.0.take() {
            shared.end(ended);
        }
    }
}

impl<S: Protocol> Drop for Warden<S> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.end(Ended::Stopped);
        }
    }
}

/// A running node. Clones are handles of the same node; when the last is dropped the node stops
/// without telling its peers, as [`kill`](Self::kill) does.
pub struct Handle<S: Stack> {
    pub(crate) shared: Arc<Shared<S>>,
    pub(crate) asks: mpsc::Sender<Ask<S>>,
    pub(crate) task: AbortHandle,
}

impl<S: Stack> Clone for Handle<S> {
    fn clone(&self) -> Self {
        let Self { shared, asks, task } = self;
        Self { shared: Arc::clone(shared), asks: asks.clone(), task: task.clone() }
    }
}

impl<S: Stack> Handle<S> {
    /// Looks at the stack. The node waits meanwhile, so copy what is needed and return; `look` must
    /// not call this node's handle again. A panic in `look` is the caller's own: the node goes on.
    ///
    /// After the node's end this reads the stack's last state.
    pub fn read<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(self.shared.lock().node.stack())
    }

    /// Asks something of the stack, and waits until it has taken it in or refused it. What comes of
    /// it later arrives as events.
    ///
    /// If the future is dropped before its end, the stack may or may not have got the command.
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] if the stack refuses it, with the reason; nothing has changed then.
    /// [`CallError::Closed`] if the node has ended.
    pub async fn call(&self, command: S::Command) -> Result<Receipt, CallError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.asks.send(Ask::Call(command, answer)).await;
        sent.map_err(|_| CallError::Closed)?;
        answered.await.map_err(|_| CallError::Closed)?.map_err(CallError::Refused)
    }

    /// Asks `addr` now, and again as it does the [contacts](crate::Builder::contact) that it was
    /// built with, which it becomes one of. Of more than 256 the oldest is dropped. Whether it
    /// answers shows in the stack and in the [status](Self::status).
    ///
    /// # Errors
    ///
    /// [`ContactError::Wrong`] if no peer can have the address, or this node itself has it;
    /// [`ContactError::Closed`] if the node has ended.
    pub async fn contact(&self, addr: impl Into<SocketAddr>) -> Result<(), ContactError> {
        let contact = canonical(addr.into());
        if let Some(problem) = problem(contact, self.shared.me, self.shared.bound) {
            return Err(ContactError::Wrong { contact, problem });
        }
        self.asks.send(Ask::Contact(contact)).await.map_err(|_| ContactError::Closed)
    }

    /// A receiver of everything that the stack tells from now on, and of what is still kept from
    /// before.
    pub fn events(&self) -> Events<S::Event> {
        Events::of(Arc::clone(&self.shared.events))
    }

    /// What the node has done so far.
    pub fn counters(&self) -> Counters {
        let (events, events_shed) = self.shared.events.totals();
        let state = self.shared.lock();
        let mut counts = state.effects.counts.clone();
        counts.merge(&state.transport);
        let (frames_in, round_trips) = (state.effects.frames, state.greeter.round_trips());
        let own = state.counters.clone();
        Counters { frames_in, round_trips, events, events_shed, counts, ..own }
    }

    /// What is known of `peer`: versions, capabilities, the time of a round trip. `None` for one
    /// that was not asked yet, did not answer, or knows nothing of such questions.
    pub fn peer(&self, peer: SocketAddr) -> Option<PeerInfo> {
        self.shared.lock().greeter.peer(canonical(peer))
    }

    /// The longest packet, headers of IP and UDP included, that is known to come through to `peer`:
    /// 1,280 unless a [longer one](crate::Builder::path_mtu) has.
    pub fn path_mtu(&self, peer: SocketAddr) -> usize {
        self.shared.lock().paths.proven(canonical(peer))
    }

    /// How the node stands to its cluster.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Waits until the status is as `wanted`, or the node has ended, and returns it. Changes that
    /// are over before anybody looks may be missed.
    ///
    /// ```no_run
    /// # async fn example<S: gossip_net::Stack>(handle: gossip_net::Handle<S>) {
    /// let status = handle.status_where(|s| s.is_connected() || s.is_isolated()).await;
    /// println!("{status}");
    /// # }
    /// ```
    pub async fn status_where(&self, mut wanted: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.shared.status.subscribe();
        let found = status.wait_for(|s| wanted(s) || matches!(s, Status::Ended(_))).await;
        found.map_or(Status::Ended(Ended::Stopped), |status| status.clone())
    }

    /// Leaves: the stack says good-bye, which goes out, and the node stops. Good-byes are
    /// datagrams, and may be lost. Returns how the node ended, at once if it had already.
    pub async fn leave(&self) -> Ended {
        // If the task is gone, there is an end to wait for all the same.
        let _ = self.asks.send(Ask::Leave).await;
        self.wait().await
    }

    /// Stops the node without telling its peers. What it was sending may be cut short.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Waits for the node's end, which is an error if nobody asked for it: see
    /// [`Ended::into_result`].
    pub async fn wait(&self) -> Ended {
        match self.status_where(|_| false).await {
            Status::Ended(ended) => ended,
            _ => Ended::Stopped,
        }
    }

    /// How the node ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        match self.status() {
            Status::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// The node's identifier: the address by which peers know it.
    pub fn id(&self) -> SocketAddr {
        self.shared.me
    }

    /// The address that its transport is bound to on this host.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.bound
    }
}

impl<S: Stack> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { me, status, .. } = &*self.shared;
        f.debug_struct("Handle")
            .field("id", me)
            .field("status", &*status.borrow())
            .finish_non_exhaustive()
    }
}

/// Why a command has no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The stack refused it; nothing has changed.
    Refused(Refusal),
    /// The node has ended: [`Handle::ended`] says how. If it ended during the call, the command may
    /// have been taken in.
    Closed,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "refused: {refusal}"),
            Self::Closed => write!(f, "the node has ended"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Closed => None,
        }
    }
}

/// Why a contact is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactError {
    /// It cannot be one.
    Wrong {
        /// The contact.
        contact: SocketAddr,
        /// What it is.
        problem: &'static str,
    },
    /// The node has ended: [`Handle::ended`] says how.
    Closed,
}

impl fmt::Display for ContactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong { contact, problem } => {
                write!(f, "cannot contact {contact}: it is {problem}")
            }
            Self::Closed => write!(f, "the node has ended"),
        }
    }
}

impl Error for ContactError {}
