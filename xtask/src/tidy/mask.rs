//! Rust source without its comments, strings and tests, byte for byte in the same place.
//!
//! The rules look for words in code. A small lexer is enough for that, and unlike a parser it
//! also reads the inside of macros.

/// Replaces everything in comments, string literals and character literals by spaces. Line breaks
/// stay, so that offsets and line numbers are those of the source.
pub fn mask(text: &str) -> String {
    let mut masker = Masker { src: text.as_bytes(), out: text.as_bytes().to_vec(), at: 0 };
    while masker.at < masker.src.len() {
        masker.step();
    }
    String::from_utf8_lossy(&masker.out).into_owned()
}

struct Masker<'a> {
    src: &'a [u8],
    out: Vec<u8>,
    at: usize,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.src[self.at..];
        match rest {
            [b'/', b'/', ..] => self.blank(find(rest, b"\n").unwrap_or(rest.len())),
            [b'/', b'*', ..] => self.blank(block_comment(rest)),
            [b'"', ..] => self.blank(quoted(rest, b'"')),
            [b'\'', ..] => match character(rest) {
                Some(length) => self.blank(length),
                None => self.at += 1,
            },
            [c, ..] if is_word(*c) => {
                let word = rest.iter().take_while(|c| is_word(**c)).count();
                let raw = matches!(&rest[..word], b"r" | b"br" | b"cr");
                self.at += word;
                if let Some(length) = raw.then(|| raw_string(&rest[word..])).flatten() {
                    self.blank(length);
                }
            }
            _ => self.at += 1,
        }
    }

    /// Blanks the next `length` bytes.
    fn blank(&mut self, length: usize) {
        let end = (self.at + length.max(1)).min(self.src.len());
        for byte in &mut self.out[self.at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        self.at = end;
    }
}

/// True for bytes of identifiers. All of a non-ASCII character counts as one.
pub(crate) fn is_word(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_' || !c.is_ascii()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal between two `quote`s, the first at offset 0.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a character literal, or `None` for a lifetime or a label.
fn character(rest: &[u8]) -> Option<usize> {
    match *rest.get(1)? {
        b'\\' => Some(quoted(rest, b'\'')),
        first => {
            let length = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
        }
    }
}

/// The length of `##"..."##`, or `None` if this is not a raw string.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|c| **c == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.extend(std::iter::repeat_n(b'#', hashes));
    let body = &rest[hashes + 1..];
    Some(find(body, &end).map_or(rest.len(), |at| hashes + 1 + at + end.len()))
}

/// Blanks every item marked `#[cfg(test)]` in text that is already masked.
pub fn without_tests(masked: &str) -> String {
    let mut out = masked.as_bytes().to_vec();
    for (start, end) in attributes(masked) {
        let attribute: String = masked[start..end].split_whitespace().collect();
        let for_tests = attribute.starts_with("#[cfg(test)]")
            || attribute.starts_with("#[cfg(all(test,")
            || attribute.starts_with("#[cfg(any(test,");
        if for_tests {
            let item_end = item_end(masked, end);
            for byte in out[start..item_end].iter_mut().filter(|b| **b != b'\n') {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the item that starts at `from` ends: at its `;`, or at the end of its braces.
pub(crate) fn item_end(masked: &str, from: usize) -> usize {
    let body = masked[from..].find(['{', ';']).map_or(masked.len(), |at| from + at);
    if masked[body..].starts_with('{') { closing(masked, body) } else { body }
}

/// The ranges of all attributes, `#[...]` and `#![...]`, in masked text.
pub fn attributes(masked: &str) -> Vec<(usize, usize)> {
    let starts = masked.match_indices('#').map(|(at, _)| at);
    let bracket = |at: usize| {
        let rest = masked[at + 1..].trim_start_matches('!');
        rest.starts_with('[').then(|| (at, closing(masked, masked.len() - rest.len())))
    };
    starts.filter_map(bracket).collect()
}

/// The offset just after the bracket that closes the one at `open`.
pub(crate) fn closing(masked: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    masked.len()
}

/// The line, from 1 on, of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// The offsets where `needle` stands in masked text as a whole word. Its ends need no boundary
/// where they are not letters, so `rand::rng(` works.
pub fn words<'a>(masked: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = masked.as_bytes();
    let word_at = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|c| is_word(*c));
    let starts_word = needle.bytes().next().is_some_and(is_word);
    let ends_word = needle.bytes().next_back().is_some_and(is_word);
    masked.match_indices(needle).map(|(at, _)| at).filter(move |&at| {
        let before = starts_word && word_at(at.checked_sub(1));
        let after = ends_word && word_at(Some(at + needle.len()));
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_masked(source: &str, hidden: &str) {
        let masked = mask(source);
        assert_eq!(masked.len(), source.len());
        assert!(!masked.contains(hidden), "{hidden} is still in {masked}");
        assert!(masked.contains("CODE"), "CODE was lost from {masked}");
    }

    #[test]
    fn comments_and_literals_disappear() {
        is_masked("// hidden\nCODE", "hidden");
        is_masked("/* a /* hidden */ hidden */ CODE", "hidden");
        is_masked(r#"let a = "hidden \" hidden"; CODE"#, "hidden");
        is_masked(r##"let a = r#"hidden " hidden"#; CODE"##, "hidden");
        is_masked(r#"let a = br"hidden \"; CODE"#, "hidden");
        is_masked(r"let a = ['{', '\'', '\u{7b}', 'ß']; CODE", "{");
    }

    #[test]
    fn lifetimes_and_raw_identifiers_stay() {
        let source = "fn f<'a>(r#type: &'a str) -> &'a str { 'outer: loop { break 'outer; } }";
        assert_eq!(mask(source), source);
    }

    #[test]
    fn lines_stay() {
        let source = "a\n\"b\nb\"\n/* c\nc */\nd";
        assert_eq!(mask(source).lines().count(), source.lines().count());
        assert_eq!(line_of(source, source.len() - 1), 6);
    }

    #[test]
    fn test_items_disappear() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}\n\
                      #[cfg(test)]\nmod more;\nfn d() {}\n#[cfg(not(test))]\nfn e() {}";
        let left = without_tests(source);
        assert!(!left.contains("fn b") && !left.contains("mod more"), "{left}");
        for kept in ["fn a", "fn c", "fn d", "fn e"] {
            assert!(left.contains(kept), "{kept} was lost from {left}");
        }
    }

    #[test]
    fn words_are_whole() {
        let text = "HashMap MyHashMap HashMaps HashMap::new()";
        let found: Vec<usize> = words(text, "HashMap").collect();
        assert_eq!(found, [0, 27]);
        assert_eq!(words("rand::rng() operand::rng()", "rand::rng(").count(), 1);
        assert_eq!(words("a.ln() b.ln_1p()", ".ln(").count(), 1);
    }
}
