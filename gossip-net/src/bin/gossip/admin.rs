//! The agent's side of the admin socket: what is asked, is done and answered.
//!
//! Not a protocol of gossip. Everything is bounded: guests, the length of what they say, and how
//! long they may say nothing, or not listen. Nothing that they say stops the agent.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossip_core::Blob;
use gossip_dissem::rumor;
use gossip_net::{CallError, Delivery};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::agent::{Leave, Running};
use crate::contacts::Contact;
use crate::exit::Failure;
use crate::journal::describe;
use crate::protocol::{ASK, Answer, Request};
use crate::socket::{Guest, Listener};
use crate::stack::{Asked, News, TEXT, VALUE};
use crate::{identity, keys, large, views};

/// Guests at a time. Our choice: more are told so.
const GUESTS: usize = 64;

/// How long a guest may say nothing, and not listen. Our choice.
const IDLE: Duration = Duration::from_secs(60);
const DEAF: Duration = Duration::from_secs(10);

/// Contacts named in one question at most, as a node has.
const CONTACTS: usize = 256;

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Serves guests for ever.
pub(crate) async fn serve(listener: Arc<Listener>, running: Arc<Running>) {
    let places = Arc::new(Semaphore::new(GUESTS));
    loop {
        let mut guest = match listener.accept().await {
            Ok(guest) => guest,
            Err(error) => {
                // No more files, perhaps: guests that go make room.
                warn!(%error, "the admin socket accepts nobody");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let busy = Failure::refused(format!("{GUESTS} others talk to the agent already"));
            let _ = say(&mut guest.writer, &Answer::failed(busy)).await;
            continue;
        };
        let running = Arc::clone(&running);
        tokio::spawn(async move {
            if let Err(error) = converse(guest, &running).await {
                debug!(%error, "a guest of the admin socket is gone");
            }
            drop(place);
        });
    }
}

async fn converse(guest: Guest, running: &Running) -> io::Result<()> {
    let Guest { reader, mut writer, token } = guest;
    let mut reader = BufReader::new(reader);
    if let Some(token) = token {
        match timeout(IDLE, read_line(&mut reader)).await?? {
            Some(Said::Line(line)) if line.trim_ascii() == token.as_bytes() => {}
            _ => return Ok(()),
        }
    }
    loop {
        let request = match timeout(IDLE, read_line(&mut reader)).await?? {
            None => return Ok(()),
            Some(Said::TooMuch) => {
                let long = Failure::usage(format!("a line of more than {ASK} bytes"));
                return say(&mut writer, &Answer::failed(long)).await;
            }
            Some(Said::Line(line)) => Request::parse(&line),
        };
        match request {
            Ok(Request::Subscribe { topic, recent }) => {
                let wanted = topic.map_or(Wanted::News, Wanted::Topic);
                return stream(&mut reader, &mut writer, running, recent, &wanted).await;
            }
            Ok(Request::Monitor { recent }) => {
                return stream(&mut reader, &mut writer, running, recent, &Wanted::All).await;
            }
            Ok(Request::Leave {}) => return leave(&mut writer, running).await,
            Ok(request) => {
                let answer = match answer(running, request).await {
                    Ok(data) => Answer::done(data),
                    Err(failure) => Answer::failed(failure),
                };
                say(&mut writer, &answer).await?;
            }
            Err(failure) => say(&mut writer, &Answer::failed(failure)).await?,
        }
    }
}

enum Said {
    Line(Vec<u8>),
    TooMuch,
}

/// The next line, which may end with the guest's last word; `None` if there is none.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Said>> {
    let mut line = Vec::new();
    reader.take(ASK as u64 + 1).read_until(b'\n', &mut line).await?;
    Ok(match line.len() {
        0 => None,
        len if len > ASK => Some(Said::TooMuch),
        _ => Some(Said::Line(line)),
    })
}

async fn say(writer: &mut Writer, answer: &Answer) -> io::Result<()> {
    let line = answer.line();
    timeout(DEAF, async {
        writer.write_all(&line).await?;
        writer.flush().await
    })
    .await?
}

/// What is answered to a question that has one answer.
async fn answer(running: &Running, request: Request) -> Result<Value, Failure> {
    let node = &running.node;
    match request {
        Request::Members {} => Ok(views::members(running)),
        Request::Aggregate {} => Ok(views::aggregate(running)),
        Request::Join { addrs } => join(running, &addrs).await,
        Request::Publish { topic, text } => {
            let topic = Blob::new(&topic).map_err(|e| refused("the topic", e))?;
            let text = if text.len() > TEXT {
                Blob::new(large::put_post(running, topic.clone(), &text).await?)
            } else {
                Blob::new(&text)
            };
            let text = text.map_err(|e| refused("the text", e))?;
            let publish = rumor::Command::Publish(News { topic, text });
            node.call(Asked::news(publish)).await.map_err(call_failed)?;
            Ok(json!({}))
        }
        Request::Get { key } => {
            let value = node.read(|agent| {
                agent.data.get(key.as_bytes()).map(|value| large::value(agent, value))
            });
            let none = || Failure::refused(format!("no value for the key `{key}`"));
            let absent = || Failure::refused(format!("the value of `{key}` is not here yet"));
            let value = value.ok_or_else(none)?.ok_or_else(absent)?;
            Ok(json!({ "key": key, "value": value }))
        }
        Request::List { prefix } => Ok(node.read(|agent| {
            let rows = agent.data.prefix(prefix.as_bytes());
            let row = |(key, value)| {
                let shown = large::value(agent, value);
                json!({ "key": views::text(key), "value": shown })
            };
            rows.map(row).collect()
        })),
        Request::Set { key, value } => {
            let value = if value.len() > VALUE {
                large::put(running, value.as_bytes()).await?
            } else {
                value.into_bytes()
            };
            let set = gossip_entropy::Command::set(&key, &value);
            write(running, key, set.map_err(|e| refused("the key or the value", e))?).await
        }
        Request::Delete { key } => {
            if node.read(|agent| agent.data.get(key.as_bytes()).is_none()) {
                return Err(Failure::refused(format!("no value for the key `{key}`")));
            }
            let delete = gossip_entropy::Command::delete(&key);
            write(running, key, delete.map_err(|e| refused("the key", e))?).await
        }
        Request::Reload {} => block_in_place(|| reload(running)),
        // Those that go on were taken before.
        Request::Info {}
        | Request::Leave {}
        | Request::Subscribe { .. }
        | Request::Monitor { .. } => Ok(views::info(running)),
    }
}

/// Reads secrets, certificates and the list of nodes again: all of them, or, if one file is wrong,
/// none.
fn reload(running: &Running) -> Result<Value, Failure> {
    /// One guest at a time: what was checked must be what is taken.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Running { keys, config, certs, .. } = running;
    let secrets = keys.as_ref().zip(config.key_file.as_ref());
    if secrets.is_none() && certs.is_none() && config.allow.is_none() {
        let what = "the agent has no --key-file, --cert-file and --allow-file to read again";
        return Err(Failure::refused(what));
    }
    let secrets = secrets.map(|(keys, file)| Ok((keys, keys::read(file)?)));
    let secrets = secrets.transpose()?;
    let identity = certs.as_ref().map(|certs| Ok((certs, certs.read_again()?))).transpose()?;
    let list = config.allow.as_ref().map(|(file, list)| Ok((list, identity::list(file)?)));
    let list = list.transpose()?;
    // Nothing has changed so far, and only the first of these can fail.
    if let Some((certs, identity)) = identity {
        certs.renew(&identity)?;
        info!("the certificates were read again");
    }
    if let Some((keys, secrets)) = secrets {
        keys.replace(&secrets);
        info!(keys = ?keys.ids(), "the secrets were read again");
    }
    if let Some((list, read)) = list {
        identity::check(config.identity.as_ref(), &read);
        list.replace(&read);
        info!(nodes = list.len(), "the list of nodes was read again");
    }
    Ok(json!({
        "keys": keys.as_ref().map(views::key_ids),
        "lane": views::lane(running),
        "allowed": config.allow.as_ref().map(|(_, list)| list.len()),
    }))
}

fn refused(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::refused(format!("{what}: {why}"))
}

fn call_failed(error: CallError) -> Failure {
    Failure::refused(error)
}

type Write = gossip_entropy::Command<{ crate::stack::KEY }, { crate::stack::VALUE }>;

/// Writes to the store. Where there is a state, it is on disk before it is answered.
async fn write(running: &Running, key: String, command: Write) -> Result<Value, Failure> {
    running.node.call(Asked::data(command)).await.map_err(call_failed)?;
    if let Some(keeper) = &running.keeper {
        let keys = [key.into_bytes()].into();
        let kept = keeper.keep_some(&running.node, &keys);
        kept.map_err(|e| refused("written, and told others, but not kept", e))?;
    }
    Ok(json!({}))
}

async fn join(running: &Running, names: &[String]) -> Result<Value, Failure> {
    if names.is_empty() || names.len() > CONTACTS {
        return Err(Failure::usage(format!("1 to {CONTACTS} addresses, not {}", names.len())));
    }
    let mut asked = Vec::new();
    for name in names {
        let contact: Contact =
            name.parse().map_err(|e| Failure::usage(format!("`{name}`: {e}")))?;
        let addrs = contact.resolve(running.config.dns).await.map_err(|e| refused(name, e))?;
        for addr in addrs {
            running.node.contact(addr).await.map_err(Failure::refused)?;
            asked.push(addr);
        }
    }
    Ok(json!({ "asked": asked }))
}

async fn leave(writer: &mut Writer, running: &Running) -> io::Result<()> {
    let ((said, hear), (done, heard)) = (oneshot::channel(), oneshot::channel());
    let asked = running.leaves.send(Leave { said, heard }).await;
    let answer = match (asked, hear.await) {
        (Ok(()), Ok(count)) => Answer::done(json!({ "acknowledged": count })),
        _ => Answer::failed(Failure::refused("the agent is leaving already")),
    };
    let told = say(writer, &answer).await;
    // The agent may be gone by now, which is as good.
    let _ = done.send(());
    told
}

/// What of all that happens a guest follows.
enum Wanted {
    All,
    News,
    /// News of this topic.
    Topic(String),
}

impl Wanted {
    fn has(&self, event: &Value) -> bool {
        let (news, lagged) = (event["event"] == "news", event["event"] == "lagged");
        match self {
            Self::All => true,
            Self::News => news || lagged,
            Self::Topic(topic) => (news && event["topic"] == **topic) || lagged,
        }
    }
}

/// What happens, until the guest hangs up or the node ends.
async fn stream(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut Writer,
    running: &Running,
    recent: bool,
    wanted: &Wanted,
) -> io::Result<()> {
    let node = &running.node;
    let mut events = node.events();
    while !recent && events.try_recv().is_some() {}
    say(writer, &Answer::stream()).await?;
    let mut status = views::status(&node.status());
    loop {
        let happened = tokio::select! {
            delivery = events.recv() => match delivery {
                Some(Delivery::Event(event)) => node.read(|agent| describe(agent, &event)),
                Some(Delivery::Lagged(missed)) => {
                    Some(json!({ "event": "lagged", "missed": missed }))
                }
                None => return Ok(()),
            },
            now = node.status_where(|now| views::status(now) != status) => {
                status = views::status(&now);
                Some(json!({ "event": "status", "to": status, "text": now.to_string() }))
            }
            read = reader.fill_buf() => match read?.len() {
                0 => return Ok(()),
                len => {
                    reader.consume(len); // nothing more can be asked here
                    None
                }
            },
        };
        if let Some(event) = happened.filter(|event| wanted.has(event)) {
            say(writer, &Answer::done(event)).await?;
        }
        if status == "ended" {
            return Ok(());
        }
    }
}
