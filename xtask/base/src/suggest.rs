//! "Did you mean": the nearest of the right names.

/// The candidate that `wrong` most likely was meant to be, or `None` if none is near.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let near = |c: &&str| {
        let distance = strsim::damerau_levenshtein(&wrong, c);
        let starts = wrong.len() >= 2 && c.starts_with(&wrong);
        if starts { 0 } else { distance }
    };
    let limit = (wrong.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (near(&c), c))
        .filter(|(d, c)| *d <= limit && *d < c.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// The same as the middle of a sentence: ` (did you mean `x`?)`, or nothing.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, candidates).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// The right ones, one per line, as the end of an error; `none` if there is none.
pub fn listed(items: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let lines: Vec<String> = items.into_iter().map(|item| format!("\n  {item}")).collect();
    if lines.is_empty() { "\n  none".to_owned() } else { lines.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_recognised_and_others_are_not() {
        let ids = ["demers87-table1", "jelasity05-factor", "jelasity09-tman"];
        assert_eq!(nearest("demers87-tabel1", ids), Some("demers87-table1"));
        assert_eq!(nearest("Jelasity05-Factor", ids), Some("jelasity05-factor"));
        assert_eq!(nearest("jelasity09", ids), Some("jelasity09-tman"));
        assert_eq!(nearest("nonsense", ids), None);
        assert_eq!(nearest("cycle", ["n", "c", "cycles"]), Some("cycles"));
        assert_eq!(nearest("x", ["n", "c", "cycles"]), None);
    }
}
