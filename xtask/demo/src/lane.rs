//! Lanes for the demo's nodes, under certificates that are made for one run and kept nowhere.

use std::error::Error;

use gossip_net::lane::quic::{Identity, Quic};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};

/// The name that all certificates of the demo bear.
const NAME: &str = "lane.demo";

/// Whose certificates the demo's nodes believe.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// A lane on loopback, with a certificate of its own.
    pub(crate) fn lane(&self) -> Result<Quic, Box<dyn Error>> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let params = CertificateParams::new(vec![NAME.to_owned()])?;
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        let key = key.serialize_pem();
        let (chain, authority) = (chain.as_bytes(), self.certificate.as_bytes());
        let identity = Identity::from_pem(chain, key.as_bytes(), authority, NAME)?;
        Ok(Quic::bind(([127, 0, 0, 1], 0), &identity)?)
    }
}
