//! Which transport a client gets unless it is given one: plain addresses are reached directly, all others through reqwest.

use std::sync::Arc;
use std::time::Duration;

use super::{DirectTransport, ReqwestTransport, Transport, TransportError};

/// Where a proxy for plain connections may be named.
const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The transport that a client of this address gets unless it is given one; `connect` is how long a connection may take to stand.
///
/// For a transport of your own that only looks at what goes through.
///
/// # Errors
/// Where no TLS can be set up.
pub fn for_url(url: &str, connect: Duration) -> Result<Arc<dyn Transport>, TransportError> {
    let plain = url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let proxy = PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    Ok(if plain && !proxy {
        Arc::new(DirectTransport::new(connect))
    } else {
        Arc::new(ReqwestTransport::new(connect)?)
    })
}
