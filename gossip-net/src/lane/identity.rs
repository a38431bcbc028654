//! Not a protocol: who a node is to the lanes of its peers, and whom it believes; X.509, by rustls.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::ParameterError;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a connection lasts before certificates are judged again. Our choice: an authority that
/// was removed, or a certificate that has expired, is good for so long at most, and a handshake
/// of a few milliseconds costs little beside it.
pub const LIFE: Duration = Duration::from_secs(600);

/// Who a node is to the lanes of its peers: a certificate, its key, and the authorities whose
/// certificates it believes.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: RootCertStore,
    name: String,
    life: Duration,
    expiry: Expiry,
}

/// When certificates end, as times since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiry {
    /// The node's own, or the first to end of those between it and the authority.
    pub certificate: Duration,
    /// The first of the authorities.
    pub authority: Duration,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why there is no lane.
#[derive(Debug)]
#[non_exhaustive]
pub enum LaneError {
    /// A file of certificates or keys is not one, in PEM.
    Pem(rustls::pki_types::pem::Error),
    /// Certificate, key and authorities do not go together.
    Tls(rustls::Error),
    /// No authority is named.
    NoAuthority,
    /// The address cannot be bound.
    Bind(io::Error),
}

impl fmt::Display for LaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem(error) => write!(f, "not certificates or a key in PEM: {error}"),
            Self::Tls(error) => write!(f, "certificate, key and authorities: {error}"),
            Self::NoAuthority => write!(f, "no authority whose certificates would be believed"),
            Self::Bind(error) => write!(f, "cannot bind the lane: {error}"),
        }
    }
}

impl Error for LaneError {}

impl From<rustls::Error> for LaneError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl Identity {
    /// From three texts in PEM: the node's certificate and those between it and the authority, its
    /// private key, and the authorities. Every certificate of the cluster bears `name` as a DNS
    /// name, which keeps certificates of the same authority for other uses apart.
    ///
    /// # Errors
    ///
    /// [`LaneError`] says what is wrong.
    pub fn from_pem(
        chain: &[u8],
        key: &[u8],
        authorities: &[u8],
        name: &str,
    ) -> Result<Self, LaneError> {
        let all = |pem| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let mut roots = RootCertStore::empty();
        let authorities = all(authorities).map_err(LaneError::Pem)?;
        for root in &authorities {
            roots.add(root.clone())?;
        }
        if roots.is_empty() {
            return Err(LaneError::NoAuthority);
        }
        let chain = all(chain).map_err(LaneError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(LaneError::Pem)?;
        let expiry =
            Expiry { certificate: first_end(&chain)?, authority: first_end(&authorities)? };
        let identity = Self { chain, key, roots, name: name.to_owned(), life: LIFE, expiry };
        identity.server(b"").map(|_| identity)
    }

    /// How long a connection lasts before both sides judge certificates again, from a tenth of a
    /// second to a day; [`LIFE`] by default.
    ///
    /// # Errors
    ///
    /// [`ParameterError`] if it is out of these bounds.
    pub fn life(self, life: Duration) -> Result<Self, ParameterError> {
        ParameterError::new("life", life.as_secs_f64(), "seconds", "0.1 to 86400")
            .unless((Duration::from_millis(100)..=Duration::from_secs(86_400)).contains(&life))?;
        Ok(Self { life, ..self })
    }

    /// When what the node shows, and what it believes, ends.
    pub const fn expiry(&self) -> Expiry {
        self.expiry
    }

    /// The name that the certificates of peers must bear.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn lifetime(&self) -> Duration {
        self.life
    }

    /// How a node answers calls: TLS 1.3, no resumption, and `alpn` is what both sides must speak.
    pub(super) fn server(&self, alpn: &[u8]) -> Result<rustls::ServerConfig, LaneError> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(self.roots.clone());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier =
            verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// How a node calls.
    pub(super) fn client(&self, alpn: &[u8]) -> Result<rustls::ClientConfig, LaneError> {
        let provider = Arc::new(ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// When the first of these ends; at once, if there are none.
fn first_end(certificates: &[CertificateDer<'_>]) -> Result<Duration, LaneError> {
    let mut first: Option<i64> = None;
    for bytes in certificates {
        let bad = rustls::CertificateError::BadEncoding;
        let (_, one) = X509Certificate::from_der(bytes).map_err(|_| rustls::Error::from(bad))?;
        let end = one.validity().not_after.timestamp();
        first = Some(first.map_or(end, |first| first.min(end)));
    }
    Ok(Duration::from_secs(first.unwrap_or_default().try_into().unwrap_or_default()))
}

pub(super) fn general(error: impl fmt::Display) -> rustls::Error {
    rustls::Error::General(error.to_string())
}

/// Why a peer is refused, by the alert that it is told (RFC 8446, section 6).
pub(super) const fn refused(alert: u8) -> &'static str {
    match alert {
        45 => "certificate expired",
        48 => "certificate of another authority",
        42 | 43 | 46 | 51 => "certificate not accepted",
        116 => "no certificate",
        _ => "handshake failed",
    }
}

/// Why a peer refuses this node, by the alert that it sends.
pub(super) const fn refused_by_peer(alert: u8) -> &'static str {
    match alert {
        45 => "own certificate expired, says the peer",
        48 => "own certificate of another authority, says the peer",
        _ => "own certificate not accepted, says the peer",
    }
}
