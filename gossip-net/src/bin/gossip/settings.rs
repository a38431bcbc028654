//! Where an agent's settings come from: a file, the environment, the command line.
//!
//! Not a protocol: the list of all keys, and for each who said what. The command line wins over the
//! environment, which wins over the file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::exit::Failure;

/// A setting that an agent has.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What a value is, for the help.
    shape: &'static str,
    /// Nothing if it is unset by default.
    default: &'static str,
    many: bool,
    help: &'static str,
}

const fn key(name: &'static str, shape: &'static str, default: &'static str) -> Key {
    Key { name, shape, default, many: false, help: "" }
}

impl Key {
    const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    /// The variable that says it.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase().replace('-', "_"))
    }
}

/// What all variables begin with.
pub(crate) const PREFIX: &str = "GOSSIP_";

/// The name in certificates, unless another is said.
pub(crate) const LANE_NAME: &str = "lane.gossip";

/// All settings, in the order of the help.
pub(crate) const KEYS: [Key; 24] = [
    key("name", "NAME", "gossip").help("What people call the node: up to 32 bytes, a label only"),
    key("cluster", "NAME", "gossip").help("The cluster's name, the same on all nodes"),
    key("bind", "ADDR", "127.0.0.1:0").help("The UDP address to bind; port 0 is any free one"),
    key("advertise", "ADDR", "").help("The address that peers use, where it is not the bound one"),
    key("join", "ADDR", "")
        .many()
        .help("HOST:PORT of a node to join, or a service's name; names are looked up for ever"),
    key("join-file", "FILE", "").help("A file of nodes to join, one a line, read again for ever"),
    key("dns", "ADDR", "")
        .help("The name server that knows the services to join; the system's by default"),
    key("tick", "DURATION", "1s").help("The period of rounds, the same on all nodes: 1ms to 1h"),
    key("load", "SOURCE", "auto")
        .help("What is averaged: host (load average), process (share of a CPU), a number, or auto"),
    key("state", "DIR", "").help("Where to keep what must outlive the process; nowhere by default"),
    key("record", "FILE", "")
        .help("Record all that the node is given, for `gossip replay`; up to 1 GiB, in clear"),
    key("key-file", "FILE", "").help("A file of secrets, one a line; the first seals"),
    key("identity-file", "FILE", "")
        .help("The node's own private key in PEM, by which it proves who it is"),
    key("allow-file", "FILE", "")
        .help("The public keys of all nodes, one a line; who proves to have none is refused"),
    key("cert-file", "FILE", "")
        .help("The node's certificate in PEM, for a lane for what does not fit a datagram"),
    key("cert-key-file", "FILE", "").help("Its private key, in PEM"),
    key("authority-file", "FILE", "").help("The authorities that peers' certificates are of"),
    key("cert-name", "NAME", LANE_NAME)
        .help("The DNS name that all certificates of the cluster bear"),
    key("lane", "ADDR", "")
        .help("The address of the lane; by default any free port where the node is bound"),
    key("lane-over", "KIND", "quic").help("What the lane goes over, on all nodes: quic or tcp"),
    key("path-mtu", "BYTES", "1500")
        .help("The longest packet that ways to peers are searched for: 1280 (no search) to 65535"),
    key("plaintext", "BOOL", "false")
        .help("Whether to go without keys where others reach the node"),
    key("metrics", "ADDR", "").help("Serve metrics for Prometheus over HTTP at this address"),
    key("log", "LEVEL", "info").help("What is logged: off, error, warn, info, debug, trace"),
];

/// Variables that are no settings of the agent.
const OTHERS: [&str; 4] = ["GOSSIP_CONFIG", "GOSSIP_KEYS", "GOSSIP_SOCKET", "GOSSIP_AGENT"];

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { name: String, line: usize },
    Variable(String),
    Flag,
}

/// The value of a key, or its values.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) values: Vec<String>,
    pub(crate) origin: Origin,
}

impl Setting {
    /// What is wrong with it, and where it was said.
    pub(crate) fn wrong(&self, what: impl fmt::Display) -> Failure {
        let name = self.key.name;
        Failure::usage(match &self.origin {
            Origin::Default => format!("{name}: {what}"),
            Origin::File { name: file, line } => format!("{file}:{line}: {name}: {what}"),
            Origin::Variable(variable) => format!("{variable}: {what}"),
            Origin::Flag => format!("--{name}: {what}"),
        })
    }
}

/// All settings.
#[derive(Debug)]
pub(crate) struct Settings(BTreeMap<&'static str, Setting>);

impl Settings {
    /// What the file, the variables and the flags say together.
    pub(crate) fn gather(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &ArgMatches,
    ) -> Result<Self, Failure> {
        let mut all = Self(BTreeMap::new());
        for key in &KEYS {
            let values = Vec::from_iter((!key.default.is_empty()).then(|| key.default.to_owned()));
            all.put(Setting { key, values, origin: Origin::Default });
        }
        if let Some(path) = file {
            let text = fs::read_to_string(path)
                .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
            all.take_file(&path.display().to_string(), &text)?;
        }
        for (name, value) in variables {
            all.take_variable(&name.to_string_lossy(), &value)?;
        }
        all.take_flags(flags);
        Ok(all)
    }

    /// The setting called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    fn put(&mut self, setting: Setting) {
        self.0.insert(setting.key.name, setting);
    }

    fn take_file(&mut self, file: &str, text: &str) -> Result<(), Failure> {
        let line = |at: usize| text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1;
        let wrong = |at, what: &str| Failure::usage(format!("{file}:{}: {what}", line(at)));
        let table =
            DeTable::parse(text).map_err(|e| wrong(e.span().unwrap_or(0..0).start, e.message()))?;
        for (name, value) in table.get_ref() {
            let at = name.span().start;
            let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref()) else {
                let names = KEYS.iter().map(|key| key.name);
                let what = format!("no key `{}`{}", name.get_ref(), suggest(name.get_ref(), names));
                return Err(wrong(at, &what));
            };
            let values = texts(value, key.many).ok_or_else(|| {
                let kind = if key.many { "a text, or a list of texts" } else { "a single value" };
                wrong(value.span().start, &format!("`{}` is {kind}", key.name))
            })?;
            let origin = Origin::File { name: file.to_owned(), line: line(at) };
            self.put(Setting { key, values, origin });
        }
        Ok(())
    }

    fn take_flags(&mut self, flags: &ArgMatches) {
        for key in &KEYS {
            if let Some(values) = flags.get_many::<String>(key.name) {
                let values = values.cloned().collect();
                self.put(Setting { key, values, origin: Origin::Flag });
            }
        }
    }

    fn take_variable(&mut self, name: &str, value: &OsString) -> Result<(), Failure> {
        if !name.starts_with(PREFIX) || OTHERS.contains(&name) {
            return Ok(());
        }
        let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
            // Container platforms set variables of their own for a service that is called gossip:
            // only what looks like a slip is refused.
            let known: Vec<String> = KEYS.iter().map(Key::variable).collect();
            let near = suggest(name, known.iter().map(String::as_str));
            if near.is_empty() {
                return Ok(());
            }
            return Err(Failure::usage(format!("no variable `{name}` is looked at{near}")));
        };
        let origin = Origin::Variable(name.to_owned());
        let mut setting = Setting { key, values: Vec::new(), origin };
        let Some(value) = value.to_str() else {
            return Err(setting.wrong("it is not UTF-8"));
        };
        let parts = |text: &str| text.split(',').map(|part| part.trim().to_owned()).collect();
        setting.values = if key.many { parts(value) } else { vec![value.to_owned()] };
        setting.values.retain(|value| !value.is_empty());
        self.put(setting);
        Ok(())
    }
}

/// All settings as the file that says them, each with who said it.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for setting in KEYS.iter().filter_map(|key| self.get(key.name)) {
            let Setting { key, values, origin } = setting;
            let quoted = |text: &String| toml::Value::from(text.as_str()).to_string();
            let list = || values.iter().map(quoted).collect::<Vec<_>>().join(", ");
            let value = match values.first() {
                Some(_) if key.many => format!("[{}]", list()),
                Some(value) if value.parse::<bool>().is_ok() => value.clone(),
                Some(value) => quoted(value),
                None => {
                    writeln!(f, "# {} is not set", key.name)?;
                    continue;
                }
            };
            match origin {
                Origin::Default => writeln!(f, "{} = {value}  # default", key.name)?,
                Origin::File { name, line } => {
                    writeln!(f, "{} = {value}  # {name}:{line}", key.name)?;
                }
                Origin::Variable(name) => writeln!(f, "{} = {value}  # {name}", key.name)?,
                Origin::Flag => writeln!(f, "{} = {value}  # flag", key.name)?,
            }
        }
        Ok(())
    }
}

/// A flag for each key.
pub(crate) fn flags() -> impl Iterator<Item = Arg> {
    KEYS.iter().map(|key| {
        let default = if key.default.is_empty() { "unset" } else { key.default };
        let help = format!("{} [default: {default}; {}]", key.help, key.variable());
        let arg = Arg::new(key.name).long(key.name).value_name(key.shape).help(help);
        match (key.many, key.shape) {
            (true, _) => arg.action(ArgAction::Append),
            // `--plaintext` alone says it, too.
            (_, "BOOL") => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => arg,
        }
    })
}

/// A value of a file as text, or each of a list.
fn texts(value: &Spanned<DeValue<'_>>, many: bool) -> Option<Vec<String>> {
    let single = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    match value.get_ref() {
        DeValue::Array(items) if many => items.iter().map(|item| single(item.get_ref())).collect(),
        value => single(value).map(|text| vec![text]),
    }
}

/// ` (did you mean ...?)` if one of the right names is near, else nothing.
fn suggest<'a>(wrong: &str, right: impl Iterator<Item = &'a str>) -> String {
    let far =
        |name: &&str| strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
    let nearest = right.min_by_key(far).filter(|name| far(name) <= 2);
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn gather(file: &str, variables: &[(&str, &str)], said: &[&str]) -> Result<Settings, Failure> {
        let flags = |said: &[&str]| {
            Command::new("agent").args(flags()).get_matches_from([&["agent"], said].concat())
        };
        let mut all = Settings::gather(None, [], &flags(&[]))?;
        all.take_file("a.toml", file)?;
        for (name, value) in variables {
            all.take_variable(name, &(*value).into())?;
        }
        all.take_flags(&flags(said));
        Ok(all)
    }

    #[test]
    fn flags_win_over_variables_and_those_over_the_file() {
        let file = "tick = '2s'\nname = 'file'\ncluster = 'file'\njoin = ['a:1', 'b:2']\n";
        let variables = [("GOSSIP_NAME", "variable"), ("GOSSIP_CLUSTER", "variable")];
        let all = gather(file, &variables, &["--cluster", "flag"]).unwrap();
        let value = |name| all.get(name).unwrap().values.join(" ");
        assert_eq!(value("tick"), "2s");
        assert_eq!(value("name"), "variable");
        assert_eq!(value("cluster"), "flag");
        assert_eq!(value("join"), "a:1 b:2");
        assert_eq!(value("bind"), "127.0.0.1:0");
        // What is printed is a file that says the same.
        let again = gather(&all.to_string(), &[], &[]).unwrap();
        for key in &KEYS {
            let (all, again) = (all.get(key.name).unwrap(), again.get(key.name).unwrap());
            assert_eq!(all.values, again.values, "{}", key.name);
        }
    }

    #[test]
    fn a_slip_is_named_with_its_line_and_the_nearest_key() {
        let what = |file| gather(file, &[], &[]).unwrap_err().what;
        assert_eq!(
            what("# x\nclutser = 'a'"),
            "a.toml:2: no key `clutser` (did you mean `cluster`?)"
        );
        assert_eq!(what("wrong = 1"), "a.toml:1: no key `wrong`");
        assert_eq!(what("\n\ntick = ['1s']"), "a.toml:3: `tick` is a single value");
        assert!(what("tick = ").starts_with("a.toml:1: "));
        let error = gather("", &[("GOSSIP_TCIK", "1s")], &[]).unwrap_err().what;
        assert_eq!(error, "no variable `GOSSIP_TCIK` is looked at (did you mean `GOSSIP_TICK`?)");
        assert!(
            gather("", &[("GOSSIP_SERVICE_HOST", "10.0.0.1"), ("GOSSIP_PORT", "x")], &[]).is_ok()
        );
    }
}
