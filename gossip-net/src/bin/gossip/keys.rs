//! Secrets come from a file that only its owner reads, or from a variable; never from a flag, which
//! every user of the host can see.
//!
//! Not a protocol: `gossip_net::Keyring` is what they are for.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use gossip_net::{Keyring, Secret};

use crate::exit::Failure;

/// The variable that holds secrets, with commas between them.
pub(crate) const VARIABLE: &str = "GOSSIP_KEYS";

/// The keyring of the file, else of the variable's `value`; none if there is neither.
pub(crate) fn load(file: Option<&Path>, value: Option<&str>) -> Result<Option<Keyring>, Failure> {
    let (text, place) = match (file, value) {
        (Some(path), _) => (read_private(path)?, path.display().to_string()),
        (None, Some(value)) => (value.replace(',', "\n"), VARIABLE.to_owned()),
        (None, None) => return Ok(None),
    };
    let mut keys: Option<Keyring> = None;
    let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
    for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        // The secret itself is never told.
        let wrong =
            |what: &dyn std::fmt::Display| Failure::usage(format!("{place}:{number}: {what}"));
        let secret = line.parse::<Secret>().map_err(|e| wrong(&e))?;
        match &keys {
            Some(keys) => {
                keys.install(secret).map_err(|e| wrong(&e))?;
            }
            None => keys = Some(Keyring::new(secret)),
        }
    }
    let none = || Failure::usage(format!("{place} holds no secret: `gossip keygen` makes one"));
    keys.map(Some).ok_or_else(none)
}

fn read_private(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let cannot = |e| Failure::usage(format!("cannot read the secrets in {shown}: {e}"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(cannot)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(Failure::usage(format!(
                "others may read the secrets in {shown}: `chmod 600 {shown}`"
            )));
        }
    }
    fs::read_to_string(path).map_err(cannot)
}

/// A new secret: into a new file for its owner alone, or to stdout.
pub(crate) fn generate(file: Option<&Path>) -> Result<(), Failure> {
    let no_randomness = |e| Failure::refused(format!("the system has no randomness: {e}"));
    let secret = Secret::generate().map_err(no_randomness)?;
    let Some(path) = file else {
        println!("{}", secret.to_hex());
        return Ok(());
    };
    let cannot = |e: io::Error| Failure::refused(format!("cannot write {}: {e}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(cannot)?;
    writeln!(file, "{}", secret.to_hex()).and_then(|()| file.sync_all()).map_err(cannot)?;
    println!("key {} is in {}: copy it to all nodes", secret.id(), path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_secret_seals_and_none_is_shown_in_an_error() {
        let (a, b) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let both = format!("{}, {}", a.to_hex(), b.to_hex());
        let keys = load(None, Some(&both)).unwrap().unwrap();
        assert_eq!(keys.ids(), [a.id(), b.id()]);
        assert!(load(None, None).unwrap().is_none());
        assert!(load(None, Some("")).unwrap_err().what.contains("keygen"));
        let bad = format!("{},{}", a.to_hex(), &b.to_hex()[..60]);
        let error = load(None, Some(&bad)).unwrap_err().what;
        assert!(error.starts_with("GOSSIP_KEYS:2: a secret of 60 characters"), "{error}");
        assert!(!error.contains("0202"), "{error}");
    }
}
