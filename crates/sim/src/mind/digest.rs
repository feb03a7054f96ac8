//! Keyed hashing (SipHash-2-4) and what is made of it: ids, signatures, seeds.
//!
//! Written out here because the standard library's hasher promises no stable result between releases, and recordings,
//! seeds and documentation must stay valid. It guards against mistakes of clients, not against attackers.

const ID_ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A source of choices that is the same for the same hash.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    key: u64,
    rolled: u64,
}

impl Dice {
    pub(crate) fn new(hash: u64) -> Self {
        Self { key: hash, rolled: 0 }
    }

    /// A number below `sides`, which must not be zero.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.rolled += 1;
        let hash = siphash(self.key, self.rolled, b"roll");
        usize::try_from(hash % sides as u64).expect("below a usize")
    }

    /// One of several, which must not be none.
    pub(crate) fn pick<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.roll(of.len())]
    }
}

/// The 64-bit SipHash-2-4 of `bytes` under the key `(k0, k1)`.
#[must_use]
pub(crate) fn siphash(k0: u64, k1: u64, bytes: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let m = u64::from_le_bytes(word.try_into().expect("chunks_exact gives eight bytes"));
        absorb(&mut v, m);
    }
    let mut last = [0u8; 8];
    let tail = words.remainder();
    last[..tail.len()].copy_from_slice(tail);
    last[7] = bytes.len().to_le_bytes()[0];
    absorb(&mut v, u64::from_le_bytes(last));
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// The hash of several parts under a seed; the boundaries between the parts count.
#[must_use]
pub(crate) fn of(seed: u64, parts: &[&str]) -> u64 {
    parts.iter().fold(siphash(seed, 0, b"perennial"), |state, part| siphash(seed, state, part.as_bytes()))
}

/// An id as the real service makes them: `prefix`, `01`, and 22 letters and digits.
#[must_use]
pub(crate) fn id(prefix: &str, hash: u64) -> String {
    let mut text = format!("{prefix}01");
    let mut state = hash;
    for turn in 0..22u64 {
        if turn % 10 == 0 {
            state = siphash(hash, turn, b"id");
        }
        text.push(char::from(ID_ALPHABET[usize::try_from(state % 58).expect("below 58")]));
        state /= 58;
    }
    text
}

/// Standard base64 with padding.
#[must_use]
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                let six = word >> (18 - 6 * place) & 63;
                text.push(char::from(BASE64[usize::try_from(six).expect("six bits")]));
            }
        }
    }
    text
}

/// The bytes of a base64 text, or `None` where it is none.
#[must_use]
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - body.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() * 3 / 4);
    let (mut word, mut bits) = (0u32, 0);
    for c in body.bytes() {
        let six = BASE64.iter().position(|known| *known == c)?;
        word = (word << 6 | u32::try_from(six).ok()?) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn absorb(v: &mut [u64; 4], m: u64) {
    v[3] ^= m;
    round(v);
    round(v);
    v[0] ^= m;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn siphash_gives_the_published_vectors() {
        let (k0, k1) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(siphash(k0, k1, &input), 0xa129_ca61_49be_45e5);
        assert_eq!(siphash(k0, k1, &[]), 0x726f_db47_dd0e_0e31);
    }

    #[test]
    fn ids_have_the_shape_of_the_real_ones() {
        let id = id("msg_", 7);
        assert_eq!(id.len(), 28);
        assert!(id.starts_with("msg_01"));
        assert!(id[6..].bytes().all(|c| ID_ALPHABET.contains(&c)));
    }

    #[test]
    fn base64_gives_the_published_vectors() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        for broken in ["Zg", "Zg=", "Z===", "Zm9!"] {
            assert_eq!(from_base64(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn base64_round_trips(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(from_base64(&base64(&bytes)), Some(bytes));
        }
    }
}
