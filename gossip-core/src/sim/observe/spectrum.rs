//! How fast random walks forget where they began: the spectrum of an overlay.

use alloc::vec;
use alloc::vec::Vec;

use super::Graph;
use crate::random::Key;

/// The ends of the spectrum of a graph's normalised adjacency D^-1/2 A D^-1/2, whose largest
/// eigenvalue is 1. On a d-regular graph the adjacency's own eigenvalues are d times these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spectrum {
    /// The second largest eigenvalue: 1 if the graph has parts that are not connected.
    pub second: f64,
    /// The least eigenvalue: -1 if the graph is bipartite.
    pub least: f64,
    /// How far either may be from a true eigenvalue: a bound of linear algebra, up to rounding.
    pub residual: f64,
    /// Steps taken.
    pub steps: usize,
}

impl Spectrum {
    /// The spectral gap: 1 less the second largest eigenvalue.
    pub const fn gap(&self) -> f64 {
        1.0 - self.second
    }

    /// 1 less the largest eigenvalue by magnitude, the first apart: what bounds the mixing time of
    /// walks that never rest.
    pub const fn absolute_gap(&self) -> f64 {
        1.0 - self.second.abs().max(self.least.abs())
    }
}

/// A norm below which nothing new is left to look for.
const NOTHING: f64 = 1e-10;

impl Graph {
    /// The ends of the spectrum of this [undirected](Self::undirected) graph, to a residual of
    /// `precision` or after `most` steps, whichever comes first. A node without links counts as
    /// having one to itself, so that it is a part of its own. `None` with fewer than two nodes.
    ///
    /// Lanczos's iteration (C. Lanczos, J. Res. NBS 45(4), 1950) on what is orthogonal to the first
    /// eigenvector: no more memory than four numbers a node. It finds the ends first, and may find
    /// an eigenvalue twice, which does not move them.
    ///
    /// ```
    /// use gossip_core::sim::topology;
    /// // The complete graph of n: second and least are both -1/(n - 1).
    /// let spectrum = topology::complete(11)?.spectrum(1e-9, 100).unwrap();
    /// assert!((spectrum.second + 0.1).abs() < 1e-9 && (spectrum.gap() - 1.1).abs() < 1e-9);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn spectrum(&self, precision: f64, most: usize) -> Option<Spectrum> {
        self.nodes().nth(1)?;
        let walk = Walk::new(self);
        let mut vector = walk.start();
        let mut before = vec![0.0; vector.len()];
        let mut next = vec![0.0; vector.len()];
        let mut ends = Tridiagonal::default();
        let mut beta = 0.0;
        loop {
            walk.step(self, &vector, &mut next);
            let alpha = dot(&vector, &next);
            for at in 0..next.len() {
                next[at] -= alpha * vector[at] + beta * before[at];
            }
            walk.deflate(&mut next);
            beta = libm::sqrt(dot(&next, &next));
            ends.push(alpha, beta);
            let over = beta < NOTHING || ends.len() >= most.max(1);
            // The ends cost as much as the steps so far: they are looked at every tenth step.
            if over || ends.len().is_multiple_of(10) {
                let spectrum = ends.spectrum();
                if over || spectrum.residual <= precision {
                    return Some(spectrum);
                }
            }
            core::mem::swap(&mut before, &mut vector);
            for at in 0..next.len() {
                vector[at] = next[at] / beta;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Makes the length 1, if there is any.
fn normalise(vector: &mut [f64]) {
    let norm = libm::sqrt(dot(vector, vector));
    if norm > 0.0 {
        for part in vector {
            *part /= norm;
        }
    }
}

/// The matrix, as far as the graph does not say it.
struct Walk {
    /// 1 / sqrt(degree); 0 for the dead.
    scale: Vec<f64>,
    /// The first eigenvector: sqrt(degree), of length 1.
    first: Vec<f64>,
}

impl Walk {
    fn new(graph: &Graph) -> Self {
        let degree = |node: u32| graph.known_to(node).len().max(1) as f64;
        let live = |node: u32| f64::from(graph.is_live(node));
        let all = 0..graph.live.len() as u32;
        let scale = all.clone().map(|node| live(node) / libm::sqrt(degree(node))).collect();
        let mut first: Vec<f64> = all.map(|node| live(node) * libm::sqrt(degree(node))).collect();
        normalise(&mut first);
        Self { scale, first }
    }

    /// Where the iteration begins: numbers without pattern, the same for every graph of a size.
    fn start(&self) -> Vec<f64> {
        let mut random = Key::new(0).with(SPECTRUM).random(0);
        let part = |&scale: &f64| if scale > 0.0 { random.unit() - 0.5 } else { 0.0 };
        let mut vector: Vec<f64> = self.scale.iter().map(part).collect();
        self.deflate(&mut vector);
        normalise(&mut vector);
        vector
    }

    /// Takes the first eigenvector out; twice, for what rounding leaves.
    fn deflate(&self, vector: &mut [f64]) {
        for _ in 0..2 {
            let part = dot(vector, &self.first);
            for (value, first) in vector.iter_mut().zip(&self.first) {
                *value -= part * first;
            }
        }
    }

    fn step(&self, graph: &Graph, from: &[f64], to: &mut [f64]) {
        for node in graph.nodes() {
            let at = node as usize;
            let around = graph.known_to(node);
            let known = around.iter().map(|&near| from[near as usize] * self.scale[near as usize]);
            to[at] = if around.is_empty() { from[at] } else { self.scale[at] * known.sum::<f64>() };
        }
    }
}

/// The matrix that the iteration makes of the graph's: numbers on the diagonal, and beside it.
#[derive(Default)]
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// The last is the coupling to the step that was not taken.
    beside: Vec<f64>,
}

impl Tridiagonal {
    fn push(&mut self, alpha: f64, beta: f64) {
        self.diagonal.push(alpha);
        self.beside.push(beta);
    }

    fn len(&self) -> usize {
        self.diagonal.len()
    }

    fn spectrum(&self) -> Spectrum {
        let (second, least) = (self.end(true), self.end(false));
        let residual = self.residual(second).max(self.residual(least));
        Spectrum { second, least, residual, steps: self.len() }
    }

    /// The largest eigenvalue, or the least, by bisection.
    fn end(&self, largest: bool) -> f64 {
        let all = self.len();
        let (mut low, mut high) = (-1.0 - 1e-9, 1.0 + 1e-9);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            let below = self.below(middle);
            let above_middle = if largest { below < all } else { below == 0 };
            if above_middle { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }

    /// How many eigenvalues are below `value` (Sturm's count, from the pivots of the shifted
    /// matrix).
    fn below(&self, value: f64) -> usize {
        let mut count = 0;
        let mut pivot = 1.0;
        let mut beside = 0.0;
        for (at, &diagonal) in self.diagonal.iter().enumerate() {
            pivot = diagonal - value - beside * beside / pivot;
            if pivot.abs() < 1e-300 {
                pivot = -1e-300;
            }
            count += usize::from(pivot < 0.0);
            beside = self.beside[at];
        }
        count
    }

    /// How far `value` is at most from an eigenvalue of the graph: the last coupling times the last
    /// part of its eigenvector here (Paige's bound), by two steps of inverse iteration.
    fn residual(&self, value: f64) -> f64 {
        let mut vector = vec![1.0; self.len()];
        for _ in 0..2 {
            self.solve(value, &mut vector);
            normalise(&mut vector);
        }
        let last = self.len() - 1;
        self.beside[last] * vector[last].abs()
    }

    /// Solves (T - value) x = vector, in place: elimination with pivots (as a band of two above
    /// the diagonal).
    fn solve(&self, value: f64, vector: &mut [f64]) {
        let n = self.len();
        let shift = |at: usize| self.diagonal[at] - value;
        let up = |at: usize| if at + 1 < n { self.beside[at] } else { 0.0 };
        let mut rows: Vec<[f64; 3]> = Vec::with_capacity(n);
        let mut row = [shift(0), up(0), 0.0];
        for at in 0..n - 1 {
            let mut below = [self.beside[at], shift(at + 1), up(at + 1)];
            if below[0].abs() > row[0].abs() {
                core::mem::swap(&mut row, &mut below);
                vector.swap(at, at + 1);
            }
            let factor = if row[0] == 0.0 { 0.0 } else { below[0] / row[0] };
            vector[at + 1] -= factor * vector[at];
            let rest = [below[1] - factor * row[1], below[2] - factor * row[2], 0.0];
            rows.push(row);
            row = rest;
        }
        rows.push(row);
        for at in (0..n).rev() {
            let next = |step: usize| vector.get(at + step).copied().unwrap_or(0.0);
            let left = vector[at] - rows[at][1] * next(1) - rows[at][2] * next(2);
            let pivot = rows[at][0];
            vector[at] = left / if pivot.abs() < 1e-18 { 1e-18 } else { pivot };
        }
    }
}

/// The name of the start's randomness.
const SPECTRUM: u64 = 0x73_7065_6374;
