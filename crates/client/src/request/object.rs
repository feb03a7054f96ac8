//! A JSON object that is built member by member, or given whole.
//!
//! What was given whole is written as given, byte for byte. Members keep the order in which they were first set, so that equal calls make
//! equal bytes: the service's prompt cache works on prefixes. A fault (a value that cannot be JSON) is kept and reported when
//! the request is made, so that builders need no `?` at every step.

use std::borrow::Cow;
use std::fmt;

use perennial_protocol::Raw;
use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::RequestError;

#[derive(Clone, PartialEq)]
pub(crate) struct Object {
    form: Form,
    fault: Option<RequestError>,
}

#[derive(Clone, PartialEq)]
enum Form {
    Members(Vec<(Cow<'static, str>, Raw)>),
    /// JSON as given, and how the caller thinks of it ("a content block").
    Given(Raw, &'static str),
}

impl Object {
    pub(crate) fn new() -> Self {
        Self { form: Form::Members(Vec::new()), fault: None }
    }

    /// An object whose `type` is `kind`.
    pub(crate) fn tagged(kind: &'static str) -> Self {
        Self::new().with("type", &kind)
    }

    /// `raw` as it is; `what` names it in errors.
    pub(crate) fn given(raw: Raw, what: &'static str) -> Self {
        let fault = (!raw.is_object()).then(|| RequestError::not_an_object(what, raw.get()));
        Self { form: Form::Given(raw, what), fault }
    }

    /// The JSON of `value`, which is to be an object; `what` names it in errors.
    pub(crate) fn of(value: &impl Serialize, what: &'static str) -> Self {
        match Raw::of(value) {
            Ok(raw) => Self::given(raw, what),
            Err(error) => Self { fault: Some(RequestError::not_json(what, &error)), ..Self::new() },
        }
    }

    pub(crate) fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &(impl Serialize + ?Sized),
    ) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a member at its place, or at the end where it is new.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'static, str>>, value: &(impl Serialize + ?Sized)) {
        let name = name.into();
        match Raw::of(&value) {
            Ok(raw) => self.put(name, raw),
            Err(error) => self.fail(RequestError::not_json(&name, &error)),
        }
    }

    fn put(&mut self, name: Cow<'static, str>, raw: Raw) {
        let Some(members) = self.members_mut() else { return };
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = raw,
            None => members.push((name, raw)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(members) = self.members_mut() {
            members.retain(|(known, _)| known != name);
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, Raw>> {
        match &self.form {
            Form::Members(members) => {
                members.iter().find(|(known, _)| known == name).map(|(_, raw)| Cow::Borrowed(raw))
            }
            Form::Given(raw, _) => {
                let (_, value) = split(raw)?.into_iter().find(|(known, _)| known == name)?;
                Some(Cow::Owned(value))
            }
        }
    }

    /// The string that is the value of a member.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.parse().ok()
    }

    pub(crate) fn members(&self) -> &[(Cow<'static, str>, Raw)] {
        match &self.form {
            Form::Members(members) => members,
            Form::Given(..) => &[],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fault.is_none() && matches!(&self.form, Form::Members(members) if members.is_empty())
    }

    pub(crate) fn fault(&self) -> Option<&RequestError> {
        self.fault.as_ref()
    }

    pub(crate) fn fail(&mut self, fault: RequestError) {
        // The first fault is the one to mend first.
        self.fault.get_or_insert(fault);
    }

    /// What was given whole is taken apart only here, when a member of it is to be set.
    fn members_mut(&mut self) -> Option<&mut Vec<(Cow<'static, str>, Raw)>> {
        if let Form::Given(raw, _) = &self.form {
            self.form = Form::Members(split(raw)?);
        }
        match &mut self.form {
            Form::Members(members) => Some(members),
            Form::Given(..) => None,
        }
    }
}

/// The members of a raw object; `None` where it is no object.
fn split(raw: &Raw) -> Option<Vec<(Cow<'static, str>, Raw)>> {
    let members: indexmap::IndexMap<String, Raw> = raw.parse().ok()?;
    Some(members.into_iter().map(|(name, raw)| (Cow::Owned(name), raw)).collect())
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(fault) = &self.fault {
            return Err(S::Error::custom(fault));
        }
        match &self.form {
            Form::Given(raw, _) => raw.serialize(serializer),
            Form::Members(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, raw) in members {
                    map.serialize_entry(name, raw)?;
                }
                map.end()
            }
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, &self.form) {
            (Some(fault), _) => write!(f, "({fault})"),
            (None, Form::Given(raw, _)) => raw.fmt(f),
            (None, Form::Members(members)) => {
                f.debug_map().entries(members.iter().map(|(k, v)| (k, v))).finish()
            }
        }
    }
}

/// Defines a public type around an [`Object`]: written as that object, open to any field.
macro_rules! request_object {
    ($(#[$meta:meta])* pub struct $name:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        #[must_use]
        pub struct $name(pub(crate) $crate::request::object::Object);

        impl $name {
            /// Takes JSON of your own; it is sent as given.
            pub fn raw(raw: perennial_protocol::Raw) -> Self {
                Self($crate::request::object::Object::given(raw, $what))
            }

            /// Sets any field, known here or not. A field of that name that was set before is replaced.
            pub fn field(
                mut self,
                name: impl Into<std::borrow::Cow<'static, str>>,
                value: impl serde::Serialize,
            ) -> Self {
                self.0.set(name, &value);
                self
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), " "))?;
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use request_object;
