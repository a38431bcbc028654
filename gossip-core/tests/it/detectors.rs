//! Failure detectors against their papers: Hayashibara, Defago, Yared, Katayama, *The phi accrual
//! failure detector*, SRDS 2004.
//!
//! Numbers with 17 digits were computed with 40 (mpmath); rates are closed forms, each stated.

use std::time::Duration;

use gossip_core::Time;
use gossip_core::membership::detector::tail::{deviations, phi};
use gossip_core::membership::{Deadline, Detector, Phi, PhiConfig, Probes};
use gossip_core::random::{Key, Random};
use proptest::prelude::*;

const MILLI: Duration = Duration::from_millis(1);

/// phi, and the deviations at which it is reached.
const TABLE: [(f64, f64); 16] = [
    (1.0, 1.281_551_565_544_600_5),
    (2.0, 2.326_347_874_040_841),
    (3.0, 3.090_232_306_167_813_5),
    (5.0, 4.264_890_793_922_825),
    (8.0, 5.612_001_244_174_789),
    (10.0, 6.361_340_902_404_057),
    (12.0, 7.034_483_825_301_132),
    (15.0, 7.941_345_326_170_997),
    (16.0, 8.222_082_216_130_436),
    (17.0, 8.493_793_224_109_598),
    (20.0, 9.262_340_089_798_408),
    (50.0, 14.933_337_534_788_49),
    (100.0, 21.273_453_560_965_324),
    (300.0, 37.047_096_299_361_2),
    (400.0, 42.810_227_206_611_34),
    (1_000.0, 67.785_685_596_602_62),
];

/// What phi comes to if it is written down as it is defined.
fn naive(z: f64) -> f64 {
    let cdf = 0.5 * (1.0 + libm::erf(z * core::f64::consts::FRAC_1_SQRT_2));
    -libm::log10(1.0 - cdf)
}

#[test]
fn phi_is_exact_to_16_and_far_beyond_where_the_naive_formula_is_infinite() {
    for (level, z) in TABLE {
        // z is rounded to 2^-53 of itself; phi's slope is z / ln 10: at most 1e-13 of phi.
        assert!((phi(z) / level - 1.0).abs() < 1e-12, "phi({z}) = {}", phi(z));
        assert!((deviations(level) / z - 1.0).abs() < 1e-12, "z({level}) = {}", deviations(level));
    }
    // Below the mean, and at it.
    assert!((phi(-1.0) - 0.075_026_012_957_818_02).abs() < 1e-16);
    assert!((phi(-8.0) / 2.701_728_849_543_921_3e-16 - 1.0).abs() < 1e-12);
    assert_eq!(phi(f64::NEG_INFINITY), 0.0);
    assert_eq!(phi(f64::NAN), phi(0.0));
    assert!(phi(f64::INFINITY).is_finite());
    // Both sides of where the series takes over.
    assert!((phi(24.9) / 136.429_447_805_178_47 - 1.0).abs() < 1e-13);
    assert!((phi(25.1) / 138.604_383_558_698_7 - 1.0).abs() < 1e-13);
    // The control: nine digits are gone by 8, the rest by 16, and then it is infinite.
    let error = |at: usize| (naive(TABLE[at].1) - TABLE[at].0).abs();
    assert!(error(4) > 1e-10, "{}", error(4));
    assert!(error(8) > 1e-2, "{}", error(8));
    assert_eq!(naive(8.5), f64::INFINITY);
}

/// Test 1 of the papers' notes: phi at mean + z deviations is the threshold, for 1 to 16, with a
/// window of 0.9 s and 1.1 s: mean 1 s, deviation 100 ms.
#[test]
fn phi_at_the_mean_plus_z_deviations_is_the_threshold() {
    let config = PhiConfig { window: 1_000, floor: MILLI, ..PhiConfig::default() };
    let detector = Phi::new(config).unwrap();
    let mut record = detector.begin(Time::ZERO);
    let mut now = Time::ZERO;
    for beat in 0..1_500 {
        now = now + if beat % 2 == 0 { MILLI * 900 } else { MILLI * 1_100 };
        detector.heard(&mut record, now);
    }
    assert_eq!((record.len(), record.mean(), record.deviation()), (1_000, 1e6, 1e5));
    for level in 1..=16 {
        let level = f64::from(level);
        let z = deviations(level);
        let at = now + Duration::from_micros((1e6 + z * 1e5) as u64);
        // A microsecond is 1e-5 deviations, times the slope, below (z + 1/z) / ln 10.
        let slope = (z + 1.0 / z) / core::f64::consts::LN_10;
        let seen = detector.suspicion(&record, at);
        assert!((seen - level).abs() <= 1.1e-5 * slope, "{seen} at {level}");
        // What is due is what is reached, and not before.
        let due = detector.due(&record, detector.limit(level).unwrap());
        assert!(detector.suspicion(&record, due) >= level - 1e-9);
        let before = Time::from_micros(due.as_micros() - 1);
        assert!(detector.suspicion(&record, before) < level);
    }
}

/// A normal variable, by Box and Muller.
fn normal(random: &mut Random) -> f64 {
    let radius = (2.0 * random.exponential()).sqrt();
    radius * libm::cos(core::f64::consts::TAU * random.unit())
}

/// Of silences, the share that reached each level.
fn mistakes<D: Detector, const L: usize>(
    detector: &D,
    levels: [f64; L],
    beats: u32,
    mut silence: impl FnMut() -> Duration,
) -> [f64; L] {
    let limits = levels.map(|level| detector.limit(level).unwrap());
    let (mut now, mut wrong) = (Time::ZERO, [0_u32; L]);
    let mut record = detector.begin(now);
    for beat in 0..beats + WARM {
        now = now + silence();
        if beat >= WARM {
            for (wrong, &limit) in wrong.iter_mut().zip(&limits) {
                *wrong += u32::from(detector.due(&record, limit) < now);
            }
        }
        detector.heard(&mut record, now);
    }
    wrong.map(|wrong| f64::from(wrong) / f64::from(beats))
}

/// Heartbeats that are not judged, so that windows are full.
const WARM: u32 = 2_000;

fn paper() -> Phi {
    let expected = MILLI * 100;
    Phi::new(PhiConfig { expected, floor: MILLI, ..PhiConfig::default() }).unwrap()
}

/// Test 2: of normal silences, N(100 ms, 10 ms), one in 10^phi is a mistake: 10^6 heartbeats. The
/// tolerances, 5, 10 and 25 %, are 16, 10 and 8 standard deviations.
#[test]
fn normal_silences_are_mistaken_once_in_ten_to_the_phi() {
    let seed = 1;
    let mut random = Key::new(seed).random(0);
    let silence = || Duration::from_micros((1e5 + 1e4 * normal(&mut random)) as u64);
    let seen = mistakes(&paper(), [1.0, 2.0, 3.0, 8.0], 1_000_000, silence);
    for (seen, (expected, tolerance)) in seen.iter().zip([(0.1, 0.05), (0.01, 0.1), (1e-3, 0.25)]) {
        assert!((seen / expected - 1.0).abs() < tolerance, "{seen}, not {expected}; seed {seed}");
    }
    // 0.01 mistakes are expected.
    assert_eq!(seen[3], 0.0, "seed {seed}");
}

/// Under loss silences are not normal: of 20 % loss they are geometric, with mean 1.25 and
/// deviation .559 intervals. So the lines at 2, 5, 8 are after 2.55, 3.63, 4.39, and as many
/// mistakes are silences of 3, 4, 5 intervals or more: .2^2, .2^3, .2^4 of all. A control: 10^-phi
/// is far off. Deviations of the counts: 196, 89, 40 of 40,000, 8,000, 1,600; six of them.
#[test]
fn lost_heartbeats_are_mistaken_as_the_geometric_law_says() {
    let seed = 2;
    let mut random = Key::new(seed).random(0);
    let silence = || {
        let mut silence = MILLI * 100;
        while random.chance(0.2) {
            silence += MILLI * 100;
        }
        silence
    };
    let levels = [2.0, 5.0, 8.0];
    let seen = mistakes(&paper(), levels, 1_000_000, silence);
    for (at, (expected, tolerance)) in
        [(0.04, 0.03), (0.008, 0.07), (0.0016, 0.15)].iter().enumerate()
    {
        let off = seen[at] / expected - 1.0;
        assert!(off.abs() < *tolerance, "{} at {}; seed {seed}", seen[at], levels[at]);
    }
    assert!(seen[2] > 1e4 * 1e-8, "control");
}

/// What accrual is for: the detector follows the network. Jitter grows from 5 to 50 ms at the same
/// pace of 100 ms: phi makes one mistake in a thousand before and after, while a timeout that was
/// right before, mean + 3.09 deviations, is wrong after: for P(z > .31) = 38 % of all silences.
#[test]
fn phi_follows_the_jitter_and_a_timeout_does_not() {
    let seed = 3;
    let timeout = Deadline::new(Duration::from_micros(100_000 + 15_451)).unwrap();
    for (jitter, fixed) in [(5e3, 0.001), (2e4, 0.219_9)] {
        let draw = |stream| {
            let mut random = Key::new(seed).random(stream);
            move || Duration::from_micros((1e5 + jitter * normal(&mut random)).max(0.0) as u64)
        };
        let [phi] = mistakes(&paper(), [3.0], 200_000, draw(0));
        // 200 expected, deviation 14.
        assert!((phi - 0.001).abs() < 4e-4, "{phi} at {jitter}; seed {seed}");
        let [seen] = mistakes(&timeout, [1.0], 200_000, draw(1));
        // Within five deviations of the count, or four in ten at 200.
        assert!((seen / fixed - 1.0).abs() < 0.4, "{seen}, not {fixed}; seed {seed}");
    }
}

/// Clockwork has no deviation: the floor is what is waited for, and the made-up start has gone from
/// the window. A microsecond more or less is no reason.
#[test]
fn clockwork_is_judged_by_the_floor() {
    let config = PhiConfig { window: 100, floor: MILLI * 10, ..PhiConfig::default() };
    let detector = Phi::new(config).unwrap();
    let mut record = detector.begin(Time::ZERO);
    let mut now = Time::ZERO;
    for _ in 0..200 {
        now = now + MILLI * 1_000;
        assert!(detector.suspicion(&record, now) < 3.0, "the start is estimated");
        detector.heard(&mut record, now);
    }
    assert_eq!(record.deviation(), 0.0);
    assert!((detector.suspicion(&record, now + MILLI * 1_000) - phi(0.0)).abs() < 1e-12);
    let at = now + MILLI * 1_100;
    assert!((detector.suspicion(&record, at) - phi(10.0)).abs() < 1e-9);
}

/// Who is silent from the start, or after its first heartbeat, is suspected by the estimate: mean
/// as expected, deviation a quarter of it.
#[test]
fn who_is_silent_from_the_start_is_suspected_by_the_estimate() {
    let detector = Phi::new(PhiConfig::default()).unwrap();
    let mut record = detector.begin(Time::ZERO);
    let line = detector.limit(8.0).unwrap();
    let expected = (1.0 + 0.25 * 5.612) * 1e6;
    assert!((detector.due(&record, line).as_micros() as f64 - expected).abs() < 100.0);
    let start = Time::from_micros(77_000_000);
    detector.heard(&mut record, start);
    assert_eq!(record.len(), 2, "there is no interval before the first");
    let due = detector.due(&record, line).since(start).as_micros() as f64;
    assert!((due - expected).abs() < 100.0);
}

/// An outage is no interval: after one of half an hour the line is where it was.
#[test]
fn an_outage_leaves_the_window_as_it_was() {
    let detector = paper();
    let mut record = detector.begin(Time::ZERO);
    let mut now = Time::ZERO;
    for _ in 0..100 {
        now = now + MILLI * 100;
        detector.heard(&mut record, now);
    }
    let (before, mean) = (record.deviation(), record.mean());
    now = now + Duration::from_secs(1_800);
    assert!(detector.suspicion(&record, now) > 1e6, "it was noticed");
    detector.heard(&mut record, now);
    assert_eq!((record.deviation(), record.mean()), (before, mean));
}

#[test]
fn parameters_and_levels_out_of_bounds_are_named() {
    let phi = |change: fn(&mut PhiConfig)| {
        let mut config = PhiConfig::default();
        change(&mut config);
        Phi::new(config).map_err(|error| error.parameter)
    };
    assert_eq!(phi(|config| config.window = 1), Err("window WS"));
    assert_eq!(phi(|config| config.window = 10_001), Err("window WS"));
    assert_eq!(phi(|config| config.floor = Duration::ZERO), Err("floor"));
    assert_eq!(phi(|config| config.expected = Duration::MAX), Err("expected"));
    let detector = Phi::new(PhiConfig::default()).unwrap();
    for level in [0.0, -1.0, 1_001.0, f64::NAN, f64::INFINITY] {
        assert!(detector.limit(level).is_err());
        assert!(Deadline::new(MILLI).unwrap().limit(level).is_err());
        assert!(Probes::new(MILLI).unwrap().limit(level).is_err());
    }
    assert!(Deadline::new(Duration::ZERO).is_err());
    assert!(Probes::new(Duration::MAX).is_err());
}

/// What every detector promises, whatever it is fed, leaps of a thousand years included: levels are
/// finite and never fall in silence, what is due is what is reached, records are bounded, and a
/// sign of life takes suspicion away.
fn keeps_its_promises<D: Detector>(
    detector: &D,
    level: f64,
    leaps: &[(u64, bool)],
    size: impl Fn(&D::Record) -> usize,
) -> Result<(), TestCaseError> {
    let limit = detector.limit(level).unwrap();
    let mut now = Time::ZERO;
    let mut record = detector.begin(now);
    for &(leap, heard) in leaps {
        let after = now + Duration::from_micros(leap);
        let (before, then) = (detector.suspicion(&record, now), detector.suspicion(&record, after));
        prop_assert!(before.is_finite() && then.is_finite() && before >= 0.0 && then >= before);
        let due = detector.due(&record, limit);
        prop_assert_eq!(due <= after, then >= level * (1.0 - 1e-9), "{} at {}", then, level);
        now = after;
        if heard {
            detector.heard(&mut record, now);
        } else {
            detector.asked(&mut record, now);
        }
        // Of a silence of 0, at the mean at most: -log10 of a half.
        prop_assert!(!heard || detector.suspicion(&record, now) <= 0.302);
        prop_assert!(size(&record) <= 64);
        let mut excused = record.clone();
        detector.excuse(&mut excused, Duration::from_micros(leap));
        prop_assert!(detector.suspicion(&excused, now) <= detector.suspicion(&record, now));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn detectors_keep_their_promises(
        leaps in prop::collection::vec((leap(), any::<bool>()), 1..200),
        level in 1_u8..=16,
    ) {
        let level = f64::from(level);
        let phi = Phi::new(PhiConfig { window: 64, ..PhiConfig::default() }).unwrap();
        keeps_its_promises(&phi, level, &leaps, gossip_core::membership::detector::Arrivals::len)?;
        keeps_its_promises(&Deadline::new(MILLI * 7).unwrap(), level, &leaps, |_| 1)?;
        keeps_its_promises(&Probes::new(MILLI * 7).unwrap(), level, &leaps, |_| 1)?;
    }
}

/// Spans of all sizes, in microseconds: 200 of them end before time does.
fn leap() -> impl Strategy<Value = u64> {
    prop_oneof![0..10_u64, 0..10_000_000_u64, 0..10_000_000_000_u64, 0..1_u64 << 56]
}
