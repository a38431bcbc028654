//! Where a run takes place: a network namespace of its own, whose loopback carries nothing else,
//! loses what it is told to lose, and counts every byte.

use std::fs;
use std::process::{Command, Stdio};

/// Bytes of a packet, as on an Ethernet: what is longer is sent in fragments.
const MTU: &str = "1500";

/// Whether this machine lets us have network namespaces, with loss.
pub(super) fn is_ours_to_make() -> bool {
    let probe = format!("ip link set lo up && {}", lossy(0.5));
    runs(Command::new("unshare").args(["--net", "sh", "-c", &probe]))
}

/// The command line that starts `program` in a network of its own that loses `loss` of all packets.
pub(super) fn apart(program: &str, loss: f64) -> Command {
    let mut setup = format!("ip link set lo mtu {MTU} up");
    if loss > 0.0 {
        setup = format!("{setup} && {}", lossy(loss));
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &format!("{setup} && exec \"$0\" \"$@\""), program]);
    command
}

/// Drops packets as they come in, so that the interface has counted them: four instructions of
/// classic BPF, since netem is missing from many kernels. Load a random word; if it is at or above
/// the threshold go on to the last instruction, which lets the packet pass (0); else drop it (2).
fn lossy(loss: f64) -> String {
    let threshold = (loss * f64::from(u32::MAX)) as u32;
    let random = (-4096_i32 + 56) as u32; // SKF_AD_OFF + SKF_AD_RANDOM
    let program = format!("4,32 0 0 {random},53 1 0 {threshold},6 0 0 2,6 0 0 0");
    format!(
        "tc qdisc add dev lo clsact && tc filter add dev lo ingress bpf da bytecode '{program}'"
    )
}

fn runs(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Bytes that loopback has carried so far, headers of IP and all.
pub(super) fn carried() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/net/dev").map_err(|e| format!("/proc/net/dev: {e}"))?;
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:"));
    let sent = line.and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
    sent.ok_or_else(|| "/proc/net/dev has no loopback".to_owned())
}

/// Datagrams that found a socket's buffer full.
pub(super) fn overrun() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/net/snmp").map_err(|e| format!("/proc/net/snmp: {e}"))?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let found = pairs.find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).ok_or_else(|| "no RcvbufErrors".to_owned())
}

/// Seconds of a processor that this process has used so far.
pub(super) fn worked() -> Result<f64, String> {
    let text =
        fs::read_to_string("/proc/self/stat").map_err(|e| format!("/proc/self/stat: {e}"))?;
    // After the name in parentheses, which may hold anything, come the fields from the third on.
    let fields = text.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks[..] {
        [user, system] => Ok((user + system) as f64 / 100.0), // USER_HZ
        _ => Err("/proc/self/stat has no times".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_bytes_drops_and_processor_time() {
        assert!(carried().is_ok() && overrun().is_ok() && worked().is_ok());
    }

    #[test]
    fn a_tenth_of_the_packets_is_lost_by_a_tenth_of_the_words() {
        assert!(lossy(0.1).contains(",53 1 0 429496729,"), "{}", lossy(0.1));
    }
}
