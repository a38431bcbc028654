//! How much memory this process has taken, and how much there is.

/// The most memory this process had at a time, in bytes; `None` where the system does not say.
pub(super) fn peak() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// Bytes that can be taken without swapping; `None` where the system does not say.
pub(super) fn available() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// The number after `name` in a file of Linux's, in bytes.
fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    parse(&text, name)
}

fn parse(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Bytes for people.
pub(super) fn human(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 10_240.0 {
        format!("{mebibytes:.1} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_system_are_read() {
        assert_eq!(parse("Name: x\nVmHWM:\t   123 kB\n", "VmHWM:"), Some(123 * 1024));
        assert_eq!(parse("Name: x\n", "VmHWM:"), None);
        assert_eq!(parse("VmHWM: lots kB", "VmHWM:"), None);
        assert_eq!(human(3 << 19), "1.5 MiB");
        assert_eq!(human(20 << 30), "20.0 GiB");
    }
}
