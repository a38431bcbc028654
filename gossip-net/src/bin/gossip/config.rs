//! An agent's settings, each checked, and what they mean.
//!
//! Not a protocol: text in, typed values out, errors that name where the text came from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use gossip_net::{AllowList, Keyring, NodeKey};
use tracing::level_filters::LevelFilter;

use crate::certs::Files;
use crate::contacts::Contact;
use crate::exit::Failure;
use crate::identity;
use crate::keys;
use crate::load::Load;
use crate::settings::{Setting, Settings};
use crate::stack::Name;

/// What an agent is to be.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) card: Name,
    pub(crate) cluster: String,
    pub(crate) bind: SocketAddr,
    pub(crate) advertise: Option<SocketAddr>,
    pub(crate) join: Vec<Contact>,
    pub(crate) join_file: Option<PathBuf>,
    /// The name server that knows services, if it is not the system's.
    pub(crate) dns: Option<SocketAddr>,
    pub(crate) tick: Duration,
    pub(crate) load: Load,
    pub(crate) state: Option<PathBuf>,
    pub(crate) record: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) keys: Option<Keyring>,
    pub(crate) identity: Option<NodeKey>,
    /// Who may take part, and the file that says it.
    pub(crate) allow: Option<(PathBuf, AllowList)>,
    /// The certificates of its lane, if it has one.
    pub(crate) certs: Option<Files>,
    /// The longest packet that ways to peers are searched for.
    pub(crate) path_mtu: usize,
    pub(crate) plaintext: bool,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) log: LevelFilter,
}

impl Config {
    /// Checks all settings; `secrets` is the variable that may hold some.
    pub(crate) fn check(settings: &Settings, secrets: Option<&str>) -> Result<Self, Failure> {
        let name: String = required(settings, "name")?;
        let wrong_name = |e| wrong(settings, "name", e);
        let card = Name::new(&name).map_err(|e| wrong_name(e.to_string()))?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return Err(wrong_name("it is part of a file's name: not empty, no `/`".to_owned()));
        }
        let key_file: Option<PathBuf> = optional(settings, "key-file")?;
        let Span(tick) = required(settings, "tick")?;
        let config = Self {
            name,
            card,
            cluster: required(settings, "cluster")?,
            bind: required(settings, "bind")?,
            advertise: optional(settings, "advertise")?,
            join: all(settings, "join")?,
            join_file: optional(settings, "join-file")?,
            dns: optional(settings, "dns")?,
            tick,
            load: required(settings, "load")?,
            state: optional(settings, "state")?,
            record: optional(settings, "record")?,
            keys: keys::load(key_file.as_deref(), secrets)?,
            key_file,
            identity: optional::<PathBuf>(settings, "identity-file")?
                .map(|path| identity::key(&path))
                .transpose()?,
            allow: allow(settings)?,
            certs: certs(settings)?,
            path_mtu: required(settings, "path-mtu")?,
            plaintext: required(settings, "plaintext")?,
            metrics: optional(settings, "metrics")?,
            log: required(settings, "log")?,
        };
        config.check_reach(settings)?;
        Ok(config)
    }

    /// Whether it may go where others reach it.
    fn check_reach(&self, settings: &Settings) -> Result<(), Failure> {
        let Self { bind, advertise, keys, plaintext, .. } = self;
        if !bind.ip().is_loopback() && keys.is_none() && !plaintext {
            let what = format!(
                "others reach {bind}, and there are no keys: make a secret with `gossip keygen \
                 FILE`, copy it to all nodes and say --key-file FILE; or say --plaintext if \
                 everybody on the network can be trusted"
            );
            return Err(wrong(settings, "bind", what));
        }
        if bind.ip().is_unspecified() && advertise.is_none() {
            let what = format!(
                "{bind} is every address of this host: say with --advertise which one peers use"
            );
            return Err(wrong(settings, "bind", what));
        }
        let hour = Duration::from_secs(3_600);
        if !(Duration::from_millis(1)..=hour).contains(&self.tick) {
            return Err(wrong(settings, "tick", "from 1ms to 1h".to_owned()));
        }
        if !(1_280..=65_535).contains(&self.path_mtu) {
            return Err(wrong(settings, "path-mtu", "from 1280 to 65535".to_owned()));
        }
        Ok(())
    }
}

/// Who may take part; whoever asks others for proofs must be able to give one.
fn allow(settings: &Settings) -> Result<Option<(PathBuf, AllowList)>, Failure> {
    let Some(path) = optional::<PathBuf>(settings, "allow-file")? else { return Ok(None) };
    if optional::<PathBuf>(settings, "identity-file")?.is_none() {
        let what = "it goes with --identity-file: `gossip keygen --identity FILE` makes one";
        return Err(wrong(settings, "allow-file", what.to_owned()));
    }
    let list = identity::list(&path)?;
    Ok(Some((path, list)))
}

/// The certificates of a lane: all three files, or none.
fn certs(settings: &Settings) -> Result<Option<Files>, Failure> {
    let files = ["cert-file", "cert-key-file", "authority-file"];
    let [certificate, key, authority] = files.map(|name| optional(settings, name));
    let lane: Option<SocketAddr> = optional(settings, "lane")?;
    let bind: SocketAddr = required(settings, "bind")?;
    match (certificate?, key?, authority?) {
        (Some(certificate), Some(key), Some(authority)) => {
            let name = required(settings, "cert-name")?;
            let bind = lane.unwrap_or_else(|| SocketAddr::new(bind.ip(), 0));
            let over = required(settings, "lane-over")?;
            let files = Files { certificate, key, authority, name, bind, over };
            files.load().map(|_| Some(files))
        }
        (None, None, None) if lane.is_none() => Ok(None),
        _ => {
            let said = |name: &&str| settings.get(name).is_some_and(|s| !s.values.is_empty());
            let name = files.iter().find(|name| said(name)).unwrap_or(&"lane");
            let what = "--cert-file, --cert-key-file and --authority-file go together: `gossip \
                        keygen --authority DIR --node NAME` makes them";
            Err(wrong(settings, name, what.to_owned()))
        }
    }
}

fn wrong(settings: &Settings, name: &str, what: String) -> Failure {
    match settings.get(name) {
        Some(setting) => setting.wrong(what),
        None => Failure::usage(format!("{name}: {what}")),
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(setting: &Setting, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|e| setting.wrong(format!("`{text}`: {e}")))
}

fn all<T: FromStr<Err: std::fmt::Display>>(
    settings: &Settings,
    name: &str,
) -> Result<Vec<T>, Failure> {
    let Some(setting) = settings.get(name) else { return Ok(Vec::new()) };
    setting.values.iter().map(|text| parse(setting, text)).collect()
}

fn optional<T: FromStr<Err: std::fmt::Display>>(
    settings: &Settings,
    name: &str,
) -> Result<Option<T>, Failure> {
    let Some(setting) = settings.get(name) else { return Ok(None) };
    let text = setting.values.last().filter(|text| !text.is_empty());
    text.map(|text| parse(setting, text)).transpose()
}

fn required<T: FromStr<Err: std::fmt::Display>>(
    settings: &Settings,
    name: &str,
) -> Result<T, Failure> {
    let missing = || wrong(settings, name, "it must be said".to_owned());
    optional(settings, name)?.ok_or_else(missing)
}

/// A time with its unit, such as `1s` or `250ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
        let number: f64 = digits.parse().map_err(|_| "a number and its unit, like 250ms or 1s")?;
        let unit = match &text[digits.len()..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "" => return Err("say the unit: us, ms, s, m or h".to_owned()),
            other => return Err(format!("`{other}` is no unit: us, ms, s, m or h")),
        };
        let span = Duration::try_from_secs_f64(number * unit);
        span.map(Self).map_err(|_| "not negative, and not for ever".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0);
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(span("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(span("2m"), Ok(Duration::from_secs(120)));
        assert!(span("5").unwrap_err().contains("unit"));
        assert!(span("5d").unwrap_err().contains("`d` is no unit"));
        for bad in ["", "s", "-1s", "NaNs", "1e30h", "1 s", "ß"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
