//! Who a node is: a key pair of its own, beside the secret that all share.
//!
//! Not a protocol: Ed25519 (RFC 8032) through [`gossip_core::auth`], from the same files that lanes
//! have their private keys from.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use gossip_core::auth::{Ed25519, Signer, Verifier};
use zeroize::Zeroizing;

/// What a node is known by to those who ask for proof: an Ed25519 public key, written as 64
/// hexadecimal digits.
///
/// ```
/// use gossip_net::PublicKey;
///
/// let text = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"; // RFC 8032, 7.1
/// let key: PublicKey = text.parse()?;
/// assert_eq!(key.to_string(), text);
/// let error = "c0ffee".parse::<PublicKey>().unwrap_err().to_string();
/// assert_eq!(error, "a public key of 6 characters; it has 64 hexadecimal digits");
/// assert!("0".repeat(64).parse::<PublicKey>().is_err(), "anybody can sign for this one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    ///
    /// [`NodeKeyError::Point`] if nobody, or everybody, could sign for it.
    pub fn new(bytes: [u8; 32]) -> Result<Self, NodeKeyError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| NodeKeyError::Point)?;
        if key.is_weak() { Err(NodeKeyError::Point) } else { Ok(Self(bytes)) }
    }

    /// Its bytes, which are what a [`Verifier`] of gossip-core takes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether its holder has signed `message` so; checked strictly, as by [`Ed25519`].
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = NodeKeyError;

    fn from_str(text: &str) -> Result<Self, NodeKeyError> {
        let wrong = NodeKeyError::Digits { count: text.chars().count() };
        let digit = |char: char| char.to_digit(16).map(|digit| digit as u8);
        let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
        let digits: [u8; 64] = digits.and_then(|all| all.try_into().ok()).ok_or(wrong)?;
        let (pairs, _) = digits.as_chunks::<2>();
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = high << 4 | low;
        }
        Self::new(bytes)
    }
}

/// A node's own key pair: it proves with it who it is, and a layer that asks for a [`Signer`] signs
/// with it. What is secret is wiped from memory when it is dropped, and never shown.
///
/// ```
/// use gossip_core::auth::{Signer, Verifier};
/// use gossip_net::NodeKey;
///
/// let (ann, bob) = (NodeKey::generate()?, NodeKey::generate()?);
/// let signature = ann.sign(b"hello");
/// assert!(bob.verify(&ann.key(), b"hello", &signature));
/// assert!(!bob.verify(&bob.key(), b"hello", &signature));
/// assert_eq!(format!("{ann:?}"), format!("NodeKey({})", ann.public()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NodeKey(Ed25519);

impl NodeKey {
    /// A new one, from the system's randomness.
    ///
    /// # Errors
    ///
    /// The system's, if it has none.
    pub fn generate() -> Result<Self, std::io::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(std::io::Error::other)?;
        Ok(Self(Ed25519::from_secret(&secret)))
    }

    /// From a private key in PEM (PKCS #8, RFC 8410): what `gossip keygen` makes, a lane uses, and
    /// `openssl genpkey -algorithm ed25519` prints.
    ///
    /// # Errors
    ///
    /// [`NodeKeyError::Pem`] if it is not one; the error shows nothing of it.
    pub fn from_pem(text: &str) -> Result<Self, NodeKeyError> {
        let key = SigningKey::from_pkcs8_pem(text).map_err(|_| NodeKeyError::Pem)?;
        Ok(Self(Ed25519::from_secret(key.as_bytes())))
    }

    /// What the node is known by.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.key())
    }
}

impl Verifier for NodeKey {
    type Key = <Ed25519 as Verifier>::Key;
    type Signature = <Ed25519 as Verifier>::Signature;

    fn verify(&self, key: &Self::Key, message: &[u8], signature: &Self::Signature) -> bool {
        self.0.verify(key, message, signature)
    }
}

impl Signer for NodeKey {
    fn key(&self) -> Self::Key {
        self.0.key()
    }

    fn sign(&self, message: &[u8]) -> Self::Signature {
        self.0.sign(message)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.public())
    }
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeKeyError {
    /// A text is no public key.
    Digits {
        /// Its characters.
        count: usize,
    },
    /// 32 bytes are no public key that one holder alone could sign for.
    Point,
    /// A text is no private key of Ed25519 in PEM.
    Pem,
}

impl fmt::Display for NodeKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits { count: 64 } => {
                write!(f, "a public key with a character that is no hexadecimal digit")
            }
            Self::Digits { count } => {
                write!(f, "a public key of {count} characters; it has 64 hexadecimal digits")
            }
            Self::Point => write!(f, "64 digits that are no public key of Ed25519"),
            Self::Pem => write!(f, "no private key of Ed25519 in PEM (PKCS #8)"),
        }
    }
}

impl Error for NodeKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 8032, 7.1, test 1, as `openssl` writes it; its public key is in the RFC.
    const RFC: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn the_key_of_the_rfc_is_read_and_is_known_by_its_public_one() {
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(NodeKey::from_pem(RFC).unwrap().public().to_string(), public);
    }

    /// What serves a lane's certificate serves here: both kinds of PKCS #8 are read.
    #[test]
    fn the_file_of_a_lane_serves() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = NodeKey::from_pem(&pair.serialize_pem()).unwrap();
        assert_eq!(key.public().to_bytes(), pair.public_key_raw());
    }

    #[test]
    fn wrong_files_are_refused_and_nothing_of_a_key_is_shown() {
        let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let damaged = RFC.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vx");
        for text in ["", "c0ffee", &RFC[..60], &damaged, &other.serialize_pem()] {
            assert_eq!(NodeKey::from_pem(text).unwrap_err(), NodeKeyError::Pem, "{text}");
        }
        let shown = format!("{:?}", NodeKey::from_pem(RFC).unwrap());
        assert!(!shown.contains("9d61b19d") && !shown.contains("157, 97"), "{shown}");
    }
}
