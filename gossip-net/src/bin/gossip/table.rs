//! Answers for people.
//!
//! Not a protocol: tables, and lines of names and values. What others have said is shown without
//! the characters that a terminal obeys.

use serde_json::Value;

/// A text without control characters; anything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    clean(&raw(value))
}

/// A text as it is; anything else as JSON; nothing for null.
pub(crate) fn raw(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn clean(text: &str) -> String {
    let shown = |char: char| -> String {
        if char.is_control() { char.escape_default().to_string() } else { char.to_string() }
    };
    text.chars().map(shown).collect()
}

/// Columns, as wide as what is in them; the first row is the heading.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let wide = width(column).unwrap_or(0) + 2;
            line.push_str(&format!("{cell:wide$}"));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn table(heading: &[&str], items: &Value, keys: &[&str]) -> String {
    let mut rows = vec![heading.iter().map(|&head| head.to_owned()).collect()];
    for item in items.as_array().map(Vec::as_slice).unwrap_or_default() {
        rows.push(keys.iter().map(|key| text(&item[*key])).collect());
    }
    columns(&rows)
}

/// Everybody known.
pub(crate) fn members(data: &Value) -> String {
    let keys = ["name", "addr", "state", "incarnation", "self"];
    let mut table = table(&["NAME", "ADDRESS", "STATE", "INCARNATION", ""], data, &keys);
    for (from, to) in [("  true", "  (this node)"), ("  false", "")] {
        let lines = table.lines().map(|line| match line.strip_suffix(from) {
            Some(start) => format!("{}{to}\n", start.trim_end()),
            None => format!("{line}\n"),
        });
        table = lines.collect();
    }
    table
}

/// Keys with their values.
pub(crate) fn values(data: &Value) -> String {
    table(&["KEY", "VALUE"], data, &["key", "value"])
}

/// Each field on a line, those of a field's fields with its name before theirs.
pub(crate) fn fields(data: &Value) -> String {
    let mut rows = Vec::new();
    flatten("", data, &mut rows);
    columns(&rows)
}

fn flatten(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                let path =
                    if path.is_empty() { clean(name) } else { format!("{path}.{}", clean(name)) };
                flatten(&path, value, rows);
            }
        }
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(text).collect();
            rows.push(vec![path.to_owned(), all.join(" ")]);
        }
        Value::Null => rows.push(vec![path.to_owned(), "-".to_owned()]),
        other => rows.push(vec![path.to_owned(), text(other)]),
    }
}

/// What was published, with its topic before it.
pub(crate) fn news(data: &Value) -> String {
    if data["event"] != "news" {
        return line(data);
    }
    let (topic, said) = (text(&data["topic"]), text(&data["text"]));
    if topic.is_empty() { said } else { format!("{topic}: {said}") }
}

/// What happened, on one line: what, and its names and values.
pub(crate) fn line(data: &Value) -> String {
    let mut line = text(&data["event"]);
    for (name, value) in data.as_object().into_iter().flatten() {
        if name != "event" && !value.is_null() {
            let shown = match value {
                Value::String(word) if word.is_empty() || word.contains(' ') => format!("{word:?}"),
                other => text(other),
            };
            line.push_str(&format!(" {name}={shown}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_a_terminal_obeys_nobody() {
        let member = |name: &str, addr: &str, incarnation: u32, own: bool| {
            let state = if own { "alive" } else { "dead" };
            json!({ "name": name, "addr": addr, "state": state, "incarnation": incarnation,
                "self": own })
        };
        let (me, odd) = ("127.0.0.1:1", "\u{1b}[2J");
        let data = json!([member("a", me, 0, true), member(odd, "[::1]:22", 7, false)]);
        assert_eq!(
            members(&data),
            "NAME       ADDRESS      STATE  INCARNATION\n\
             a          127.0.0.1:1  alive  0  (this node)\n\
             \\u{1b}[2J  [::1]:22     dead   7\n"
        );
        let happened = json!({ "event": "member", "addr": "x", "why": "no answer", "from": null });
        assert_eq!(line(&happened), "member addr=x why=\"no answer\"");
        let said = json!({ "event": "news", "topic": "t", "text": "a\nb" });
        assert_eq!(news(&said), "t: a\\nb");
        assert_eq!(fields(&json!({ "a": { "b": 1, "c": [1, 2] } })), "a.b  1\na.c  1 2\n");
    }
}
