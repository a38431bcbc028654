//! The certificates of an agent's lane: read, read again, watched until they expire, and made.
//!
//! Not a protocol: files in PEM. `gossip_net::lane` is what they are for.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossip_net::Builder;
use gossip_net::lane::quic::Quic;
use gossip_net::lane::tcp::Tcp;
use gossip_net::lane::{Expiry, Identity, Lane, LaneError};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, date_time_ymd,
};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::clock::wall_micros;
use crate::exit::Failure;
use crate::identity;
use crate::keys::{new_private, read_private};
use crate::stack::Agent;

const DAY: u64 = 86_400;

/// Days that an authority is good for. Our choice: longer than clusters are kept.
const AUTHORITY: u32 = 3_650;

/// An end is told of from so many days before it, and as an error from so many. Our choice: time
/// enough for people who are away, and for those who are not.
const SOON: u64 = 30 * DAY;
const NOW: u64 = 7 * DAY;

/// How often ends are looked at, and after how many looks an end is told of again: once a day.
const LOOK: Duration = Duration::from_secs(3_600);
const AGAIN: u32 = 24;

/// Where an agent's certificates are, and where its lane is to be.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
    /// The DNS name that all certificates of the cluster bear.
    pub(crate) name: String,
    pub(crate) bind: SocketAddr,
    pub(crate) over: Over,
}

/// What a lane goes over. Lanes of different kinds do not serve each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Quic,
    Tcp,
}

impl FromStr for Over {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "quic" => Ok(Self::Quic),
            "tcp" => Ok(Self::Tcp),
            _ => Err("quic or tcp"),
        }
    }
}

/// A lane of either kind.
#[derive(Clone, Debug)]
pub(crate) enum Open {
    Quic(Quic),
    Tcp(Tcp),
}

impl Open {
    fn bind(files: &Files, identity: &Identity) -> Result<Self, LaneError> {
        match files.over {
            Over::Quic => Quic::bind(files.bind, identity).map(Self::Quic),
            Over::Tcp => Tcp::bind(files.bind, identity).map(Self::Tcp),
        }
    }

    fn renew(&self, identity: &Identity) -> Result<(), LaneError> {
        match self {
            Self::Quic(lane) => lane.renew(identity),
            Self::Tcp(lane) => lane.renew(identity),
        }
    }

    /// Gives it to a node.
    pub(crate) fn give(&self, to: Builder<Agent<SocketAddr>>) -> Builder<Agent<SocketAddr>> {
        match self {
            Self::Quic(lane) => to.lane(lane.clone()),
            Self::Tcp(lane) => to.lane(lane.clone()),
        }
    }

    /// Where peers find it.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Quic(lane) => lane.local_addr().ok(),
            Self::Tcp(lane) => lane.local_addr().ok(),
        }
    }
}

impl Files {
    pub(crate) fn load(&self) -> Result<Identity, Failure> {
        let read = |path: &Path| {
            fs::read(path)
                .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))
        };
        let (chain, roots) = (read(&self.certificate)?, read(&self.authority)?);
        let key = read_private(&self.key)?;
        Identity::from_pem(&chain, key.as_bytes(), &roots, &self.name)
            .map_err(|e| Failure::usage(format!("{}: {e}", self.certificate.display())))
    }
}

/// The lane of an agent, and what it shows there.
#[derive(Debug)]
pub(crate) struct Certs {
    files: Files,
    pub(crate) lane: Open,
    expiry: Mutex<Expiry>,
    renewed: Notify,
}

impl Certs {
    /// Opens the lane.
    pub(crate) fn open(files: &Files) -> Result<Self, Failure> {
        let identity = files.load()?;
        let lane = Open::bind(files, &identity)
            .map_err(|e| Failure::refused(format!("lane {}: {e}", files.bind)))?;
        let (expiry, renewed) = (Mutex::new(identity.expiry()), Notify::new());
        Ok(Self { files: files.clone(), lane, expiry, renewed })
    }

    /// What the files say now; it is not in use yet.
    pub(crate) fn read_again(&self) -> Result<Identity, Failure> {
        self.files.load()
    }

    /// Uses it from now on. Connections are judged again by it.
    pub(crate) fn renew(&self, identity: &Identity) -> Result<(), Failure> {
        self.lane.renew(identity).map_err(Failure::usage)?;
        *self.expiry.lock().unwrap_or_else(PoisonError::into_inner) = identity.expiry();
        self.renewed.notify_one();
        Ok(())
    }

    /// What ends when: the seconds that are left, below zero when it has ended.
    pub(crate) fn left(&self) -> [(&'static str, i64); 2] {
        let Expiry { certificate, authority, .. } =
            *self.expiry.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (wall_micros() / 1_000_000) as i64;
        [("certificate", certificate), ("authority", authority)]
            .map(|(what, end)| (what, (end.as_secs() as i64).saturating_sub(now)))
    }
}

/// Tells of ends that are near, for ever; of nothing where there is no lane.
pub(crate) async fn watch(certs: Option<Arc<Certs>>) {
    let Some(certs) = certs else { return };
    info!(addr = ?certs.lane.addr(), "the lane is open");
    let mut watches = [Watch::default(); 2];
    loop {
        for (watch, (what, left)) in watches.iter_mut().zip(certs.left()) {
            tell(watch.look(left), what, left);
        }
        // New ones are looked at when they come.
        let _ = timeout(LOOK, certs.renewed.notified()).await;
    }
}

fn tell(news: Option<Stage>, what: &str, left: i64) {
    let days = left / DAY as i64;
    match news {
        None => {}
        Some(Stage::Well) => info!(what, days, "it is good for long again"),
        Some(Stage::Soon) => {
            warn!(what, days, "it expires soon: replace its file, and `gossip reload`");
        }
        Some(Stage::Now) => {
            error!(what, days, "it expires in days: peers will refuse the lane then");
        }
        Some(Stage::Expired) => error!(
            what,
            "it has expired: peers refuse the lane, and what is large does not pass; datagrams do"
        ),
    }
}

/// How near an end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Well,
    Soon,
    Now,
    Expired,
}

impl Stage {
    fn of(left: i64) -> Self {
        match u64::try_from(left) {
            Err(_) | Ok(0) => Self::Expired,
            Ok(left) if left < NOW => Self::Now,
            Ok(left) if left < SOON => Self::Soon,
            Ok(_) => Self::Well,
        }
    }
}

/// What was told of an end.
#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    stage: Stage,
    looks: u32,
}

impl Watch {
    /// What is to be told now: a stage when it begins, and one that is not well once a day.
    fn look(&mut self, left: i64) -> Option<Stage> {
        let stage = Stage::of(left);
        self.looks += 1;
        let again = stage != Stage::Well && self.looks >= AGAIN;
        let news = stage != std::mem::replace(&mut self.stage, stage);
        (news || again).then(|| {
            self.looks = 0;
            stage
        })
    }
}

/// Makes an authority in the directory `dir`, if it has none; and for `node`, if it is named, a key
/// and a certificate for so many days that bears `name`.
pub(crate) fn generate(
    dir: &Path,
    node: Option<&str>,
    days: u32,
    name: &str,
) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|e| cannot(dir, &e))?;
    let (certificate, key) = (dir.join("authority.pem"), dir.join("authority.key"));
    if certificate.exists() || key.exists() {
        if node.is_none() {
            return Err(Failure::refused(format!("there is an authority in {}", dir.display())));
        }
    } else {
        make_authority(&certificate, &key)?;
        println!("a new authority is in {}: keep its key away from the nodes", dir.display());
    }
    let Some(node) = node else { return Ok(()) };
    let odd = |char: char| !char.is_ascii_alphanumeric() && !"-_.".contains(char);
    if node.is_empty() || node == "authority" || node.starts_with('.') || node.contains(odd) {
        return Err(Failure::usage(format!("--node {node}: letters, digits, `-`, `_` and `.`")));
    }
    let pem = fs::read_to_string(&certificate).map_err(|e| cannot(&certificate, &e))?;
    let authority = KeyPair::from_pem(&read_private(&key)?).map_err(Failure::usage)?;
    let issuer = Issuer::from_ca_cert_pem(&pem, authority)
        .map_err(|e| Failure::usage(format!("{}: {e}", certificate.display())))?;
    let (certificate, key) = (dir.join(format!("{node}.pem")), dir.join(format!("{node}.key")));
    make_node(&issuer, node, days, name, (&certificate, &key))?;
    println!(
        "copy {}, {} and authority.pem to the node, and say --cert-file, --cert-key-file and \
         --authority-file there; with the key as --identity-file its line in a list of nodes is\n\
         {}",
        certificate.display(),
        key.display(),
        identity::line(identity::key(&key)?.public(), node)
    );
    Ok(())
}

fn make_authority(certificate: &Path, key: &Path) -> Result<(), Failure> {
    let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(Failure::refused)?;
    // By its name, those who believe another one know that it is not theirs.
    let mark = gossip_core::id::hash(pair.public_key_raw());
    let mut params = params(Vec::new(), &format!("gossip authority {mark:016x}"), AUTHORITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let made = params.self_signed(&pair).map_err(Failure::refused)?;
    new_private(key, &pair.serialize_pem())?;
    new_public(certificate, &made.pem())
}

fn make_node(
    issuer: &Issuer<'_, KeyPair>,
    node: &str,
    days: u32,
    name: &str,
    (certificate, key): (&Path, &Path),
) -> Result<(), Failure> {
    let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(Failure::refused)?;
    let mut params = params(vec![name.to_owned()], node, days)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    let made = params.signed_by(&pair, issuer).map_err(Failure::refused)?;
    new_private(key, &pair.serialize_pem())?;
    new_public(certificate, &made.pem())
}

/// Of what begins a day ago, so that clocks may differ, and ends in so many days.
fn params(names: Vec<String>, subject: &str, days: u32) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(names).map_err(Failure::usage)?;
    let (epoch, now) = (date_time_ymd(1970, 1, 1), wall_micros() / 1_000_000);
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(DAY));
    params.not_after = epoch + Duration::from_secs(now + u64::from(days) * DAY);
    Ok(params)
}

fn new_public(path: &Path, text: &str) -> Result<(), Failure> {
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| cannot(path, &e))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failure 17 of the operations document: an end is told of weeks ahead, louder when it is
    /// near, once a day and not each hour; and that all is well again, once.
    #[test]
    fn an_end_is_told_of_weeks_ahead() {
        let mut watch = Watch::default();
        let hour = |left: i64| left * 3_600;
        let mut told = Vec::new();
        for left in (-48..=40 * 24).rev() {
            told.extend(watch.look(hour(left)).map(|stage| (left, stage)));
        }
        let first = |wanted| told.iter().find(|(_, stage)| *stage == wanted).map(|told| told.0);
        assert_eq!(first(Stage::Well), None);
        assert_eq!(first(Stage::Soon), Some(30 * 24 - 1));
        assert_eq!((first(Stage::Now), first(Stage::Expired)), (Some(7 * 24 - 1), Some(0)));
        assert!(told.windows(2).all(|two| two[0].0 - two[1].0 <= 24), "once a day: {told:?}");
        assert!(told.len() <= 35, "and no oftener: {told:?}");
        assert_eq!(watch.look(hour(9_000)), Some(Stage::Well));
        assert_eq!(watch.look(hour(8_999)), None);
    }
}
