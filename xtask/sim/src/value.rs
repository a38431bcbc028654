//! What a key may hold, and how it is read from TOML.

use super::stop::{self, Rule};
use gossip_core::sim::link::{LAWS, Latency};
use std::fmt;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeValue};
use xtask_base::suggest::did_you_mean;

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A whole number from the first to the second.
    Int(i64, i64),
    /// A finite number from the first to the second.
    Float(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// True or false.
    Flag,
    /// How long something takes.
    Span,
    /// How long messages take.
    Latency,
    /// Whole numbers, each at least 1.
    Sides,
    /// When a run is over.
    Rule,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Int(min, max) => write!(f, "a whole number, {min} to {max}"),
            Kind::Float(min, max) => write!(f, "a number, {min} to {max}"),
            Kind::Choice(words) => write!(f, "one of {}", words.join(" | ")),
            Kind::Text => write!(f, "a text"),
            Kind::Flag => write!(f, "true or false"),
            Kind::Span => write!(f, "a duration such as \"1s\", \"250ms\", \"40us\""),
            Kind::Latency => write!(
                f,
                "a latency such as \"20ms\", \"5ms..50ms\" (even) or \"20ms+30ms\" (tail); \
                 all: {LAWS}"
            ),
            Kind::Sides => write!(f, "a list of whole numbers from 1, such as [100, 100]"),
            Kind::Rule => write!(
                f,
                "a rule such as \"error < 0.001\": an observer, <, <=, > or >=, and a number"
            ),
        }
    }
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Choice`], [`Kind::Text`], [`Kind::Span`], [`Kind::Latency`] and [`Kind::Rule`].
    Text(String),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Sides`].
    Sides(Vec<u32>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(value) => f.write_str(value),
            Value::Flag(value) => write!(f, "{value}"),
            Value::Sides(value) => {
                let sides: Vec<_> = value.iter().map(u32::to_string).collect();
                f.write_str(&sides.join("x"))
            }
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::Flag(value) => (*value).into(),
            Value::Sides(value) => value.as_slice().into(),
        }
    }
}

/// What is wrong, and where.
pub(super) type Wrong = (Range<usize>, String);

/// Reads `value` as one of `kind`; the error says what would be right.
pub(super) fn read(kind: Kind, value: &Spanned<DeValue<'_>>) -> Result<Value, Wrong> {
    let inner = value.get_ref();
    let read = match (kind, inner) {
        (Kind::Int(min, max), DeValue::Integer(int)) => {
            whole(int).filter(|v| (min..=max).contains(v)).map(Value::Int)
        }
        (Kind::Float(min, max), DeValue::Integer(_) | DeValue::Float(_)) => {
            number(inner).filter(|v| (min..=max).contains(v)).map(Value::Float)
        }
        (Kind::Choice(words), DeValue::String(text)) => {
            words.contains(&&**text).then(|| Value::Text(text.to_string()))
        }
        (Kind::Text, DeValue::String(text)) => Some(Value::Text(text.to_string())),
        (Kind::Flag, DeValue::Boolean(flag)) => Some(Value::Flag(*flag)),
        (Kind::Span, DeValue::String(text)) => {
            span(text).map(|_| Value::Text(text.trim().to_owned()))
        }
        (Kind::Latency, DeValue::String(text)) => {
            latency(text).map(|_| Value::Text(text.trim().to_owned()))
        }
        (Kind::Sides, DeValue::Array(items)) => sides(items).map(Value::Sides),
        (Kind::Rule, DeValue::String(text)) => {
            Rule::read(text).map(|_| Value::Text(text.trim().to_owned()))
        }
        _ => None,
    };
    read.ok_or_else(|| {
        let hint = match (kind, inner) {
            (Kind::Choice(words), DeValue::String(text)) => {
                did_you_mean(text, words.iter().copied())
            }
            (Kind::Rule, DeValue::String(text)) => {
                let named = stop::named(text);
                let known = stop::observers().any(|observer| observer == named);
                if known { String::new() } else { did_you_mean(named, stop::observers()) }
            }
            _ => String::new(),
        };
        (value.span(), format!("{} is not {kind}{hint}", shown(inner)))
    })
}

/// A value as an error names it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(int) if int.radix() == 10 => format!("`{}`", int.as_str()),
        DeValue::Float(float) => format!("`{}`", float.as_str()),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::String(text) if text.chars().count() <= 60 => format!("the text \"{text}\""),
        DeValue::String(_) => "this text".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Integer(_) | DeValue::Datetime(_) => "this".to_owned(),
    }
}

pub(super) fn whole(int: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(int.as_str(), int.radix()).ok()
}

/// A finite number.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Integer(int) => whole(int).map(|int| int as f64),
        DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn sides(items: &DeArray<'_>) -> Option<Vec<u32>> {
    let side = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::Integer(int) => whole(int).and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0),
        _ => None,
    };
    let sides: Option<Vec<u32>> = items.iter().map(side).collect();
    sides.filter(|sides| !sides.is_empty())
}

/// A latency as the language of scripts writes it, or `least+mean` for one with a long tail.
pub(super) fn latency(text: &str) -> Option<Latency> {
    let text = text.trim();
    match text.split_once('+') {
        Some((least, mean)) if !mean.starts_with('~') => {
            Some(Latency::Exponential(span(least)?, span(mean)?))
        }
        _ => text.parse().ok(),
    }
}

/// A duration as the language of scripts writes it.
pub(super) fn span(text: &str) -> Option<Duration> {
    match latency(text)? {
        Latency::Constant(span) => Some(span),
        _ => None,
    }
}
