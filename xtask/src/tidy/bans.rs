//! What protocol code may not name: invariant 1, "no clock, no socket, no file, no thread, no
//! global randomness, no `HashMap` iteration order in any decision".
//!
//! The rules read the sources of the protocol crates, tests left out: there clippy's own lists
//! apply, which know exceptions.

use super::Violation;
use super::files::File;
use super::mask::{line_of, mask, without_tests, words};
use xtask_base::workspace::PROTOCOL_CRATES;

/// Names that belong together: why they are banned and what to use instead.
struct Ban {
    names: &'static [&'static str],
    fault: &'static str,
    remedy: &'static str,
    /// Modules of gossip-core that may use them all the same.
    except: &'static [&'static str],
}

const BANS: [Ban; 5] = [
    Ban {
        names: &["HashMap", "HashSet"],
        fault: "its order of iteration is random, and same seed must mean same run",
        remedy: "use BTreeMap, BTreeSet or a sorted Vec",
        except: &[],
    },
    Ban {
        names: &["Instant::now", "SystemTime::now"],
        fault: "protocols have no clock",
        remedy: "take the time from the context",
        except: &[],
    },
    Ban {
        names: &["thread_rng", "rand::rng("],
        fault: "global randomness cannot be replayed",
        remedy: "draw from the context's generator",
        except: &[],
    },
    Ban {
        names: &["std::fs", "UdpSocket", "TcpStream", "TcpListener", "tokio"],
        fault: "only gossip-net and xtask know files, sockets and tokio",
        remedy: "take bytes or text as an argument",
        // Golden files.
        except: &["testkit"],
    },
    Ban {
        names: &["std::thread"],
        fault: "protocols have no threads",
        remedy: "leave threads to the drivers",
        except: &["sim", "testkit"],
    },
];

/// Functions that every platform's library computes a little differently.
const FLOATS: [&str; 23] = [
    "ln", "ln_1p", "log2", "log10", "exp", "exp2", "exp_m1", "powf", "powi", "sin", "cos", "tan",
    "sin_cos", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "cbrt", "hypot",
];

/// The part of a file these rules read: the code of a protocol crate, without tests.
fn protocol_code(file: &File) -> Option<String> {
    let mut parts = file.path.split('/');
    let of_protocol = parts.next().is_some_and(|name| PROTOCOL_CRATES.contains(&name));
    let in_src = parts.next() == Some("src");
    let read = of_protocol && in_src && file.is_rust() && !file.is_test();
    read.then(|| without_tests(&mask(&file.text)))
}

/// Protocol code names no clock, no hash map, no global generator, no file, socket or thread.
pub fn names(file: &File) -> Vec<Violation> {
    let Some(code) = protocol_code(file) else { return Vec::new() };
    let mut found = Vec::new();
    for ban in BANS.iter().filter(|ban| !ban.except.iter().any(|m| file.is_in_module(m))) {
        for name in ban.names {
            let message = format!("`{name}`: {}; none is allowed here: {}", ban.fault, ban.remedy);
            let at = words(&code, name).map(|at| line_of(&code, at));
            found.extend(at.map(|line| Violation::new(file, line, message.clone())));
        }
    }
    found
}

/// Protocol code takes its transcendental functions from libm.
pub fn floats(file: &File) -> Vec<Violation> {
    let Some(code) = protocol_code(file) else { return Vec::new() };
    let mut found = Vec::new();
    for name in FLOATS {
        let message = format!(
            "`{name}` of the platform, whose results differ; none is allowed here: \
             use libm's function"
        );
        for form in [format!(".{name}("), format!("f64::{name}"), format!("f32::{name}")] {
            let at = words(&code, &form).map(|at| line_of(&code, at));
            found.extend(at.map(|line| Violation::new(file, line, message.clone())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "gossip-core/src/x.rs";

    fn count(rule: fn(&File) -> Vec<Violation>, path: &str, text: &str) -> usize {
        rule(&File::new(path, text)).len()
    }

    #[test]
    fn banned_names_are_found() {
        for bad in [
            "use std::collections::HashMap;",
            "let s: HashSet<u8> = x;",
            "let t = Instant::now();",
            "let t = std::time::SystemTime::now();",
            "rand::thread_rng()",
            "let mut g = rand::rng();",
            "std::fs::read(x)",
            "std::net::UdpSocket::bind(x)",
            "use tokio::time;",
            "std::thread::spawn(f)",
        ] {
            assert_eq!(count(names, PATH, bad), 1, "{bad}");
            assert_eq!(count(names, PATH, &format!("// {bad}")), 0, "comment: {bad}");
        }
        let found = names(&File::new(PATH, "\nuse std::collections::HashMap;"));
        let message = "gossip-core/src/x.rs:2: `HashMap`: its order of iteration is random, and \
                       same seed must mean same run; none is allowed here: use BTreeMap, \
                       BTreeSet or a sorted Vec";
        assert_eq!(found[0].to_string(), message);
    }

    #[test]
    fn platform_floats_are_found_and_libm_is_not() {
        for name in FLOATS {
            assert_eq!(count(floats, PATH, &format!("let y = x.{name}();")), 1, "{name}");
            assert_eq!(count(floats, PATH, &format!("let y = f64::{name}(x);")), 1, "{name}");
            assert_eq!(count(floats, PATH, &format!("let y = libm::{name}(x);")), 0, "{name}");
        }
        assert_eq!(count(floats, PATH, "x.sqrt() + y.pow(2) + z.ilog2() + w.exp_backoff()"), 0);
    }

    #[test]
    fn tests_and_other_crates_are_free() {
        let bad = "use std::collections::HashMap; fn f(x: f64) -> f64 { x.ln() }";
        for path in ["gossip-net/src/x.rs", "gossip-core/tests/x.rs", "gossip-core/src/tests.rs"] {
            assert_eq!(count(names, path, bad) + count(floats, path, bad), 0, "{path}");
        }
        let in_tests = format!("#[cfg(test)]\nmod tests {{ {bad} }}");
        assert_eq!(count(names, PATH, &in_tests) + count(floats, PATH, &in_tests), 0);
    }

    #[test]
    fn the_testkit_may_read_golden_files_and_sim_may_use_threads() {
        assert_eq!(count(names, "gossip-core/src/testkit/golden.rs", "std::fs::read(x)"), 0);
        assert_eq!(count(names, "gossip-core/src/sim/script.rs", "std::fs::read(x)"), 1);
        assert_eq!(count(names, "gossip-core/src/sim/cycle.rs", "std::thread::scope(f)"), 0);
    }
}
