//! Who may ask, who may read, and with which key a request goes up.

mod capability;
mod key;
mod local;
mod owner;

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use perennial_ledger::{Ledger, VirtualKey};
use perennial_log::{StreamId, Time};
use perennial_protocol::ErrorKind;

pub(crate) use self::capability::Scope;
pub use self::capability::Secret;
pub(crate) use self::key::Credential;
pub use self::key::Key;
pub(crate) use self::owner::Owner;
use crate::policy::OnDisconnect;
use crate::refusal::Refusal;

/// The rules of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The keys that clients must show; none means that no key is asked for.
    pub(crate) clients: Vec<Key>,
    /// Keys that may read and stop the streams of all others too.
    pub(crate) operators: Vec<Key>,
    /// The origins of web pages that may ask.
    pub(crate) origins: Vec<HeaderValue>,
    /// Under which capabilities are made.
    pub(crate) secret: Secret,
    /// Where virtual keys are.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) owner: Owner,
    /// May read and stop whatever belongs to others.
    pub(crate) is_operator: bool,
    /// The virtual key that was shown, with its rules.
    pub(crate) key: Option<Arc<VirtualKey>>,
}

impl Access {
    pub(crate) fn asks_for_keys(&self) -> bool {
        // Keys that have expired or were revoked count: taking back the last one must not open the gateway.
        let has_virtual = self.ledger.as_ref().is_some_and(|ledger| !ledger.keys().is_empty());
        has_virtual || !self.clients.is_empty() || !self.operators.is_empty()
    }

    /// Who sends these headers, if they may ask.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if !self.asks_for_keys() {
            local::local_only(headers, &self.origins)?;
            return Ok(Caller { owner: Owner::local(), is_operator: true, key: None });
        }
        let refuse = |message| Err(Refusal::new(401, ErrorKind::Authentication, message));
        let Some(shown) = key::shown(headers) else {
            return refuse("a key of this gateway is required, as x-api-key or Authorization: Bearer");
        };
        // Every key is looked at, so that the time does not tell which one came close.
        let mut caller = None;
        for (keys, is_operator) in [(&self.clients, false), (&self.operators, true)] {
            for key in keys {
                if key.is(shown) {
                    caller = Some(Caller { owner: Owner::of(key), is_operator, key: None });
                }
            }
        }
        if let Some(caller) = caller {
            return Ok(caller);
        }
        self.virtual_caller(shown)?.map_or_else(|| refuse("this key is none of this gateway's"), Ok)
    }

    fn virtual_caller(&self, shown: &[u8]) -> Result<Option<Caller>, Refusal> {
        let Some(ledger) = &self.ledger else { return Ok(None) };
        let found = ledger.keys().find(shown).map_err(|denied| Refusal::of_denied(&denied))?;
        Ok(found.map(|key| Caller { owner: Owner::of_virtual(&key.id), is_operator: false, key: Some(key) }))
    }

    /// What a capability allows for a stream.
    pub(crate) fn allows(&self, stream: StreamId, capability: &str) -> Result<Scope, Refusal> {
        self.secret.allows(stream, capability, Time::now()).ok_or_else(|| {
            let message = "this capability is not for this stream, or its time is over; ask for a new link";
            Refusal::new(401, ErrorKind::Authentication, message)
        })
    }

    /// What a client with these headers shows for the upstream. A key of ours never goes up.
    pub(crate) fn credential(&self, from: &HeaderMap) -> HeaderMap {
        let mut up = HeaderMap::new();
        if !self.asks_for_keys() {
            for name in [HeaderName::from_static("x-api-key"), AUTHORIZATION] {
                if let Some(mut value) = from.get(&name).cloned() {
                    value.set_sensitive(true);
                    up.insert(name, value);
                }
            }
        }
        up
    }
}

impl Caller {
    /// What becomes of a stream of the caller's whose reader goes, where the request does not say: the key's rule, else the gateway's.
    pub(crate) fn on_disconnect(&self, otherwise: OnDisconnect) -> OnDisconnect {
        let rule = self.key.as_ref().and_then(|key| key.rules.on_disconnect.as_deref());
        // Rules are checked when they are made.
        rule.and_then(|rule| rule.parse().ok()).unwrap_or(otherwise)
    }

    /// Whether a request of the caller may be passed on to `path` without a look at what it costs.
    pub(crate) fn may_pass(&self, path: &str) -> Result<(), Refusal> {
        if self.key.is_some() && path.starts_with("/v1/messages/batches") {
            return Err(Refusal::forbidden(
                "batches are billed to the account behind this gateway, which does not tell its keys apart: a virtual key cannot use them",
            ));
        }
        Ok(())
    }

    /// Whether the caller may read and stop what belongs to `owner`.
    pub(crate) fn may_have(&self, owner: &Owner) -> bool {
        self.is_operator || self.owner == *owner
    }
}

#[cfg(test)]
mod tests {
    use perennial_ledger::NewKey;

    use super::*;

    fn access(clients: &[&str], operators: &[&str]) -> Access {
        let keys = |keys: &[&str]| keys.iter().map(|key| Key::new(key).unwrap()).collect();
        let secret = Secret::new([0; 32]);
        Access {
            clients: keys(clients),
            operators: keys(operators),
            origins: Vec::new(),
            secret,
            ledger: None,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_keys_only_this_machine_is_answered() {
        let mut access = access(&[], &[]);
        access.origins.push(HeaderValue::from_static("https://app.example"));
        for (pairs, admitted) in [
            (&[("host", "127.0.0.1:8787")][..], true),
            (&[("host", "localhost")], true),
            (&[("host", "[::1]:80")], true),
            (&[], true),
            (&[("host", "localhost:1"), ("origin", "http://localhost:3000")], true),
            (&[("host", "evil.example:8787")], false),
            (&[("host", "127.0.0.1:8787"), ("origin", "https://evil.example")], false),
            (&[("host", "127.0.0.1:8787"), ("origin", "null")], false),
            (&[("host", "127.0.0.1.evil.example")], false),
            (&[("host", "127.0.0.1:8787"), ("origin", "https://app.example")], true),
            (&[("host", "127.0.0.1:8787"), ("origin", "https://app.example.evil")], false),
        ] {
            assert_eq!(access.admit(&headers(pairs)).is_ok(), admitted, "{pairs:?}");
        }
    }

    #[test]
    fn a_client_key_is_asked_for_in_both_headers() {
        let access = access(&["one", "two"], &[]);
        for (pairs, admitted) in [
            (&[("x-api-key", "one")][..], true),
            (&[("authorization", "Bearer two")], true),
            (&[("authorization", "bearer  two")], true),
            (&[("host", "any.example"), ("x-api-key", "two")], true),
            (&[("x-api-key", "tw")], false),
            (&[("x-api-key", "twoo")], false),
            (&[("x-api-key", "three"), ("authorization", "Bearer two")], false),
            (&[("authorization", "Basic two")], false),
            (&[], false),
        ] {
            assert_eq!(access.admit(&headers(pairs)).is_ok(), admitted, "{pairs:?}");
        }
    }

    #[test]
    fn a_key_of_ours_never_goes_up() {
        let shown = headers(&[("x-api-key", "ours"), ("authorization", "Bearer ours")]);
        let up = |access: &Access| {
            let up = access.credential(&shown);
            up.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(up(&access(&["ours"], &[])), [""; 0]);
        assert_eq!(up(&access(&[], &["ours"])), [""; 0]);
        assert_eq!(up(&access(&[], &[])), ["x-api-key: ours", "authorization: Bearer ours"]);
    }

    #[test]
    fn what_belongs_to_one_key_is_not_anothers() {
        let access = access(&["one", "two"], &["chief"]);
        let caller = |key: &str| access.admit(&headers(&[("x-api-key", key)])).unwrap();
        assert!(caller("one").may_have(&caller("one").owner));
        assert!(!caller("one").may_have(&caller("two").owner));
        assert!(!caller("one").may_have(&Owner::local()));
        assert!(caller("chief").may_have(&caller("two").owner));
        assert!(!format!("{:?}", caller("one").owner).contains("one"), "the hash tells nothing");
    }

    #[tokio::test]
    async fn a_virtual_key_is_admitted_while_it_may_be_used() {
        let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
        let mut access = access(&[], &["chief"]);
        access.ledger = Some(Arc::clone(&ledger));
        let mut new = NewKey::named("team");
        new.rules.on_disconnect = Some("grace=7".to_owned());
        let (key, first) = ledger.create_key(&new).await.unwrap();
        let (other, another) = ledger.create_key(&NewKey::named("others")).await.unwrap();
        let admit = |secret: &str| access.admit(&headers(&[("x-api-key", secret)]));
        let caller = admit(first.expose()).unwrap();
        assert_eq!(caller.key.as_ref().map(|key| &*key.id), Some(&*key.id));
        assert!(!caller.is_operator && caller.owner.name() == key.id);
        assert!(!caller.may_have(&admit(another.expose()).unwrap().owner));
        assert!(admit("chief").unwrap().may_have(&caller.owner));
        assert_eq!(caller.on_disconnect(OnDisconnect::Cancel).to_string(), "grace=7");
        assert_eq!(admit("chief").unwrap().on_disconnect(OnDisconnect::Detach), OnDisconnect::Detach);
        // A new secret is the same caller: its streams stay its own.
        let (_, second) = ledger.rotate_key(&key.id, std::time::Duration::ZERO).await.unwrap();
        assert_eq!(admit(second.expose()).unwrap().owner, caller.owner);
        let refused = admit(first.expose()).unwrap_err();
        assert!(refused.status() == 401 && refused.message().contains("newer"), "{refused:?}");
        for path in ["/v1/messages/batches", "/v1/messages/batches/b_1/results"] {
            assert_eq!(caller.may_pass(path).unwrap_err().status(), 403, "no way around the ledger");
            assert!(admit("chief").unwrap().may_pass(path).is_ok());
        }
        assert!(caller.may_pass("/v1/messages/count_tokens").is_ok());
        for key in [&key, &other] {
            ledger.revoke_key(&key.id).await.unwrap();
        }
        assert!(admit(second.expose()).unwrap_err().message().contains("revoked"));
        ledger.close().await.unwrap();
    }

    #[tokio::test]
    async fn a_gateway_that_gave_out_keys_asks_for_them_even_when_all_are_revoked() {
        let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
        let mut access = access(&[], &[]);
        access.ledger = Some(Arc::clone(&ledger));
        let here = headers(&[("host", "localhost")]);
        assert!(access.admit(&here).is_ok_and(|caller| caller.is_operator && caller.key.is_none()));
        let (key, secret) = ledger.create_key(&NewKey::named("only")).await.unwrap();
        ledger.revoke_key(&key.id).await.unwrap();
        assert_eq!(access.admit(&here).unwrap_err().status(), 401);
        let shown = headers(&[("x-api-key", secret.expose())]);
        assert!(access.credential(&shown).is_empty(), "a key of ours never goes up");
        ledger.close().await.unwrap();
    }
}
