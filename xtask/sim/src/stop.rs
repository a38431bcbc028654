//! Rules that end a run before its cycles are over.

use super::schema::KEYS;

/// That what an observer sees is below or above a limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The observer.
    pub(super) observer: &'static str,
    compare: Compare,
    limit: f64,
}

type Compare = fn(&f64, &f64) -> bool;

/// How a rule compares; longer signs come first.
const SIGNS: [(&str, Compare); 4] =
    [("<=", f64::le), (">=", f64::ge), ("<", f64::lt), (">", f64::gt)];

impl Rule {
    /// Reads a rule such as `error < 0.001`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (sign, compare) = SIGNS.into_iter().find(|(sign, _)| text.contains(sign))?;
        let (name, limit) = text.split_once(sign)?;
        let observer = observers().find(|observer| *observer == name.trim())?;
        let limit = limit.trim().parse().ok().filter(|limit: &f64| limit.is_finite())?;
        Some(Self { observer, compare, limit })
    }

    /// Whether it holds for what was seen; for nothing it does not.
    pub(super) fn holds(&self, seen: Option<f64>) -> bool {
        seen.is_some_and(|seen| (self.compare)(&seen, &self.limit))
    }
}

/// The observer that `text` begins with, as far as it is one.
pub(super) fn named(text: &str) -> &str {
    text.split(['<', '>', '=']).next().unwrap_or(text).trim()
}

/// The names of the observers.
pub(super) fn observers() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.path.strip_prefix("observe."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold_on_their_side_of_the_limit() {
        let holds = |text, seen| Rule::read(text).map(|rule| rule.holds(seen));
        assert_eq!(holds("error < 0.5", Some(0.4)), Some(true));
        assert_eq!(holds("error<0.5", Some(0.5)), Some(false));
        assert_eq!(holds("components <= 1", Some(1.0)), Some(true));
        assert_eq!(holds("informed >= 1", Some(0.99)), Some(false));
        assert_eq!(holds("nodes > 5", Some(6.0)), Some(true));
        assert_eq!(holds("nodes > 5", None), Some(false));
        for wrong in ["", "error", "error < ", "error = 1", "eror < 1", "error < nan", "1 < error"]
        {
            assert!(Rule::read(wrong).is_none(), "{wrong}");
        }
    }
}
