//! The settings of a scenario: those of the file, then those of `--set`.

use super::schema::{self, KEYS, Key};
use super::source::Source;
use super::value::{self, Kind, Value, Wrong};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use xtask_base::Failure;
use xtask_base::suggest::{did_you_mean, listed};

/// The most values of a range.
const RANGE: f64 = 100_000.0;

/// Keys that are the same for all points of a sweep.
const NEVER_SWEPT: [&str; 4] = ["description", "source", "replicas", "seed"];

/// What was said, where.
#[derive(Debug)]
pub(super) struct Document {
    /// In the order of the file, then of the options; each key once.
    pub(super) settings: Vec<Setting>,
    sources: Vec<Source>,
}

/// One key and what it is to be.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static Key,
    /// Several, if the key is swept.
    values: Vec<Value>,
    is_swept: bool,
    place: Range<usize>,
    source: usize,
}

impl Document {
    /// Reads the file's text, and `key=value` options that take the place of what it says.
    pub(super) fn read(name: &str, text: String, sets: &[String]) -> Result<Self, Failure> {
        let mut document = Self { settings: Vec::new(), sources: vec![Source::file(name, text)] };
        document.settings = settings(&document.sources[0], 0)?;
        let mut options: Vec<Setting> = Vec::new();
        for set in sets {
            let source = document.sources.len();
            document.sources.push(option(set)?);
            let said = settings(&document.sources[source], source)?;
            for setting in &said {
                if options.iter().any(|earlier| earlier.key == setting.key) {
                    let what = format!("`{}` is set twice: set it once", setting.key.path);
                    return Err(document.error_at_key(setting, what));
                }
            }
            options.extend(said);
        }
        // An option takes the place of the file's value or of its sweep.
        document.settings.retain(|s| options.iter().all(|option| option.key != s.key));
        document.settings.extend(options);
        Ok(document)
    }

    /// Keys with one value.
    pub(super) fn fixed(&self) -> impl Iterator<Item = (&'static Key, &Value)> {
        let fixed = self.settings.iter().filter(|setting| !setting.is_swept);
        fixed.flat_map(|setting| setting.values.iter().map(|value| (setting.key, value)))
    }

    /// Keys that are swept, each with its values.
    pub(super) fn swept(&self) -> impl Iterator<Item = (&'static Key, &[Value])> {
        let swept = self.settings.iter().filter(|setting| setting.is_swept);
        swept.map(|setting| (setting.key, setting.values.as_slice()))
    }

    /// An error that shows where `setting` was said.
    pub(super) fn error_at_key(&self, setting: &Setting, what: String) -> Failure {
        self.sources[setting.source].error(setting.place.clone(), what)
    }
}

/// The option as TOML: a value that is none by itself is a text without quotes.
fn option(set: &str) -> Result<Source, Failure> {
    let Some((key, value)) = set.split_once('=') else {
        return Err(Failure::Usage(format!("--set {set} has no `=`: write --set key=value")));
    };
    let key = key.trim();
    if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err(Failure::Usage(format!("--set {set}: `{key}` is no key")));
    }
    let is_value = DeValue::parse(value.trim()).is_ok();
    let quoted = || serde_json::Value::from(value.trim()).to_string();
    let value = if is_value { value.trim().to_owned() } else { quoted() };
    Ok(Source::option(&format!("{key}={value}")))
}

/// All settings of a text, in its order.
fn settings(source: &Source, number: usize) -> Result<Vec<Setting>, Failure> {
    let root = DeTable::parse(source.text())
        .map_err(|e| source.error(e.span().unwrap_or(0..0), e.message()))?;
    let mut found = Vec::new();
    collect(root.get_ref(), "", &mut found).map_err(|(at, what)| source.error(at, what))?;
    found.sort_by_key(|setting: &Setting| setting.place.start);
    for setting in &mut found {
        setting.source = number;
    }
    let mut seen: Vec<&Setting> = Vec::new();
    for setting in &found {
        if seen.iter().any(|earlier| earlier.key == setting.key) {
            let what = format!("`{}` is both set and swept: say it once", setting.key.path);
            return Err(source.error(setting.place.clone(), what));
        }
        seen.push(setting);
    }
    Ok(found)
}

/// Goes down the table at `path`, and reads the keys in it.
fn collect(table: &DeTable<'_>, path: &str, found: &mut Vec<Setting>) -> Result<(), Wrong> {
    for (name, value) in table {
        let at = name.span();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let (swept, plain) = match path.strip_prefix("sweep.") {
            Some(rest) => (true, rest),
            None => (false, path.as_str()),
        };
        match (schema::find(plain), value.get_ref()) {
            (Some(key), _) => found.push(setting(key, swept, at, value)?),
            (None, DeValue::Table(inner)) if path == "sweep" || schema::is_section(plain) => {
                collect(inner, &path, found)?;
            }
            (None, _) => return Err((at, unknown(plain))),
        }
    }
    Ok(())
}

fn setting(
    key: &'static Key,
    is_swept: bool,
    place: Range<usize>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Setting, Wrong> {
    let named = |(at, what): Wrong| (at, format!("`{}`: {what}", key.path));
    let values = if is_swept {
        let is_output = ["observe.", "output."].iter().any(|section| key.path.starts_with(section));
        if NEVER_SWEPT.contains(&key.path) || is_output {
            return Err((place, format!("`{}` cannot be swept", key.path)));
        }
        sweep(key.kind, value).map_err(named)?
    } else {
        vec![value::read(key.kind, value).map_err(named)?]
    };
    Ok(Setting { key, values, is_swept, place, source: 0 })
}

/// The values of a list, or of a range.
fn sweep(kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<Vec<Value>, Wrong> {
    match value.get_ref() {
        DeValue::Array(items) if items.is_empty() => {
            Err((value.span(), "an empty list sweeps nothing: name a value".to_owned()))
        }
        DeValue::Array(items) => items.iter().map(|item| value::read(kind, item)).collect(),
        DeValue::Table(range) => steps(kind, range, value.span()),
        _ => Err((
            value.span(),
            "a sweep is a list, as [1, 2], or a range, as {from = 1, to = 9, step = 2}".to_owned(),
        )),
    }
}

/// The values of `{from, to, step}`.
fn steps(kind: Kind, range: &DeTable<'_>, at: Range<usize>) -> Result<Vec<Value>, Wrong> {
    let names = ["from", "to", "step"];
    for (name, _) in range {
        if !names.contains(&&**name.get_ref()) {
            let hint = did_you_mean(name.get_ref(), names);
            let what = format!("a range has no `{}`{hint}: it has from, to, step", name.get_ref());
            return Err((name.span(), what));
        }
    }
    let mut ends = [0.0; 3];
    for (end, name) in ends.iter_mut().zip(names) {
        let Some(value) = range.get(name) else {
            return Err((at, format!("the range has no `{name}`: it has from, to, step")));
        };
        let number = value::number(value.get_ref());
        *end = number.ok_or_else(|| (value.span(), format!("`{name}` is no number")))?;
    }
    let [from, to, step] = ends;
    let count = ((to - from) / step + 1e-9).floor() + 1.0;
    if !(step > 0.0 && (1.0..=RANGE).contains(&count)) {
        let what =
            format!("the range from {from} to {to} in steps of {step} has no end or no value");
        return Err((at, what));
    }
    let at_step = |index: usize| from + step * index as f64;
    let check = |number: f64| match kind {
        Kind::Int(min, max) if number.fract() == 0.0 => {
            let whole = number as i64;
            (min..=max).contains(&whole).then_some(Value::Int(whole))
        }
        Kind::Float(min, max) => (min..=max).contains(&number).then_some(Value::Float(number)),
        _ => None,
    };
    (0..count as usize)
        .map(|index| {
            let number = at_step(index);
            let rounded = (number * 1e12).round() / 1e12;
            let wrong = || (at.clone(), format!("`{number}` is not {kind}"));
            check(rounded).ok_or_else(wrong)
        })
        .collect()
}

fn unknown(path: &str) -> String {
    if schema::is_section(path) {
        let keys = KEYS.iter().filter(|key| key.path.starts_with(&format!("{path}.")));
        return format!("`{path}` is a section; its keys are{}", listed(keys));
    }
    let hint = did_you_mean(path, KEYS.iter().map(|key| key.path).chain(schema::sections()));
    let near: Vec<_> = match path.split_once('.') {
        Some((section, _)) if schema::is_section(section) => {
            KEYS.iter().filter(|key| key.path.starts_with(&format!("{section}."))).collect()
        }
        _ => KEYS.iter().filter(|key| !key.path.contains('.')).collect(),
    };
    let sections = match path.split_once('.') {
        Some((section, _)) if schema::is_section(section) => String::new(),
        _ => format!("\nand the sections {}", schema::sections().join(", ")),
    };
    format!("no key `{path}`{hint}; the keys there are{}{sections}", listed(near))
}
