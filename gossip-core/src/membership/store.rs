//! What a node must not forget when it stops.
//!
//! Not a protocol: the one number that makes a restarted node believed at once.

use super::config::Config;
use super::event::Event;

/// Where incarnations are kept beyond a node's life: a file, a row, a cell of flash.
///
/// It is written ahead, in blocks, so seldom: no incarnation is used that is not below what was
/// saved, except in the moments before a first [`save`](Self::save) succeeds. So a restarted node
/// begins above all that it ever said, and above all that others say of it. A node whose store is
/// lost is contradicted, and contradicts: that costs a round trip.
///
/// ```
/// use gossip_core::membership::{Config, Event, Store};
///
/// /// Keeps the number for as long as the process runs.
/// #[derive(Default)]
/// struct Cell(Option<u32>);
///
/// impl Store for Cell {
///     type Error = core::convert::Infallible;
///     fn load(&mut self) -> Result<Option<u32>, Self::Error> {
///         Ok(self.0)
///     }
///     fn save(&mut self, reserved: u32) -> Result<(), Self::Error> {
///         self.0 = Some(reserved);
///         Ok(())
///     }
/// }
///
/// let mut store = Cell::default();
/// assert_eq!(Config::default().resume(&mut store)?.incarnation, 0);
/// // While the node runs, its events are shown to the store.
/// store.keep(&Event::<u32>::Reserve(256))?;
/// store.keep(&Event::Told(7))?;
/// // The next life begins there.
/// assert_eq!(Config::default().resume(&mut store)?.incarnation, 256);
/// # Ok::<(), core::convert::Infallible>(())
/// ```
pub trait Store {
    /// What may go wrong.
    type Error;

    /// What was saved last; `None` if nothing ever was.
    ///
    /// # Errors
    ///
    /// If it cannot be read. To start with 0 then is safe, but slower to be believed.
    fn load(&mut self) -> Result<Option<u32>, Self::Error>;

    /// Keeps `reserved`, and returns when it will outlive the node.
    ///
    /// # Errors
    ///
    /// If it cannot be kept.
    fn save(&mut self, reserved: u32) -> Result<(), Self::Error>;

    /// Saves what `event` asks to be stored, if it does.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    fn keep<I>(&mut self, event: &Event<I>) -> Result<(), Self::Error> {
        match event {
            Event::Reserve(reserved) => self.save(*reserved),
            _ => Ok(()),
        }
    }
}

impl Config {
    /// These parameters, beginning with the incarnation that `store` kept.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn resume<S: Store>(self, store: &mut S) -> Result<Self, S::Error> {
        let incarnation = store.load()?.unwrap_or(self.incarnation).max(self.incarnation);
        Ok(Self { incarnation, ..self })
    }
}
