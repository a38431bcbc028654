//! Who may take part: keys of nodes, a list of them that changes, and files that are read again all
//! or none.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Agent, Place, eventually};

fn private(place: &Place, name: &str, text: &str) -> String {
    let path = place.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The key of `node`, which is made if there is none: its file, and its line in a list.
fn key(place: &Place, node: &str) -> (String, String) {
    let path = place.path(&format!("{node}.key")).display().to_string();
    let said = place.run(&["keygen", "--identity", &path]);
    assert_eq!(said.code, 0, "{said:?}");
    (path, said.out)
}

fn agent(place: &Place, name: &str, secret: &str, more: &[&str]) -> Agent {
    place.agent(&[&["--name", name, "--key-file", secret][..], more].concat())
}

/// An agent without a key, and one whose key is not on the list, are no members. A list that is
/// wrong changes nothing; by one that is right who was a member is out, without a restart.
#[test]
fn who_is_not_on_the_list_is_no_member() {
    let place = Place::new();
    let secret = private(&place, "secret", &place.run(&["keygen"]).out);
    let (keys, lines): (Vec<_>, Vec<_>) =
        ["a", "b", "c", "d"].map(|n| key(&place, n)).into_iter().unzip();
    assert_eq!(key(&place, "a").1, lines[0], "once made, it is shown");
    assert!(lines[0].ends_with(" a\n"), "{lines:?}");
    let list = place.write("nodes", &format!("# all\n{}", lines[..3].concat()));
    let known = |at: usize| ["--identity-file", &*keys[at], "--allow-file", &*list];
    let _a = agent(&place, "a", &secret, &known(0));
    let addr = place.addr("a");
    let join = |at: usize| [&known(at)[..], &["--join", &addr]].concat();
    let _b = agent(&place, "b", &secret, &join(1));
    let _c = agent(&place, "c", &secret, &join(2));
    let _unlisted = agent(&place, "d", &secret, &join(3));
    let _keyless = agent(&place, "e", &secret, &["--join", &addr]);
    for of in ["a", "b", "c"] {
        place.wait_members(of, &["a", "b", "c"]);
    }
    let count = |cause: &str| place.info("a")["counts"]["driver"][cause].as_u64().unwrap_or(0);
    for cause in
        ["peer is not on the list", "answer without a proof", "peer has not proved who it is"]
    {
        eventually(cause, || if count(cause) > 0 { Ok(()) } else { Err("none".to_owned()) });
    }
    place.wait_members("d", &["d"]);
    place.wait_members("e", &["e"]);
    let info = place.info("a");
    assert!(lines[0].starts_with(info["key"].as_str().unwrap()) && info["allowed"] == 3);

    for wrong in ["", "c0ffee", &format!("{}{}", lines[0], lines[0])] {
        place.write("nodes", wrong);
        let said = place.run(&["--agent", "a", "reload"]);
        assert!(said.code == 2 && said.err.contains(&list), "{said:?}");
        assert_eq!(place.info("a")["allowed"], 3);
    }
    place.write("nodes", &lines[..2].concat());
    for of in ["a", "b"] {
        assert_eq!(place.run(&["--agent", of, "reload"]).code, 0);
    }
    for of in ["a", "b"] {
        eventually("c is out", || {
            let members = place.members(of);
            let out = |(name, state): &(String, String)| name == "c" && state != "alive";
            if members.iter().any(out) { Ok(()) } else { Err(format!("{members:?}")) }
        });
    }
    let alive = |(name, state): &(String, String)| name == "b" && state == "alive";
    assert!(place.members("a").iter().any(alive), "{:?}", place.members("a"));
}

/// What is wrong with one file changes nothing of what the others say: neither a certificate that
/// does not fit its key, nor a list, nor a secret.
#[test]
fn files_are_read_again_all_or_none() {
    let place = Place::new();
    let dir = place.path("ca").display().to_string();
    for node in ["a", "b"] {
        assert_eq!(place.run(&["keygen", "--authority", &dir, "--node", node]).code, 0);
    }
    let file = |name: &str| place.path("ca").join(name).display().to_string();
    let (cert, node_key, authority) = (file("a.pem"), file("a.key"), file("authority.pem"));
    let line = place.run(&["keygen", "--identity", &node_key]).out;
    let list = place.write("nodes", &line);
    let (old, new) = (place.run(&["keygen"]).out, place.run(&["keygen"]).out);
    let secret = private(&place, "secret", &old);
    let _a = agent(
        &place,
        "a",
        &secret,
        &[
            "--cert-file",
            &cert,
            "--cert-key-file",
            &node_key,
            "--authority-file",
            &authority,
            "--identity-file",
            &node_key,
            "--allow-file",
            &list,
        ],
    );
    let shows = || {
        let info = place.info("a");
        (info["keys"].clone(), info["allowed"].clone())
    };
    let before = shows();
    let (good, other) =
        (fs::read_to_string(&cert).unwrap(), fs::read_to_string(file("b.pem")).unwrap());
    let other_line = key(&place, "other").1;
    let reload = || place.run(&["--agent", "a", "reload"]).code;
    // Each time two files are right and new, and one is wrong.
    for (secrets, certificate, nodes) in [
        (&*new, &*other, format!("{line}{other_line}")),
        (&new, &good, "c0ffee".to_owned()),
        ("c0ffee", &good, format!("{line}{other_line}")),
    ] {
        private(&place, "secret", secrets);
        fs::write(&cert, certificate).unwrap();
        place.write("nodes", &nodes);
        assert_eq!(reload(), 2);
        assert_eq!(shows(), before);
    }
    private(&place, "secret", &new);
    assert_eq!(reload(), 0, "the control");
    let after = shows();
    assert!(after.0 != before.0 && after.1 == 2, "{after:?}");
}

/// What is wrong with files of keys and lists is named, and is wrong usage; nothing is overwritten.
#[test]
fn keys_and_lists_that_cannot_be_used_are_named() {
    let place = Place::new();
    let (key, line) = key(&place, "a");
    let list = place.write("nodes", &line);
    let refused = |args: &[&str], what: &str| {
        let said = place.run(&[&["agent"], args].concat());
        assert!(said.code == 2 && said.err.contains(what), "{args:?}: {said:?}");
    };
    refused(&["--allow-file", &list], "it goes with --identity-file");
    let with = |list| ["--identity-file", &*key, "--allow-file", list];
    refused(&with("/nowhere"), "/nowhere");
    let bad = place.write("bad", &format!("{line}\nc0ffee c\n"));
    refused(&with(&bad), &format!("{bad}: line 3: a public key of 6 characters"));
    refused(&["--identity-file", &list], "others may read");
    let nonsense = private(&place, "nonsense", "nonsense");
    refused(&["--identity-file", &nonsense], "no private key of Ed25519");
    assert_eq!(place.run(&["keygen", "--identity", &nonsense]).code, 2);
    assert_eq!(fs::read_to_string(&nonsense).unwrap(), "nonsense", "as it was");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
}
