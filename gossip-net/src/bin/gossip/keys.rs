//! Secrets come from a file that only its owner reads, or from a variable; never from a flag, which
//! every user of the host can see.
//!
//! Not a protocol: `gossip_net::Keyring` is what they are for.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use gossip_net::{Keyring, Secret};

use crate::exit::Failure;

/// The variable that holds secrets, with commas between them.
pub(crate) const VARIABLE: &str = "GOSSIP_KEYS";

/// The keyring of the file, else of the variable's `value`; none if there is neither.
pub(crate) fn load(file: Option<&Path>, value: Option<&str>) -> Result<Option<Keyring>, Failure> {
    match (file, value) {
        (Some(path), _) => read(path).map(Some),
        (None, Some(value)) => parse(&value.replace(',', "\n"), VARIABLE).map(Some),
        (None, None) => Ok(None),
    }
}

/// The keyring of the file.
pub(crate) fn read(path: &Path) -> Result<Keyring, Failure> {
    parse(&read_private(path)?, &path.display().to_string())
}

/// The secrets in a text, one a line, of which there is one at least.
fn parse(text: &str, place: &str) -> Result<Keyring, Failure> {
    let mut keys: Option<Keyring> = None;
    let lines = text.lines().map(str::trim).zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        // The secret itself is never told.
        let wrong = |what: &dyn Display| Failure::usage(format!("{place}:{number}: {what}"));
        let secret = line.parse::<Secret>().map_err(|e| wrong(&e))?;
        match &keys {
            Some(keys) => drop(keys.install(secret).map_err(|e| wrong(&e))?),
            None => keys = Some(Keyring::new(secret)),
        }
    }
    let none = || format!("{place} holds no secret: `gossip keygen` makes one");
    keys.ok_or_else(|| Failure::usage(none()))
}

/// A file that only its owner reads.
pub(crate) fn read_private(path: &Path) -> Result<String, Failure> {
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
    new_private(path, &(secret.to_hex() + "\n"))?;
    println!("key {} is in {}: copy it to all nodes", secret.id(), path.display());
    Ok(())
}

/// Writes a new file for its owner alone.
pub(crate) fn new_private(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |e: io::Error| Failure::refused(format!("cannot write {}: {e}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)
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

    #[test]
    fn a_file_is_read_as_a_whole_or_not_at_all() {
        let dir = std::env::temp_dir().join(format!("gossip-keys-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("keys");
        let secret = |number: u8| Secret::new([number; 32]);
        let say = |text: String| {
            let _ = fs::remove_file(&path);
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        let list = |numbers: &[u8]| -> String {
            numbers.iter().map(|number| secret(*number).to_hex() + "\n").collect()
        };
        let keys = Keyring::new(secret(1));
        let ids = |numbers: &[u8]| numbers.iter().map(|n| secret(*n).id()).collect::<Vec<_>>();
        for numbers in [&[1, 2][..], &[2, 1], &[2], &[3, 4, 5, 6, 7, 8, 9], &[3]] {
            say(list(numbers));
            keys.replace(&read(&path).unwrap());
            assert_eq!(keys.ids(), ids(numbers), "{numbers:?}");
        }
        for bad in [String::new(), list(&[4]) + "c0ffee", list(&[1, 2, 4, 5, 6, 7, 8, 9, 10])] {
            say(bad);
            assert!(read(&path).is_err());
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}
