//! A second computation: the process of Demers et al. 1987, section 1.4, as arrays of states and
//! counters, in synchronous cycles. It knows nothing of messages, feedback or tables.

use super::Outcome;
use gossip_core::random::{Key, Random};

#[derive(Clone, Copy, PartialEq)]
enum Site {
    Susceptible,
    Infective(u32),
    Removed,
}
use Site::{Infective, Removed, Susceptible};

/// Which way updates go.
#[derive(Clone, Copy)]
pub(crate) struct Ways {
    pub(crate) push: bool,
    pub(crate) pull: bool,
}

/// Spreads one update from site 0. In `Outcome`, `withheld` counts answers to who knew it.
pub(crate) fn epidemic(ways: Ways, k: u32, n: usize, seed: u64) -> Outcome {
    let mut random = Key::new(seed).with(0xa11a).random(0);
    let mut sites = vec![Susceptible; n];
    sites[0] = Infective(0);
    let mut out = Outcome::default();
    let mut cycle = 0;
    while sites.iter().any(|site| matches!(site, Infective(_))) {
        cycle += 1;
        let before = sites.clone();
        let (mut useful, mut useless) = (vec![false; n], vec![false; n]);
        for i in 0..n {
            let j = other(i, n, &mut random);
            if ways.push && matches!(before[i], Infective(_)) {
                out.pushed += 1.0;
                judge(before[j], i, &mut useful, &mut useless);
                infect(j, &mut sites, cycle, &mut out);
            }
            if ways.pull && matches!(before[j], Infective(_)) {
                let needed = before[i] == Susceptible;
                *(if needed { &mut out.answered } else { &mut out.withheld }) += 1.0;
                judge(before[i], j, &mut useful, &mut useless);
                infect(i, &mut sites, cycle, &mut out);
            }
        }
        for i in 0..n {
            if let Infective(count) = before[i] {
                let count = if useful[i] { 0 } else { count + u32::from(useless[i]) };
                sites[i] = if count >= k { Removed } else { Infective(count) };
            }
        }
    }
    let heard = sites.iter().filter(|&&site| site != Susceptible).count() as f64;
    out.residue = 1.0 - heard / n as f64;
    for part in [&mut out.pushed, &mut out.answered, &mut out.withheld] {
        *part /= n as f64;
    }
    out.t_ave /= heard;
    out
}

/// A site other than `i`, each as likely.
fn other(i: usize, n: usize, random: &mut Random) -> usize {
    let j = random.below(n - 1);
    j + usize::from(j >= i)
}

/// Site `i` has offered the update to a site that was in `state`.
fn judge(state: Site, i: usize, useful: &mut [bool], useless: &mut [bool]) {
    *(if state == Susceptible { &mut useful[i] } else { &mut useless[i] }) = true;
}

/// Site `j` is infective from the next cycle on, if it was susceptible.
fn infect(j: usize, sites: &mut [Site], cycle: u32, out: &mut Outcome) {
    if sites[j] == Susceptible {
        sites[j] = Infective(0);
        out.t_last = f64::from(cycle);
        out.t_ave += f64::from(cycle);
    }
}
