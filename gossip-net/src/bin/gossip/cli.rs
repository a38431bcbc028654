//! The command line: one verb, its arguments, and what is the same for all.
//!
//! Not a protocol: from words to calls.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::{Client, Show};
use crate::config::{Config, Span};
use crate::exit::{CODES, Failure};
use crate::protocol::Request;
use crate::settings::{self, Settings};
use crate::{agent, certs, identity, keys, replay, socket};

/// A node of a gossip cluster, and the verbs that talk to it.
#[derive(Debug, Parser)]
#[command(name = "gossip", version, after_help = CODES, arg_required_else_help = true)]
struct Cli {
    /// The agent to talk to, by its name [default: gossip; GOSSIP_AGENT]
    #[arg(long, global = true, value_name = "NAME")]
    agent: Option<String>,
    /// The admin socket, by its path [default: that of the agent's name; GOSSIP_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON: one document, or one a line for what goes on
    #[arg(long, global = true)]
    json: bool,
    /// How long to wait for the agent [default: 10s, 2m to leave, for ever for what goes on]
    #[arg(long, global = true, value_name = "DURATION")]
    timeout: Option<Span>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a node until it is told to leave, by `gossip leave`, Ctrl-C or SIGTERM
    #[command(after_help = AGENT)]
    Agent {
        /// A TOML file of settings, called as the flags are (GOSSIP_CONFIG)
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print the settings in force, and who said each, and do nothing
        #[arg(long)]
        print_config: bool,
    },
    /// Make a secret for a cluster; a node's own key; or an authority, and certificates for lanes
    Keygen {
        /// A new file for the secret; stdout if none is named
        #[arg(conflicts_with_all = ["authority", "identity"])]
        file: Option<PathBuf>,
        /// The file of a node's own private key, which is made if there is none; prints its line in
        /// a list of nodes
        #[arg(long, value_name = "FILE", conflicts_with = "authority")]
        identity: Option<PathBuf>,
        /// The directory of an authority, which is made if there is none
        #[arg(long, value_name = "DIR")]
        authority: Option<PathBuf>,
        /// The node that a key and a certificate are for: DIR/NODE.key and DIR/NODE.pem
        #[arg(long, value_name = "NODE", requires = "authority")]
        node: Option<String>,
        /// How long the certificate is good
        #[arg(long, value_name = "DAYS", default_value_t = 365, requires = "node")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: u32,
        /// The DNS name that all certificates of the cluster bear
        #[arg(long, value_name = "NAME", default_value = settings::LANE_NAME, requires = "node")]
        cert_name: String,
    },
    /// Do again what a node has recorded with --record, and print what it told
    Replay {
        /// The recording
        file: PathBuf,
    },
    #[command(flatten)]
    Ask(Question),
}

/// What the agent is asked.
#[derive(Debug, Subcommand)]
enum Question {
    /// Everybody known, and how they are
    Members {
        /// Only those that are alive, suspected, dead or left
        #[arg(long, value_name = "STATE", value_parser = ["alive", "suspected", "dead", "left"])]
        state: Option<String>,
    },
    /// Have the agent talk to these nodes
    Join {
        /// HOST:PORT of each
        #[arg(required = true, value_name = "ADDR")]
        addrs: Vec<String>,
    },
    /// Have the agent say good-bye, and stop
    Leave,
    /// Tell all nodes
    Publish {
        /// A topic and a text, or a text alone
        #[arg(required = true, num_args = 1..=2, value_names = ["TOPIC", "TEXT"])]
        words: Vec<String>,
    },
    /// Print what is published, as it comes
    Subscribe {
        /// Only this topic
        topic: Option<String>,
        #[command(flatten)]
        extent: Extent,
    },
    /// A value of the store
    Get {
        /// Its key
        key: String,
    },
    /// All keys of the store, with their values
    List {
        /// Only keys that begin with this
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Give a key of the store a value
    Set {
        /// The key
        key: String,
        /// The value
        value: String,
    },
    /// Delete a key of the store
    Delete {
        /// The key
        key: String,
    },
    /// The mean load, how many nodes there are, and where this one stands
    Aggregate,
    /// How the agent is
    Info,
    /// Have the agent read its files of secrets, certificates and nodes again
    Reload,
    /// Print all that happens, as it does
    Monitor {
        #[command(flatten)]
        extent: Extent,
    },
}

/// From where to where something that goes on is looked at.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Extent {
    /// What came before and is still kept, too
    #[arg(long)]
    recent: bool,
    /// Stop after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

const AGENT: &str = "\
A flag wins over its variable, and that over the file of --config. Secrets come from --key-file or
from the variable GOSSIP_KEYS, with commas between them, never from a flag.";

/// Does what the command line says.
pub(crate) fn run() -> Result<(), Failure> {
    let command = Cli::command().mut_subcommand("agent", |agent| agent.args(settings::flags()));
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.run(&matches),
        Err(error) => refuse(&error),
    }
}

/// Help that was asked for is no error.
fn refuse(error: &clap::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is there to read it: so be it.
            let _ = error.print();
            Ok(())
        }
        _ => {
            let text = error.to_string();
            Err(Failure::usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end()))
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl Cli {
    fn run(self, matches: &ArgMatches) -> Result<(), Failure> {
        let socket = self.socket.or_else(|| variable("GOSSIP_SOCKET").map(PathBuf::from));
        let agent_said = self.agent.is_some();
        let named = self.agent.or_else(|| variable("GOSSIP_AGENT"));
        let (request, show, extent) = match self.verb {
            Verb::Agent { .. } if agent_said => {
                return Err(Failure::usage("--agent says whom to talk to; an agent has a --name"));
            }
            Verb::Agent { config, print_config } => {
                let none = ArgMatches::default();
                let flags = matches.subcommand_matches("agent").unwrap_or(&none);
                return start(config, print_config, socket, flags);
            }
            Verb::Keygen { authority: Some(dir), node, days, cert_name, .. } => {
                return certs::generate(&dir, node.as_deref(), days, &cert_name);
            }
            Verb::Keygen { identity: Some(path), .. } => return identity::generate(&path),
            Verb::Keygen { file, .. } => return keys::generate(file.as_deref()),
            Verb::Replay { file } => return replay::run(&file, self.json),
            Verb::Ask(question) => question.ask(),
        };
        let path = socket.unwrap_or_else(|| socket::path_of(named.as_deref().unwrap_or("gossip")));
        let timeout = self.timeout.map(|span| span.0);
        let count = extent.and_then(|extent| extent.count);
        Client { path, json: self.json, timeout, count }.ask(&request, &show)
    }
}

impl Question {
    /// What goes to the agent, and how its answer is shown.
    fn ask(self) -> (Request, Show, Option<Extent>) {
        match self {
            Self::Members { state } => (Request::Members {}, Show::Members { state }, None),
            Self::Join { addrs } => (Request::Join { addrs }, Show::Word("asked"), None),
            Self::Leave => (Request::Leave {}, Show::Leave, None),
            Self::Publish { mut words } => {
                let text = words.pop().unwrap_or_default();
                let topic = words.pop().unwrap_or_default();
                (Request::Publish { topic, text }, Show::Word("published"), None)
            }
            Self::Subscribe { topic, extent } => {
                let recent = extent.recent;
                (Request::Subscribe { topic, recent }, Show::News, Some(extent))
            }
            Self::Get { key } => (Request::Get { key }, Show::Value, None),
            Self::List { prefix } => (Request::List { prefix }, Show::Values, None),
            Self::Set { key, value } => (Request::Set { key, value }, Show::Word("set"), None),
            Self::Delete { key } => (Request::Delete { key }, Show::Word("deleted"), None),
            Self::Aggregate => (Request::Aggregate {}, Show::Fields, None),
            Self::Monitor { extent } => {
                (Request::Monitor { recent: extent.recent }, Show::Happenings, Some(extent))
            }
            Self::Reload => (Request::Reload {}, Show::Word("read again"), None),
            Self::Info => (Request::Info {}, Show::Fields, None),
        }
    }
}

fn start(
    config: Option<PathBuf>,
    print: bool,
    socket: Option<PathBuf>,
    flags: &ArgMatches,
) -> Result<(), Failure> {
    let file = config.or_else(|| variable("GOSSIP_CONFIG").map(PathBuf::from));
    let settings = Settings::gather(file.as_deref(), env::vars_os(), flags)?;
    let config = Config::check(&settings, variable(keys::VARIABLE).as_deref())?;
    let socket = socket.unwrap_or_else(|| socket::path_of(&config.name));
    if print {
        let shown = writeln!(io::stdout(), "{settings}# the admin socket is {}", socket.display());
        return shown.map_err(|e| Failure::refused(format!("cannot print: {e}")));
    }
    agent::run(config, &socket)
}
