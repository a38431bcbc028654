//! Parameters: declared with kind, bounds, default and unit; read from `--set key=value`.

use std::fmt;
use std::ops::RangeInclusive;
use xtask_base::Failure;
use xtask_base::suggest::{did_you_mean, listed};

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number from `min` to `max`.
    Int {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A finite number from `min` to `max`.
    Float {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Int { min, max } => write!(f, "int, {min}..={max}"),
            Kind::Float { min, max } => write!(f, "float, {min}..={max}"),
            Kind::Choice(words) => write!(f, "one of {}", words.join(" | ")),
        }
    }
}

/// The value of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Float`].
    Float(f64),
    /// Of [`Kind::Choice`].
    Choice(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Choice(value) => f.write_str(value),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(value) => value.into(),
            Value::Float(value) => value.into(),
            Value::Choice(value) => value.into(),
        }
    }
}

/// The declaration of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Param {
    /// The paper's symbol in lower case: `n`, `c`, `loss`.
    pub name: &'static str,
    /// Kind and bounds.
    pub kind: Kind,
    /// The paper's own value where it has one.
    pub default: Value,
    /// The unit: `nodes`, `cycles`, `probability`; `-` for a choice.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl Param {
    /// A whole number.
    pub const fn int(
        name: &'static str,
        default: i64,
        bounds: RangeInclusive<i64>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let kind = Kind::Int { min: *bounds.start(), max: *bounds.end() };
        Self { name, kind, default: Value::Int(default), unit, meaning }
    }

    /// A finite number.
    pub const fn float(
        name: &'static str,
        default: f64,
        bounds: RangeInclusive<f64>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let kind = Kind::Float { min: *bounds.start(), max: *bounds.end() };
        Self { name, kind, default: Value::Float(default), unit, meaning }
    }

    /// One of several words.
    pub const fn choice(
        name: &'static str,
        default: &'static str,
        words: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        let kind = Kind::Choice(words);
        Self { name, kind, default: Value::Choice(default), unit: "-", meaning }
    }

    /// Reads a value and checks its bounds. The error says what would be right.
    fn parse(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Int { min, max } => {
                let number = text.replace('_', "").parse::<i64>().ok();
                number.filter(|v| (min..=max).contains(v)).map(Value::Int)
            }
            Kind::Float { min, max } => {
                let number = text.parse::<f64>().ok().filter(|v| v.is_finite());
                number.filter(|v| (min..=max).contains(v)).map(Value::Float)
            }
            Kind::Choice(words) => {
                words.iter().find(|word| **word == text).copied().map(Value::Choice)
            }
        };
        value.ok_or_else(|| {
            let hint = match self.kind {
                Kind::Choice(words) => did_you_mean(text, words.iter().copied()),
                _ => String::new(),
            };
            format!("`{text}` is not a value of `{}`{hint}:\n  {self}", self.name)
        })
    }

    /// True when its default is within its bounds.
    pub fn default_is_valid(&self) -> bool {
        self.parse(&self.default.to_string()) == Ok(self.default)
    }
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, default, unit, meaning } = self;
        let unit = if *unit == "-" { String::new() } else { format!(" {unit}") };
        write!(f, "{name} = {default}{unit}  ({kind}{unit})  {meaning}")
    }
}

/// A value for every parameter of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    values: Vec<(&'static Param, Value)>,
}

impl Params {
    /// Every parameter at its default.
    pub fn defaults(declared: &'static [Param]) -> Self {
        Self { values: declared.iter().map(|param| (param, param.default)).collect() }
    }

    /// The defaults, changed by `sets`, each `key=value`. `id` names the experiment in errors.
    pub fn parse(id: &str, declared: &'static [Param], sets: &[String]) -> Result<Self, Failure> {
        let mut params = Self::defaults(declared);
        let mut seen: Vec<&str> = Vec::new();
        for set in sets {
            let usage = |why: String| Failure::Usage(format!("{id}: {why}"));
            let Some((key, value)) = set.split_once('=') else {
                return Err(usage(format!("`--set {set}` has no `=`: write `--set key=value`")));
            };
            let Some(slot) = params.values.iter_mut().find(|(param, _)| param.name == key) else {
                return Err(usage(unknown_key(key, declared)));
            };
            if seen.contains(&key) {
                return Err(usage(format!("`{key}` is set twice: set it once")));
            }
            seen.push(key);
            slot.1 = slot.0.parse(value).map_err(usage)?;
        }
        Ok(params)
    }

    /// The value of a [`Kind::Int`]. Panics if the experiment declares no such parameter.
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(value) => value,
            other => panic!("parameter `{name}` is {other:?}, not an int"),
        }
    }

    /// The value of a [`Kind::Int`] that counts something and so has no negative values.
    pub fn count(&self, name: &str) -> usize {
        let value = self.int(name);
        usize::try_from(value).unwrap_or_else(|_| panic!("`{name}` = {value} counts nothing"))
    }

    /// The value of a [`Kind::Float`]. Panics if the experiment declares no such parameter.
    pub fn float(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Float(value) => value,
            other => panic!("parameter `{name}` is {other:?}, not a float"),
        }
    }

    /// The value of a [`Kind::Choice`]. Panics if the experiment declares no such parameter.
    pub fn choice(&self, name: &str) -> &'static str {
        match self.value(name) {
            Value::Choice(value) => value,
            other => panic!("parameter `{name}` is {other:?}, not a choice"),
        }
    }

    /// True when all parameters but those `named` have their defaults: a table of a paper varies
    /// a few and holds for no other value of the rest.
    pub fn are_default_but(&self, named: &[&str]) -> bool {
        let rest = self.values.iter().filter(|(param, _)| !named.contains(&param.name));
        rest.into_iter().all(|(param, value)| param.default == *value)
    }

    /// Names and values in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value)> + '_ {
        self.values.iter().map(|(param, value)| (param.name, *value))
    }

    /// The `--set` options that repeat these values; defaults are left out.
    pub fn as_options(&self) -> String {
        let changed = self.values.iter().filter(|(param, value)| param.default != *value);
        let options = changed.map(|(param, value)| format!(" --set {}={value}", param.name));
        options.collect::<Vec<_>>().concat()
    }

    fn value(&self, name: &str) -> Value {
        let found = self.values.iter().find(|(param, _)| param.name == name);
        found.unwrap_or_else(|| panic!("parameter `{name}` is not declared")).1
    }
}

fn unknown_key(key: &str, declared: &[Param]) -> String {
    let hint = did_you_mean(key, declared.iter().map(|param| param.name));
    format!("no parameter `{key}`{hint}; the parameters are{}", listed(declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    static DECLARED: [Param; 3] = [
        Param::int("n", 1000, 2..=1_000_000, "nodes", "network size"),
        Param::float("loss", 0.0, 0.0..=1.0, "probability", "of each message"),
        Param::choice("pairs", "seq", &["seq", "rand", "pm"], "how pairs are chosen"),
    ];

    fn parse(sets: &[&str]) -> Result<Params, Failure> {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        Params::parse("x87-y", &DECLARED, &sets)
    }

    fn refusal(sets: &[&str]) -> String {
        let failure = parse(sets).expect_err("a wrong setting");
        assert_eq!(failure.exit_code(), 2);
        failure.to_string()
    }

    #[test]
    fn values_are_read_and_typed() {
        let params = parse(&["n=10_000", "loss=0.25", "pairs=pm"]).expect("right values");
        assert_eq!((params.int("n"), params.count("n")), (10_000, 10_000));
        assert_eq!(params.float("loss"), 0.25);
        assert_eq!(params.choice("pairs"), "pm");
        assert_eq!(params.as_options(), " --set n=10000 --set loss=0.25 --set pairs=pm");
        assert_eq!(parse(&[]).expect("defaults").as_options(), "");
    }

    #[test]
    fn bounds_are_inclusive() {
        assert!(parse(&["n=2", "loss=1"]).is_ok());
        for wrong in ["n=1", "n=1000001", "n=-5", "n=2.5", "n=", "n=x"] {
            let text = refusal(&[wrong]);
            assert!(text.contains("is not a value of `n`"), "{text}");
            assert!(text.contains("(int, 2..=1000000 nodes)"), "{text}");
        }
        for wrong in ["loss=1.1", "loss=nan", "loss=inf", "loss=-0.1", "loss=lots"] {
            let text = refusal(&[wrong]);
            assert!(text.contains("(float, 0..=1 probability)"), "{text}");
        }
    }

    #[test]
    fn wrong_words_and_keys_list_the_right_ones() {
        let text = refusal(&["pairs=ran"]);
        assert!(text.contains("did you mean `rand`?"), "{text}");
        assert!(text.contains("one of seq | rand | pm"), "{text}");
        let text = refusal(&["los=0.5"]);
        assert!(text.contains("no parameter `los` (did you mean `loss`?)"), "{text}");
        assert!(text.contains("n = 1000 nodes  (int, 2..=1000000 nodes)  network size"), "{text}");
    }

    #[test]
    fn repeated_and_malformed_settings_are_refused() {
        assert!(refusal(&["n=5", "n=5"]).contains("`n` is set twice"));
        assert!(refusal(&["n"]).contains("write `--set key=value`"));
        assert!(refusal(&["=5"]).contains("no parameter ``"));
    }

    #[test]
    fn a_published_row_knows_its_parameters() {
        let params = parse(&["n=500"]).expect("right values");
        assert!(params.are_default_but(&["n"]));
        assert!(!params.are_default_but(&["loss"]));
    }

    #[test]
    #[should_panic(expected = "is not declared")]
    fn an_undeclared_parameter_is_a_bug() {
        parse(&[]).expect("defaults").int("m");
    }
}
