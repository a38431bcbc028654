//! Every protocol says which paper it is from, and where it leaves it.

use super::Violation;
use super::files::File;

/// Where protocols live. `lib.rs` and tests are not protocols; other files that are not say so.
const PROTOCOL_DIRS: [&str; 6] = [
    "gossip-core/src/membership/",
    "gossip-core/src/sampling/",
    "gossip-dissem/src/",
    "gossip-entropy/src/",
    "gossip-aggregate/src/",
    "gossip-overlay/src/",
];

/// The line that takes a file out of this rule; what the file is instead follows.
const EXEMPT: &str = "Not a protocol:";
/// The section that every protocol's header has.
const DEVIATIONS: &str = "# Deviations from the paper";

/// A protocol file has a `//!` header that names a paper by author and year, and a section
/// "Deviations from the paper" with something in it.
pub fn headers(file: &File) -> Vec<Violation> {
    let in_dir = PROTOCOL_DIRS.iter().any(|dir| file.path.starts_with(dir));
    if !in_dir || !file.is_rust() || file.is_test() || file.path.ends_with("/lib.rs") {
        return Vec::new();
    }
    let header = header(&file.text);
    if header.iter().any(|line| line.starts_with(EXEMPT)) {
        return Vec::new();
    }
    let way_out = format!("(or say what this file is in a line `//! {EXEMPT} ...`)");
    let mut found = Vec::new();
    if !paragraphs(&header).iter().any(|paragraph| names_paper(paragraph)) {
        let message = format!(
            "the `//!` header names no paper, a protocol needs one: write authors, title, venue, \
             year and section {way_out}"
        );
        found.push(Violation::new(file, 1, message));
    }
    if !has_deviations(&header) {
        let message = format!(
            "the `//!` header has no section `{DEVIATIONS}`, a protocol needs one: list them, or \
             write \"None.\" {way_out}"
        );
        found.push(Violation::new(file, 1, message));
    }
    found
}

/// The text of the `//!` lines at the top of the file.
fn header(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    let top = lines.take_while(|l| l.is_empty() || l.starts_with("//!") || l.starts_with("#!["));
    top.filter_map(|line| line.strip_prefix("//!")).map(str::trim).collect()
}

fn paragraphs(header: &[&str]) -> Vec<String> {
    header.split(|line| line.is_empty()).map(|lines| lines.join(" ")).collect()
}

fn has_deviations(header: &[&str]) -> bool {
    let is_section = |line: &&str| line.starts_with('#') && line.ends_with(&DEVIATIONS[2..]);
    let Some(at) = header.iter().position(is_section) else { return false };
    let content = header[at + 1..].iter().find(|line| !line.is_empty());
    content.is_some_and(|line| !line.starts_with('#'))
}

/// A year and a surname: `Demers et al., PODC 1987`, `Jelasity and Babaoglu (2005)`.
fn names_paper(paragraph: &str) -> bool {
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    words.iter().any(|word| is_year(word)) && (0..words.len()).any(|at| is_author(&words[at..]))
}

fn is_year(word: &str) -> bool {
    let digits = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let number = digits.parse::<u32>().ok().filter(|_| digits.len() == 4);
    number.is_some_and(|year| (1900..2100).contains(&year))
}

/// A capitalised word that is not an acronym, followed by what follows a surname.
fn is_author(words: &[&str]) -> bool {
    let Some((word, rest)) = words.split_first() else { return false };
    let name = word.trim_matches(|c: char| !c.is_alphabetic());
    let capital = name.chars().next().is_some_and(char::is_uppercase);
    let surname = capital && name.chars().count() > 1 && name.chars().any(char::is_lowercase);
    let ends = word.ends_with([',', ':', ';']) || word.ends_with("'s");
    let next = rest.first().is_some_and(|w| ["and", "&", "et"].contains(w) || is_year(w));
    surname && (ends || next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "gossip-dissem/src/rumor.rs";
    const DEVIATES: &str = "//!\n//! # Deviations from the paper\n//!\n//! None.\n";

    fn count(path: &str, text: &str) -> usize {
        headers(&File::new(path, text)).len()
    }

    #[test]
    fn a_protocol_with_paper_and_deviations_passes() {
        for paper in [
            "Demers et al., \"Epidemic algorithms\", PODC 1987, section 1.4.",
            "S. Voulgaris, D. Gavidia, M. van Steen, CYCLON, JNSM 13(2), 2005.",
            "Jelasity and\n//! Babaoglu (2009).",
            "The algorithm of [Özalp 2004].",
        ] {
            assert_eq!(count(PATH, &format!("//! Rumors.\n//!\n//! {paper}\n{DEVIATES}")), 0);
        }
    }

    #[test]
    fn a_missing_paper_or_section_is_found() {
        let paper = "//! Demers et al., PODC 1987.\n";
        assert_eq!(count(PATH, "//! Rumors.\n"), 2);
        assert_eq!(count(PATH, ""), 2);
        assert_eq!(count(PATH, paper), 1);
        assert_eq!(count(PATH, &format!("{paper}//! # Deviations from the paper\n")), 1);
        assert_eq!(count(PATH, &format!("//! In PODC 1987.\n{DEVIATES}")), 1, "no author");
        assert_eq!(count(PATH, &format!("//! Demers et al., PODC.\n{DEVIATES}")), 1, "no year");
        assert_eq!(count(PATH, &format!("use x;\n{paper}{DEVIATES}")), 2, "not at the top");
    }

    #[test]
    fn what_is_not_a_protocol_is_left_alone() {
        assert_eq!(count(PATH, "//! Counters.\n//!\n//! Not a protocol: shared counters.\n"), 0);
        for path in ["gossip-dissem/src/lib.rs", "gossip-dissem/src/rumor/tests.rs"] {
            assert_eq!(count(path, ""), 0);
        }
        assert_eq!(count("gossip-core/src/stack.rs", ""), 0);
        assert_eq!(count("gossip-core/src/sampling/cyclon.rs", ""), 2);
    }
}
