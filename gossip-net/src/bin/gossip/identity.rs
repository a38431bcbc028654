//! Who an agent is, and whom it lets take part: a private key, and a list of public ones.
//!
//! Not a protocol: files. `gossip_net::{NodeKey, AllowList}` are what they are for.

use std::fs;
use std::path::Path;

use gossip_net::{AllowList, NodeKey, PublicKey};
use rcgen::{KeyPair, PKCS_ED25519};
use tracing::warn;

use crate::exit::Failure;
use crate::keys::{new_private, read_private};

/// The key of a node, from a file that only its owner reads.
pub(crate) fn key(path: &Path) -> Result<NodeKey, Failure> {
    let text = zeroize::Zeroizing::new(read_private(path)?);
    NodeKey::from_pem(&text).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))
}

/// Those who may take part.
pub(crate) fn list(path: &Path) -> Result<AllowList, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::usage(format!("cannot read the list in {shown}: {e}")))?;
    text.parse().map_err(|e: gossip_net::AllowListError| Failure::usage(format!("{shown}: {e}")))
}

/// Says so, if a node is not on its own list: others have the same one, perhaps.
pub(crate) fn check(key: Option<&NodeKey>, list: &AllowList) {
    if let Some(key) = key.map(NodeKey::public).filter(|key| !list.allows(key)) {
        warn!(%key, "this node is not on its own list: peers with the same one refuse it");
    }
}

/// Makes a key in the file, if it is not there, and says what its line in a list is.
pub(crate) fn generate(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        let pair = KeyPair::generate_for(&PKCS_ED25519).map_err(Failure::refused)?;
        new_private(path, &pair.serialize_pem())?;
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    println!("{}", line(key(path)?.public(), &name));
    Ok(())
}

/// A line of a list.
pub(crate) fn line(key: PublicKey, name: &str) -> String {
    format!("{key} {name}")
}
