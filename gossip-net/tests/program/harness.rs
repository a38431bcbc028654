//! Processes in a directory of their own, and how their ends and their words are waited for.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before a test gives up: far above what it takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Between two looks at what cannot be waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A directory for sockets and files, gone at the end.
pub(crate) struct Place(PathBuf);

/// What a process said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("gossip-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where the socket of the agent called `name` is.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.0.join("gossip").join(format!("{name}.sock"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The program, with nothing of the environment that the tests run in but ticks of 50 ms.
    pub(crate) fn gossip(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gossip"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GOSSIP_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_RUNTIME_DIR", &self.0).env("HOME", &self.0).env("GOSSIP_TICK", "50ms");
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        said(&mut self.gossip(args))
    }

    /// What it says as JSON, if it succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Option<Value> {
        let said = self.run(&[args, &["--json"]].concat());
        (said.code == 0).then(|| serde_json::from_str(&said.out).unwrap())
    }

    /// Starts an agent, and waits until it is ready.
    pub(crate) fn agent(&self, args: &[&str]) -> Agent {
        let agent = self.start(args);
        agent.log.wait_for("ready");
        agent
    }

    pub(crate) fn start(&self, args: &[&str]) -> Agent {
        Agent::of(&mut self.gossip(&[&["agent"], args].concat()))
    }

    /// The state of each member that the agent called `of` knows, by name.
    pub(crate) fn members(&self, of: &str) -> Vec<(String, String)> {
        let members = self.json(&["--agent", of, "members"]).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let all = members.as_array().cloned().unwrap_or_default();
        let mut all: Vec<_> =
            all.iter().map(|one| (text(&one["name"]), text(&one["state"]))).collect();
        all.sort();
        all
    }

    /// Waits until the agent called `of` knows these members, all alive.
    pub(crate) fn wait_members(&self, of: &str, names: &[&str]) {
        let wanted: Vec<_> =
            names.iter().map(|name| ((*name).to_owned(), "alive".to_owned())).collect();
        eventually(&format!("{of} knows {names:?}"), || {
            let members = self.members(of);
            if members == wanted { Ok(()) } else { Err(format!("{members:?}")) }
        });
    }

    /// The address of the agent called `of`.
    pub(crate) fn addr(&self, of: &str) -> String {
        self.info(of)["addr"].as_str().unwrap().to_owned()
    }

    pub(crate) fn info(&self, of: &str) -> Value {
        self.json(&["--agent", of, "info"]).unwrap_or_else(|| panic!("no info of {of}"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Waits until `holds` says so; else panics with what it said last.
pub(crate) fn eventually<T>(what: &str, mut holds: impl FnMut() -> Result<T, String>) -> T {
    let mut looks = DEADLINE.as_millis() / LOOK.as_millis();
    loop {
        match holds() {
            Ok(found) => return found,
            Err(last) => assert!(looks > 0, "not in time: {what}; last: {last}"),
        }
        looks -= 1;
        thread::sleep(LOOK);
    }
}

/// A process that goes on. It is killed at the end.
pub(crate) struct Agent {
    child: Child,
    pub(crate) log: Arc<Log>,
}

impl Agent {
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for pipe in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(err)] {
            let log = Arc::clone(&log);
            log.lock().open += 1;
            thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    log.change(|lines| lines.text.push(line));
                }
                log.change(|lines| lines.open -= 1);
            });
        }
        Self { child, log }
    }

    /// Sends it a signal, by the name that `kill` has for it.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end, and for all that it had to say.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        let text = self.log.wait(|lines| (lines.open == 0).then(|| lines.text.join("\n")));
        (self.child.wait().unwrap(), text)
    }

    /// Kills it without notice.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has said so far.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Lines>,
    news: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    /// Pipes that are open.
    open: u32,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.lock());
        self.news.notify_all();
    }

    fn wait<T>(&self, mut found: impl FnMut(&Lines) -> Option<T>) -> T {
        let mut result = None;
        let lines = self.lock();
        let waits = |lines: &mut Lines| {
            result = found(lines);
            result.is_none()
        };
        let (lines, _) = self.news.wait_timeout_while(lines, DEADLINE, waits).unwrap();
        result.unwrap_or_else(|| panic!("not said in time; so far: {:#?}", lines.text))
    }

    /// Waits for a line that has `text` in it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let found = |lines: &Lines| lines.text.iter().find(|line| line.contains(text)).cloned();
        self.wait(|lines| match found(lines) {
            None if lines.open == 0 => panic!("ended without {text:?}: {:#?}", lines.text),
            found => found,
        })
    }

    pub(crate) fn text(&self) -> String {
        self.lock().text.join("\n")
    }
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
