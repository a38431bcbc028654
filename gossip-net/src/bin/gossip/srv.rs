//! Services that the domain name system knows: SRV records (RFC 2782), by hickory.
//!
//! Not a protocol of gossip: a name in, addresses out. Nothing is kept between two looks, so that
//! what the name service says now is what counts; priorities and weights are ignored, since all
//! that are named may be asked.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, NameServerConfigGroup, ResolverConfig};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::xfer::Protocol;

/// Targets of one service that are looked up at most, and addresses of each. Our choice.
const TARGETS: usize = 64;
const ADDRS: usize = 16;

/// How long one question waits for its answer, and how often it is asked. Our choice: both below
/// what a whole look may take.
const WAIT: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 2;

/// Whether `name` is that of a service: `_service._proto.domain`.
pub(crate) fn is_service(name: &str) -> bool {
    let mut labels = name.split('.');
    let marked = |label: Option<&str>| label.is_some_and(|l| l.len() > 1 && l.starts_with('_'));
    marked(labels.next()) && marked(labels.next()) && labels.next().is_some_and(|l| !l.is_empty())
}

/// The addresses where `service` is now, as the name server `dns` says; the system's if none is
/// named.
pub(crate) async fn look_up(
    service: &str,
    dns: Option<SocketAddr>,
) -> Result<Vec<SocketAddr>, String> {
    let resolver = resolver(dns)?;
    // With a dot at the end it is not looked for in the host's own domains.
    let name = format!("{}.", service.trim_end_matches('.'));
    let found = resolver.srv_lookup(name).await.map_err(|e| e.to_string())?;
    let (mut addrs, mut why) = (Vec::new(), "it has no targets".to_owned());
    for target in found.iter().take(TARGETS) {
        match resolver.lookup_ip(target.target().clone()).await {
            Ok(ips) => {
                let ips = ips.iter().take(ADDRS);
                addrs.extend(ips.map(|ip| SocketAddr::new(ip, target.port())));
            }
            Err(error) => why = format!("{}: {error}", target.target()),
        }
    }
    if addrs.is_empty() { Err(why) } else { Ok(addrs) }
}

fn resolver(dns: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let mut builder = match dns {
        Some(addr) => {
            let server = |protocol| NameServerConfig::new(addr, protocol);
            let servers = vec![server(Protocol::Udp), server(Protocol::Tcp)];
            let servers = NameServerConfigGroup::from(servers);
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioConnectionProvider::default())
        }
        None => TokioResolver::builder_tokio().map_err(|e| e.to_string())?,
    };
    let options = builder.options_mut();
    (options.timeout, options.attempts, options.cache_size) = (WAIT, ATTEMPTS, 0);
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_has_two_marked_labels_and_a_domain() {
        assert!(is_service("_gossip._udp.example.com") && is_service("_a._b.c"));
        for bad in ["", "_", "_gossip", "_gossip._udp", "_gossip._udp.", "a._udp.b", "_a.b.c"] {
            assert!(!is_service(bad), "{bad}");
        }
    }
}
