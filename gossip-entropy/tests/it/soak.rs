//! The seeds of a soak: which ones, and how long the rest will take.

use std::io::Write;
use std::ops::Range;

/// The seeds below `most`, or those of them that `GOSSIP_SEEDS` names, as `200..300`: so a soak is
/// completed over several sittings. After each, the time left goes to standard error, whether or
/// not the harness keeps what tests print.
pub(crate) fn seeds(name: &str, most: u64) -> impl Iterator<Item = u64> {
    let all = range(std::env::var("GOSSIP_SEEDS").ok().as_deref(), most);
    #[expect(clippy::disallowed_methods, reason = "says how long a soak takes; decides nothing")]
    let start = std::time::Instant::now();
    all.clone().inspect(move |&seed| {
        let (done, left) = (seed - all.start, all.end - seed);
        let spent = start.elapsed().as_secs_f64();
        let rest = spent / done.max(1) as f64 * left as f64;
        let line = format!("{name}: {done} seeds in {spent:.0} s, {left} left: {rest:.0} s\n");
        // Nobody listens: nothing to be done about it.
        let _ = std::io::stderr().write_all(line.as_bytes());
    })
}

fn range(text: Option<&str>, most: u64) -> Range<u64> {
    let Some(text) = text else { return 0..most };
    let ends =
        text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    let named: Range<u64> = ends.unwrap_or_else(|| panic!("GOSSIP_SEEDS is a range: {text}"));
    assert!(!named.is_empty() && named.end <= most, "GOSSIP_SEEDS is within 0..{most}: {text}");
    named
}

#[test]
fn seeds_are_all_or_those_named() {
    assert_eq!(range(None, 1_000), 0..1_000);
    assert_eq!(range(Some("200..300"), 1_000), 200..300);
}

#[test]
#[should_panic = "GOSSIP_SEEDS is within 0..1000: 900..1100"]
fn seeds_beyond_the_soak_are_refused() {
    range(Some("900..1100"), 1_000);
}
