//! Latency by place: measured matrices of round trips, such as the King data set of `p2psim`
//! (Gummadi, Saroiu, Gribble: *King*, IMW 2002), and synthetic ones.

use core::error::Error;
use core::fmt::{self, Write};
use core::time::Duration;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::latency::normal;
use crate::error::ParameterError;
use crate::random::{Key, mix};

/// How a text holds round trips. Words are parted by spaces, tabs or commas; lines that begin with
/// `#` and empty lines are skipped; a negative time, as the data sets have it, was not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line per pair: two numbers of places, from any base and with any gaps, and the round trip.
    /// What only one direction has counts for both.
    Pairs,
    /// A line per place: the round trips to all.
    Square,
}

/// In what a text counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds, as the King data set of `p2psim` does.
    Micros,
    /// Milliseconds.
    Millis,
}

/// How nodes are put at places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// Node number modulo the number of places.
    InTurn,
    /// At random by this seed, each place as likely.
    Random(u64),
}

/// The latency between any two places.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::sim::link::{Form, Latency, Matrix, Network, Placing, Unit};
///
/// let text = "1 2 10000\n1 3 30000\n3 1 34000\n2 3 20000\n";
/// let matrix = Matrix::parse(text, Form::Pairs, Unit::Micros)?;
/// assert_eq!(matrix.places(), 3);
/// // One way takes half of a round trip.
/// assert_eq!(matrix.between(0, 2), Duration::from_millis(15));
/// assert_eq!(matrix.between(2, 0), Duration::from_millis(17));
///
/// // What a link adds to the matrix, here nothing, is its latency.
/// let network = Network::new(Latency::Constant(Duration::ZERO)).places(matrix, Placing::InTurn);
/// # drop(network);
///
/// let error = Matrix::parse("1 2 10000\n1 3 fast\n", Form::Pairs, Unit::Micros).unwrap_err();
/// assert_eq!(error.to_string(), "line 2, column 5: `fast` is no time");
/// # Ok::<(), gossip_core::sim::link::MatrixError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    places: usize,
    /// Microseconds one way, row by row.
    delays: Vec<u32>,
    /// Pairs that were filled in.
    missing: usize,
}

/// The most places: 256 MiB of delays.
pub const MAX_PLACES: usize = 8_192;

/// The longest round trip, in microseconds: a minute.
const LONGEST: f64 = 60e6;

/// The delay between nodes at one place: a local network. Our choice.
const LOCAL: u32 = 250;

/// Not measured.
const MISSING: u32 = u32::MAX;

/// Why a text is no matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixError {
    /// The line that is wrong, from 1; 0 if it is the whole.
    pub line: usize,
    /// Where in the line, in bytes from 1; 0 if it is the whole.
    pub column: usize,
    /// What is wrong.
    pub cause: String,
}

impl MatrixError {
    fn new(line: usize, column: usize, cause: impl Into<String>) -> Self {
        Self { line, column, cause: cause.into() }
    }
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, cause } = self;
        match (line, column) {
            (0, _) => write!(f, "{cause}"),
            (_, 0) => write!(f, "line {line}: {cause}"),
            _ => write!(f, "line {line}, column {column}: {cause}"),
        }
    }
}

impl Error for MatrixError {}

/// A word, and where it stands.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    line: usize,
    column: usize,
}

impl Word<'_> {
    fn wrong(&self, why: &str) -> MatrixError {
        let shown: String = self.text.chars().take(40).collect();
        MatrixError::new(self.line, self.column, format!("`{shown}` {why}"))
    }

    /// The text's number of a place.
    fn place(&self) -> Result<u64, MatrixError> {
        self.text.parse().map_err(|_| self.wrong("is no number of a place"))
    }

    /// Microseconds one way.
    fn delay(&self, unit: Unit) -> Result<u32, MatrixError> {
        let scale = if unit == Unit::Millis { 1e3 } else { 1.0 };
        let trip = self.text.parse::<f64>().map_err(|_| self.wrong("is no time"))? * scale;
        if trip < 0.0 {
            Ok(MISSING)
        } else if trip <= LONGEST {
            Ok(libm::round(trip / 2.0) as u32)
        } else {
            Err(self.wrong("is no time from 0 to a minute"))
        }
    }
}

/// The lines of `text` that say something, each as its words.
fn lines(text: &str) -> impl Iterator<Item = Vec<Word<'_>>> {
    let parts = |c: char| c.is_whitespace() || c == ',';
    text.lines().enumerate().filter_map(move |(at, line)| {
        let mut column = 1;
        let mut words = Vec::new();
        for piece in line.split_inclusive(parts) {
            let text = piece.trim_end_matches(parts);
            if !text.is_empty() {
                words.push(Word { text, line: at + 1, column });
            }
            column += piece.len();
        }
        let says = words.first().is_some_and(|word| !word.text.starts_with('#'));
        says.then_some(words)
    })
}

impl Matrix {
    /// Reads a matrix. Pairs not measured in either direction get the median of all that were.
    ///
    /// # Errors
    ///
    /// Names the line, the column and what is wrong there: a word that is no number, a time beyond
    /// a minute, a line of the wrong length, more than [`MAX_PLACES`] places. Fewer than half of
    /// all pairs are no matrix either: a text may be hostile, and its matrix must not be much
    /// larger than itself.
    pub fn parse(text: &str, form: Form, unit: Unit) -> Result<Self, MatrixError> {
        match form {
            Form::Pairs => Self::parse_pairs(text, unit),
            Form::Square => Self::parse_square(text, unit),
        }
    }

    fn parse_pairs(text: &str, unit: Unit) -> Result<Self, MatrixError> {
        let mut pairs = Vec::new();
        // From the text's numbers to ours, in their order.
        let mut rows: BTreeMap<u64, usize> = BTreeMap::new();
        for words in lines(text) {
            let &[from, to, trip] = &words[..] else {
                let line = words.first().map_or(0, |word| word.line);
                return Err(MatrixError::new(line, 0, "a pair is two places and a round trip"));
            };
            let (from, to) = (from.place()?, to.place()?);
            rows.extend([(from, 0), (to, 0)]);
            if rows.len() > MAX_PLACES {
                return Err(MatrixError::new(trip.line, 0, "more than 8192 places"));
            }
            pairs.push((from, to, trip.delay(unit)?));
        }
        rows.values_mut().enumerate().for_each(|(at, row)| *row = at);
        let places = rows.len();
        if 4 * pairs.len() < places * places.saturating_sub(1) {
            return Err(MatrixError::new(0, 0, "fewer than half of all pairs are given"));
        }
        let mut delays = vec![MISSING; places * places];
        for (from, to, delay) in pairs {
            delays[rows[&from] * places + rows[&to]] = delay;
        }
        Self::complete(places, delays)
    }

    fn parse_square(text: &str, unit: Unit) -> Result<Self, MatrixError> {
        let mut delays = Vec::new();
        let (mut places, mut last) = (None, 0);
        for words in lines(text) {
            last = words[0].line;
            let width = *places.get_or_insert(words.len());
            if width > MAX_PLACES {
                return Err(MatrixError::new(last, 0, "more than 8192 places"));
            }
            if words.len() != width {
                let cause = format!("{} times in a matrix of {width}", words.len());
                return Err(MatrixError::new(last, 0, cause));
            }
            if delays.len() == width * width {
                return Err(MatrixError::new(last, 0, "more lines than columns"));
            }
            for word in words {
                delays.push(word.delay(unit)?);
            }
        }
        let places = places.unwrap_or(0);
        if delays.len() < places * places {
            return Err(MatrixError::new(last, 0, "fewer lines than columns"));
        }
        Self::complete(places, delays)
    }

    /// Fills in what is missing.
    fn complete(places: usize, mut delays: Vec<u32>) -> Result<Self, MatrixError> {
        let mut missing = 0;
        let off_diagonal = |at: &usize| at / places != at % places;
        let all = 0..places * places;
        let mut known: Vec<u32> = all
            .clone()
            .filter(off_diagonal)
            .map(|at| delays[at])
            .filter(|&d| d != MISSING)
            .collect();
        if known.is_empty() {
            return Err(MatrixError::new(0, 0, "no round trip between two places"));
        }
        let middle = known.len() / 2;
        let median = *known.select_nth_unstable(middle).1;
        for at in all {
            let back = at % places * places + at / places;
            if at == back {
                delays[at] = LOCAL;
            } else if delays[at] == MISSING {
                missing += usize::from(delays[back] == MISSING);
                delays[at] = if delays[back] == MISSING { median } else { delays[back] };
                // The way back is then the same, and known.
                delays[back] = delays[at];
            }
        }
        Ok(Self { places, delays, missing })
    }

    /// How many places there are.
    pub const fn places(&self) -> usize {
        self.places
    }

    /// Pairs of places that were measured in neither direction.
    pub const fn missing(&self) -> usize {
        self.missing
    }

    /// How long a message takes from place `from` to place `to`, both counted round.
    pub fn between(&self, from: usize, to: usize) -> Duration {
        let at = from % self.places * self.places + to % self.places;
        Duration::from_micros(self.delays[at].into())
    }

    /// The median round trip between two places.
    pub fn median_round_trip(&self) -> Duration {
        let trip = |at: usize| {
            let back = at % self.places * self.places + at / self.places;
            (at < back).then(|| self.delays[at] + self.delays[back])
        };
        let mut trips: Vec<u32> = (0..self.delays.len()).filter_map(trip).collect();
        let middle = trips.len() / 2;
        Duration::from_micros((*trips.select_nth_unstable(middle).1).into())
    }
}

impl fmt::Display for Matrix {
    /// As [`Form::Square`], in [`Unit::Micros`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.delays.chunks(self.places) {
            for (at, &delay) in row.iter().enumerate() {
                let part = if at == 0 { "" } else { " " };
                write!(f, "{part}{}", 2 * u64::from(delay))?;
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl Placing {
    /// The place of `node` among `places`.
    ///
    /// ```
    /// use gossip_core::sim::link::Placing;
    /// assert_eq!(Placing::InTurn.place(10, 4), 2);
    /// assert!(Placing::Random(7).place(10, 4) < 4);
    /// ```
    #[inline]
    pub const fn place(self, node: u32, places: usize) -> usize {
        match self {
            Self::InTurn => node as usize % places,
            // The upper half of the product with 64 random bits.
            Self::Random(seed) => {
                let random = mix(mix(seed) ^ node as u64);
                ((random as u128 * places as u128) >> 64) as usize
            }
        }
    }
}

/// A synthetic matrix like the King data set: places are random points in a cube, each with a
/// height that every message to or from it climbs (Dabek et al., *Vivaldi*, SIGCOMM 2004: what
/// access links add), and the round trips so found are multiplied by log-normal noise, which
/// makes them violate the triangle inequality as measured ones do.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::sim::link::Terrain;
///
/// let terrain = Terrain { places: 200, ..Terrain::default() };
/// let matrix = terrain.matrix(7)?;
/// assert_eq!(matrix.median_round_trip().as_millis(), 159);
/// assert!(Terrain { dimensions: 0, ..terrain }.matrix(7).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terrain {
    /// Places.
    pub places: usize,
    /// Dimensions of the cube.
    pub dimensions: usize,
    /// The mean of the heights, which are exponentially distributed, in edges of the cube.
    pub height: f64,
    /// The standard deviation of the noise's logarithm.
    pub noise: f64,
    /// The median round trip to which all are scaled.
    pub median: Duration,
}

impl Default for Terrain {
    /// 1,740 places and a median of 159 ms, as in the King data set (Vivaldi); the rest is our
    /// choice.
    fn default() -> Self {
        let median = Duration::from_millis(159);
        Self { places: 1_740, dimensions: 2, height: 0.1, noise: 0.1, median }
    }
}

impl Terrain {
    fn check(&self) -> Result<(), ParameterError> {
        let Self { places, dimensions, height, noise, median } = *self;
        ParameterError::new("places", places as f64, "places", "2 to 8192")
            .unless((2..=MAX_PLACES).contains(&places))?;
        ParameterError::new("dimensions", dimensions as f64, "dimensions", "1 to 16")
            .unless((1..=16).contains(&dimensions))?;
        ParameterError::new("height", height, "edges of the cube", "0 to 100")
            .unless((0.0..=100.0).contains(&height))?;
        ParameterError::new("noise", noise, "of the logarithm", "0 to 2")
            .unless((0.0..=2.0).contains(&noise))?;
        ParameterError::new("median", median.as_micros() as f64, "microseconds", "1 to 1e7")
            .unless((1..=10_000_000).contains(&median.as_micros()))
    }

    /// The matrix of this terrain that `seed` gives.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds.
    pub fn matrix(&self, seed: u64) -> Result<Matrix, ParameterError> {
        self.check()?;
        let Self { places, dimensions, height, noise, median } = *self;
        let mut random = Key::new(seed).random(0);
        let points: Vec<f64> = (0..places * dimensions).map(|_| random.unit()).collect();
        let heights: Vec<f64> = (0..places).map(|_| height * random.exponential()).collect();
        let mut trips = Vec::with_capacity(places * (places - 1) / 2);
        for (at, from) in points.chunks(dimensions).enumerate() {
            for (to_at, to) in points.chunks(dimensions).enumerate().take(at) {
                let squares = from.iter().zip(to).map(|(a, b)| (a - b) * (a - b));
                let way = libm::sqrt(squares.sum()) + heights[at] + heights[to_at];
                trips.push(way * libm::exp(noise * normal(&mut random)));
            }
        }
        let mut sorted = trips.clone();
        let middle = sorted.len() / 2;
        let found = *sorted.select_nth_unstable_by(middle, f64::total_cmp).1;
        let scale = median.as_micros() as f64 / found / 2.0;
        let mut delays = vec![LOCAL; places * places];
        let mut trips = trips.into_iter();
        for at in 0..places {
            for (to, trip) in (0..at).zip(&mut trips) {
                let delay = libm::round(trip * scale).clamp(1.0, LONGEST / 2.0) as u32;
                delays[at * places + to] = delay;
                delays[to * places + at] = delay;
            }
        }
        Ok(Matrix { places, delays, missing: 0 })
    }
}
