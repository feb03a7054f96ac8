//! Objects as received: typed where known, with the JSON they came as.

/// Defines a struct that is read from JSON and keeps it. Members that are missing or `null` are the field's default; a member of another shape is one as well,
/// since an object that is shown in a list must not fail the list. The name of a member is the field's, or the one given after `=`.
macro_rules! received {
    ($(#[$meta:meta])* pub struct $name:ident { $( $(#[$field_meta:meta])* pub $field:ident : $type:ty $(= $key:literal)? ),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
            raw: perennial_protocol::Raw,
        }

        impl $name {
            /// The JSON it came as, with whatever this version does not know.
            #[must_use]
            pub fn raw(&self) -> &perennial_protocol::Raw {
                &self.raw
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct Known {
                    $( #[serde(default $(, rename = $key)?)] $field: Option<perennial_protocol::Raw>, )*
                }
                let raw = <perennial_protocol::Raw as serde::Deserialize>::deserialize(deserializer)?;
                let known: Known = raw.parse().map_err(serde::de::Error::custom)?;
                Ok(Self {
                    $( $field: known.$field.and_then(|raw| raw.parse().ok()).unwrap_or_default(), )*
                    raw,
                })
            }
        }
    };
}
pub(super) use received;
