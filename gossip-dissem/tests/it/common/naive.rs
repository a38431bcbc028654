//! A second computation: the process of Demers et al. 1987, section 1.4, as arrays of states and
//! counters, in synchronous cycles. It knows nothing of messages, feedback or tables. And that of
//! Karp et al. 2000, section 3, the median counter, alike.

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
    /// Of two infective sites only the one with the smaller counter counts, or both.
    pub(crate) minimised: bool,
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
                if !(ways.minimised && exceeds(before[i], before[j])) {
                    judge(before[j], i, &mut useful, &mut useless);
                }
                infect(j, &mut sites, cycle, &mut out);
            }
            if ways.pull && matches!(before[j], Infective(_)) {
                let needed = before[i] == Susceptible;
                *(if needed { &mut out.answered } else { &mut out.withheld }) += 1.0;
                if !(ways.minimised && exceeds(before[j], before[i])) {
                    judge(before[i], j, &mut useful, &mut useless);
                }
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

/// Whether both are infective, and the counter of `site` is larger.
fn exceeds(site: Site, other: Site) -> bool {
    matches!((site, other), (Infective(mine), Infective(its)) if mine > its)
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

/// What a median-counter rumor came to.
pub(crate) struct Spent {
    /// Copies sent, a player.
    pub(crate) copies: f64,
    /// Players that never heard.
    pub(crate) left: usize,
}

/// A player's state: A is 0, B-m is m, C is [`COLD`] and up by the rounds spent in it.
const COLD: u32 = 1_000;
/// D.
const DONE: u32 = u32::MAX;
/// Rounds after which all stop: the paper's cut-off.
const CUT_OFF: u32 = 64;

/// Spreads one rumor from player 0: B-m turns to C when m would reach `limit`, C to D after
/// `linger` rounds.
pub(crate) fn median(limit: u32, linger: u32, n: usize, seed: u64) -> Spent {
    let mut random = Key::new(seed).with(0x3d1a).random(0);
    let mut players = vec![0_u32; n];
    players[0] = 1;
    let spreads = |&player: &u32| player > 0 && player != DONE;
    let mut copies = 0;
    for _ in 0..CUT_OFF {
        let before = players.clone();
        let mut met = vec![Met::default(); n];
        for i in 0..n {
            let j = other(i, n, &mut random);
            for (from, to) in [(i, j), (j, i)] {
                copies += u32::from(spreads(&before[from]));
                met[to].note(before[from], before[to]);
            }
        }
        for (player, met) in players.iter_mut().zip(met) {
            *player = met.turn(*player, limit, linger);
        }
        if !players.iter().any(spreads) {
            break;
        }
    }
    let left = players.iter().filter(|&&player| player == 0).count();
    Spent { copies: f64::from(copies) / n as f64, left }
}

/// Whom a player has met in a round.
#[derive(Clone, Copy, Default)]
struct Met {
    all: u32,
    /// In B with at least this player's counter, or in C.
    ahead: u32,
    warm: bool,
    cold: bool,
}

impl Met {
    fn note(&mut self, player: u32, own: u32) {
        self.all += 1;
        if player > 0 && player != DONE {
            self.ahead += u32::from(player >= own);
            let met = if player >= COLD { &mut self.cold } else { &mut self.warm };
            *met = true;
        }
    }

    fn turn(self, player: u32, limit: u32, linger: u32) -> u32 {
        match player {
            0 if self.warm => 1,
            0 if self.cold => COLD,
            0 => 0,
            DONE => DONE,
            cold if cold >= COLD && cold + 1 >= COLD + linger => DONE,
            cold if cold >= COLD => cold + 1,
            _ if self.cold => COLD,
            m if 2 * self.ahead > self.all && m + 1 >= limit => COLD,
            m if 2 * self.ahead > self.all => m + 1,
            m => m,
        }
    }
}
