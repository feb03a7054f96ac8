//! Open types: structs that keep members they do not know, enums that keep values they do not know.
//!
//! `serde(flatten)` and `serde(other)` lose order, numbers or content. Here a struct remembers the order of the members it was read from;
//! a member that is unknown, or has another shape than its field, stays raw at its place. Writing the struct again gives the members
//! back in that order, so what was not touched is not changed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;

use crate::Raw;

/// The members of an object as they were received: unknown ones raw, known ones by name only.
///
/// It is empty on a value that was built and not received.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rest(Vec<(Box<str>, Option<Raw>)>);

impl Rest {
    /// The members that have no field of their own, in order.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.0.iter().filter_map(|(name, raw)| raw.as_ref().map(|raw| (&**name, raw)))
    }

    /// The raw value of an unknown member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.unknown().find(|(known, _)| *known == name).map(|(_, raw)| raw)
    }

    /// Sets an unknown member, at its place if there is one by that name, else at the end.
    pub fn set(&mut self, name: &str, raw: Raw) {
        self.put(name, Some(raw));
    }

    pub(crate) fn put(&mut self, name: &str, raw: Option<Raw>) {
        match self.0.iter_mut().find(|(known, _)| **known == *name) {
            Some(entry) => entry.1 = raw,
            None => self.0.push((name.into(), raw)),
        }
    }

    /// Adds without looking for an earlier member of that name; for reading, where each lookup would cost quadratic time.
    pub(crate) fn push(&mut self, name: &str, raw: Option<Raw>) {
        self.0.push((name.into(), raw));
    }

    pub(crate) fn members(&self) -> &[(Box<str>, Option<Raw>)] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the unknown members of `newer` that are not here yet. What an unknown member means is unknown, also whether a later one
    /// replaces it: the first stands, as in the official SDKs, and the later one stays in its event.
    pub(crate) fn add(&mut self, newer: &Self) {
        for (name, raw) in newer.unknown() {
            if name != "type" && !self.0.iter().any(|(known, _)| **known == *name) {
                self.push(name, Some(raw.clone()));
            }
        }
    }
}

/// What the fields of open structs are made of.
pub(crate) trait Field: Default + PartialEq + Serialize + DeserializeOwned {
    /// Whether this is a value that need not be written where it was not received.
    fn is_absent(&self) -> bool {
        false
    }
}

impl Field for String {}
impl Field for bool {}
impl Field for u64 {}
impl<T: PartialEq + Serialize + DeserializeOwned> Field for Vec<T> {}
impl<T: PartialEq + Serialize + DeserializeOwned> Field for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Reads a field; `None` where the value has another shape.
pub(crate) fn read<T: Field>(raw: &Raw) -> Option<T> {
    raw.parse().ok()
}

/// Writes a known field that stands in the received order. A value that could not be read is written as received unless it was set since.
pub(crate) fn write_received<M: SerializeMap, T: Field>(
    map: &mut M,
    name: &str,
    field: &T,
    raw: Option<&Raw>,
) -> Result<(), M::Error> {
    match raw {
        Some(raw) if *field == T::default() => map.serialize_entry(name, raw),
        _ => map.serialize_entry(name, field),
    }
}

/// Defines a struct that keeps what it does not know. The name of a member is the field's, or the one given after `=`.
macro_rules! open_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : $type:ty $(= $key:literal)? ),* $(,)?
        }
        $(tag = $tag:literal)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            /// The other members, and the order of all, as received.
            pub rest: $crate::Rest,
        }

        impl $name {
            #[allow(dead_code)]
            pub(crate) const TAG: Option<&'static str> = open_struct!(@tag $($tag)?);

            /// Writes the struct as an object whose `type` is `tag` unless one was received.
            pub(crate) fn serialize_tagged<S: serde::Serializer>(&self, tag: Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                #[allow(unused_imports)]
                use $crate::open::Field;
                let mut map = serializer.serialize_map(None)?;
                if self.rest.is_empty() {
                    if let Some(tag) = tag {
                        map.serialize_entry("type", tag)?;
                    }
                    $( if !self.$field.is_absent() {
                        map.serialize_entry(open_struct!(@key $field $($key)?), &self.$field)?;
                    } )*
                    return map.end();
                }
                // Members set since they were received follow those received.
                $( let mut $field = false; )*
                for (name, raw) in self.rest.members() {
                    match &**name {
                        $( open_struct!(@key $field $($key)?) => {
                            if !std::mem::replace(&mut $field, true) {
                                $crate::open::write_received(&mut map, name, &self.$field, raw.as_ref())?;
                            }
                        } )*
                        _ => match raw {
                            Some(raw) => map.serialize_entry(&**name, raw)?,
                            None => {}
                        },
                    }
                }
                $( if !$field && self.$field != <$type>::default() {
                    map.serialize_entry(open_struct!(@key $field $($key)?), &self.$field)?;
                } )*
                map.end()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize_tagged(Self::TAG, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object (", stringify!($name), ")"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut value = $name::default();
                        while let Some(name) = map.next_key::<String>()? {
                            let raw = map.next_value::<$crate::Raw>()?;
                            match name.as_str() {
                                $( open_struct!(@key $field $($key)?) => match $crate::open::read(&raw) {
                                    Some(read) => {
                                        value.$field = read;
                                        value.rest.push(&name, None);
                                    }
                                    None => value.rest.push(&name, Some(raw)),
                                }, )*
                                _ => value.rest.push(&name, Some(raw)),
                            }
                        }
                        Ok(value)
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
    (@tag) => { None };
    (@tag $tag:literal) => { Some($tag) };
}

/// Defines an enum of strings that keeps the strings it does not know.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )*
            /// A value that came after this version; kept as it is.
            Other(Box<str>),
        }

        impl $name {
            /// The value as it stands on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )*
                    _ => Self::Other(text.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(deserializer).map(|text| Self::from(&*text))
            }
        }
    };
}
