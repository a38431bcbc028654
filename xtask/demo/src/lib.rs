//! `cargo xtask demo`: a live cluster on real sockets, that shows what the layers do.
//!
//! Each node has its own UDP socket on loopback, knows one other, and runs the same
//! [`stack`](stack::Demo) of nine layers, sealed with one secret, with a lane under certificates of
//! its own. They meet, agree, find keys, hear news and writes, fetch what does not fit a datagram;
//! a third is killed without notice; the rest repairs itself. What is checked on the way makes the
//! report; in the end the recording of each node is replayed, and must end as the node did.

mod checks;
mod cluster;
mod film;
mod lane;
mod measure;
mod plan;
mod report;
mod scenario;
pub mod stack;
mod view;

pub use plan::Request;

use plan::Plan;
use scenario::Run;
use view::View;

use xtask_base::{Failure, Stopwatch};

/// Runs the demo, and prints its report on stdout.
pub fn run(request: &Request) -> Result<(), Failure> {
    let plan = Plan::of(request)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Failed(format!("cannot start tokio: {e}")))?;
    let clock = Stopwatch::start();
    let checks = runtime.block_on(play(&plan))?;
    let seconds = clock.elapsed().as_secs_f64();
    if plan.json {
        println!("{}", report::json(&plan, &checks, seconds));
    } else {
        println!("\n{}", report::text(&plan, &checks, seconds));
    }
    if checks.iter().all(|check| check.pass) {
        Ok(())
    } else {
        Err(Failure::Failed("not every check held".to_owned()))
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeExamples;

/// The scenario, until its end or Ctrl-C; then all nodes are stopped.
async fn play(plan: &Plan) -> Result<Vec<checks::Check>, Failure> {
    let mut view = View::of(plan);
    let mut run = Run::start(plan, &mut view).await?;
    let outcome = tokio::select! {
        outcome = run.play() => outcome,
        _ = tokio::signal::ctrl_c() => {
            Err(Failure::Failed("stopped by Ctrl-C, before the report".to_owned()))
        }
    };
    run.stop().await;
    let mut checks = outcome?;
    checks.push(run.replay());
    Ok(checks)
}
