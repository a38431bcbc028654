//! Jobs on several threads, whose results do not depend on how many there are.

use crate::Failure;
use crate::progress::Progress;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// What a worker says.
enum Said<T> {
    /// A step is done.
    Step,
    /// A job is done.
    Done(u32, Result<T, Failure>),
}

/// The results of jobs 0 to `jobs` - 1, in that order, with `threads` of them at the same time.
/// `work` calls its second argument once for each step it is counted by in `progress`. If jobs
/// fail, the failure of the first of them in order is returned.
pub fn ordered<T: Send>(
    jobs: u32,
    threads: usize,
    progress: Progress,
    work: impl Fn(u32, &dyn Fn()) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let next = AtomicU32::new(0);
    let (send, said) = channel();
    let run = |send: Sender<Said<T>>| {
        while let Some(job) = take(&next, jobs) {
            // The receiver outlives every worker.
            let step = || drop(send.send(Said::Step));
            let outcome = work(job, &step);
            if outcome.is_err() {
                // No more are begun. All earlier ones are, so the first to fail is always found.
                next.fetch_max(jobs, Ordering::Relaxed);
            }
            let _ = send.send(Said::Done(job, outcome));
        }
    };
    let threads = threads.clamp(1, jobs.max(1) as usize);
    thread::scope(|scope| {
        for _ in 0..threads {
            let send = send.clone();
            let run = &run;
            scope.spawn(move || run(send));
        }
        drop(send);
        collect(&said, progress)
    })
}

/// Takes results until every worker is done, and puts them in order.
fn collect<T>(said: &Receiver<Said<T>>, mut progress: Progress) -> Result<Vec<T>, Failure> {
    let mut results = BTreeMap::new();
    loop {
        match said.recv_timeout(Duration::from_secs(1)) {
            Ok(Said::Step) => progress.advance(),
            Ok(Said::Done(job, outcome)) => drop(results.insert(job, outcome)),
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    progress.finish();
    results.into_values().collect()
}

/// The next job that nobody has taken.
fn take(next: &AtomicU32, jobs: u32) -> Option<u32> {
    let step = |at| (at < jobs).then_some(at + 1);
    next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()
}
