//! Who said it: signatures, behind two small traits.
//!
//! A protocol that needs proof takes a [`Signer`] and knows no algorithm. Simulations use
//! [`Keyed`], handed out by an [`Authority`]; real networks Ed25519 (feature `secure`).

use core::fmt::Debug;
use core::hash::Hash;

use crate::wire::Wire;

/// What keys and signatures have in common: small values that travel.
pub trait Credential: Copy + Eq + Ord + Hash + Debug + Wire + Send + 'static {}

impl<T: Copy + Eq + Ord + Hash + Debug + Wire + Send + 'static> Credential for T {}

/// Checks signatures.
pub trait Verifier {
    /// What a signer is known by.
    type Key: Credential;
    /// A signature.
    type Signature: Credential;

    /// Whether the holder of `key` signed `message` so. Nobody who only sees a message and its
    /// signature may be able to find another signature of it that passes.
    fn verify(&self, key: &Self::Key, message: &[u8], signature: &Self::Signature) -> bool;
}

/// Signs, as one identity, and checks what others signed.
pub trait Signer: Verifier + Clone + Send + 'static {
    /// What this signer is known by.
    fn key(&self) -> Self::Key;

    /// Signs. The same message always gets the same signature.
    fn sign(&self, message: &[u8]) -> Self::Signature;
}

#[cfg(feature = "sim")]
pub use keyed::{Authority, Keyed};

#[cfg(feature = "sim")]
mod keyed {
    use core::fmt;
    use core::hash::Hasher;

    use siphasher::sip::SipHasher13;

    use super::{Signer, Verifier};
    use crate::random::Key;

    /// Makes the signers of a simulation.
    ///
    /// Whoever sets a simulation up holds the authority; a node gets its own signer. The secret is
    /// in private fields, and a signer signs under its own name only: a simulated attacker cannot
    /// forge, whatever its code does with the values it holds.
    ///
    /// ```
    /// use gossip_core::auth::{Authority, Signer, Verifier};
    ///
    /// let authority = Authority::new(42);
    /// let (ann, bob) = (authority.signer(1), authority.signer(2));
    /// let signature = ann.sign(b"hello");
    /// assert!(bob.verify(&1, b"hello", &signature));
    /// assert!(!bob.verify(&2, b"hello", &signature));
    /// assert!(!bob.verify(&1, b"hullo", &signature));
    /// assert!(!Authority::new(43).signer(2).verify(&1, b"hello", &signature));
    /// ```
    #[derive(Clone)]
    pub struct Authority {
        secret: [u64; 2],
    }

    impl Authority {
        /// The authority of the simulation with this seed.
        pub const fn new(seed: u64) -> Self {
            let mut random = Key::new(seed).with(NAME).random(0);
            Self { secret: [random.next_u64(), random.next_u64()] }
        }

        /// The signer known as `key`.
        pub const fn signer(&self, key: u32) -> Keyed {
            Keyed { key, secret: self.secret }
        }
    }

    /// Names the randomness of secrets.
    const NAME: u64 = crate::id::hash(b"gossip_core::auth");

    /// A signer for simulations: SipHash of its key and the message under a secret that all signers
    /// of one [`Authority`] hold and none shows. Some 20 ns a signature.
    ///
    /// Not for real networks: who can read a process's memory can sign for everybody.
    #[derive(Clone)]
    pub struct Keyed {
        key: u32,
        secret: [u64; 2],
    }

    impl Keyed {
        fn tag(&self, key: u32, message: &[u8]) -> u64 {
            let mut hasher = SipHasher13::new_with_keys(self.secret[0], self.secret[1]);
            hasher.write(&key.to_le_bytes());
            hasher.write(message);
            hasher.finish()
        }
    }

    impl Verifier for Keyed {
        type Key = u32;
        type Signature = u64;

        fn verify(&self, key: &u32, message: &[u8], signature: &u64) -> bool {
            self.tag(*key, message) == *signature
        }
    }

    impl Signer for Keyed {
        fn key(&self) -> u32 {
            self.key
        }

        fn sign(&self, message: &[u8]) -> u64 {
            self.tag(self.key, message)
        }
    }

    impl fmt::Debug for Authority {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Authority").finish_non_exhaustive()
        }
    }

    impl fmt::Debug for Keyed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Keyed").field("key", &self.key).finish_non_exhaustive()
        }
    }
}

#[cfg(feature = "secure")]
pub use ed25519::Ed25519;

#[cfg(feature = "secure")]
mod ed25519 {
    use core::fmt;

    use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

    use super::{Signer, Verifier};

    /// Ed25519 (RFC 8032), checked strictly: keys of 32 bytes, signatures of 64.
    ///
    /// ```
    /// use gossip_core::auth::{Ed25519, Signer, Verifier};
    ///
    /// // Not a secret for real: take 32 bytes from the operating system.
    /// let (ann, bob) = (Ed25519::from_secret(&[1; 32]), Ed25519::from_secret(&[2; 32]));
    /// let signature = ann.sign(b"hello");
    /// assert!(bob.verify(&ann.key(), b"hello", &signature));
    /// assert!(!bob.verify(&bob.key(), b"hello", &signature));
    /// assert!(!bob.verify(&ann.key(), b"hullo", &signature));
    /// assert!(!bob.verify(&[7; 32], b"hello", &signature));
    /// ```
    #[derive(Clone)]
    pub struct Ed25519 {
        signing: SigningKey,
    }

    impl Ed25519 {
        /// The signer with this secret: 32 bytes that nobody can guess.
        pub fn from_secret(secret: &[u8; 32]) -> Self {
            Self { signing: SigningKey::from_bytes(secret) }
        }
    }

    impl Verifier for Ed25519 {
        type Key = [u8; 32];
        /// In two halves: serde knows no longer arrays.
        type Signature = ([u8; 32], [u8; 32]);

        fn verify(&self, key: &Self::Key, message: &[u8], signature: &Self::Signature) -> bool {
            let signature = Signature::from_components(signature.0, signature.1);
            VerifyingKey::from_bytes(key)
                .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
        }
    }

    impl Signer for Ed25519 {
        fn key(&self) -> Self::Key {
            self.signing.verifying_key().to_bytes()
        }

        fn sign(&self, message: &[u8]) -> Self::Signature {
            let signature = self.signing.sign(message);
            (*signature.r_bytes(), *signature.s_bytes())
        }
    }

    impl fmt::Debug for Ed25519 {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Ed25519").field("key", &self.key()).finish_non_exhaustive()
        }
    }
}
