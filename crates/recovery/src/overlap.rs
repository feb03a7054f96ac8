//! Overlaps: what a text that goes on says again of the text before it.
//!
//! Exact, to the byte. Nothing is searched for inside of what the other text says: what stands before the overlap would have to be thrown away, and nobody can know
//! what it was.

use memchr::memmem;

/// The most that is held back until it is known where two texts join.
const MOST_HELD: usize = 64 * 1024;

/// The text so far, and the beginning of the one that is to go on with it.
#[derive(Debug)]
pub(crate) struct Overlap {
    text: String,
    proof: Proof,
    held: String,
    /// When it was last looked whether there can be an overlap at all.
    looked_at: usize,
}

/// What proves that two texts join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The other text begins with all of the first: it is the same answer, asked for again.
    Whole,
    /// It begins with an end of the first that has at least so many bytes, and stands in it only once.
    End(usize),
}

/// Where two texts join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bytes that were said again.
    pub(crate) overlap: usize,
    /// What goes on.
    pub(crate) rest: String,
}

impl Overlap {
    pub(crate) fn new(text: String, proof: Proof) -> Self {
        Self { text, proof, held: String::new(), looked_at: 0 }
    }

    /// Bytes of the text that is gone on with.
    pub(crate) fn cut(&self) -> usize {
        self.text.len()
    }

    /// More of the other text. `Ok(None)` while it cannot be known; an error once it cannot be any more.
    pub(crate) fn push(&mut self, said: &str) -> Result<Option<Found>, &'static str> {
        self.held.push_str(said);
        match self.proof {
            Proof::Whole => self.whole(),
            Proof::End(least) => self.end(least),
        }
    }

    fn whole(&mut self) -> Result<Option<Found>, &'static str> {
        if let Some(rest) = self.held.strip_prefix(&*self.text) {
            return Ok(Some(Found { overlap: self.text.len(), rest: rest.to_owned() }));
        }
        if self.text.starts_with(&*self.held) {
            return Ok(None);
        }
        Err("asked again, the answer begins in other words")
    }

    fn end(&mut self, least: usize) -> Result<Option<Found>, &'static str> {
        let last = &self.text.as_bytes()[self.text.len() - least.min(self.text.len())..];
        // Its first place decides: at any other the end would stand twice in the text.
        if let Some(at) = memmem::find(self.held.as_bytes(), last) {
            let overlap = at + last.len();
            let said = &self.held.as_bytes()[..overlap];
            let blanks = said.len() - said.trim_ascii_start().len();
            let is_end = self.text.as_bytes().ends_with(said);
            if (is_end || self.text.as_bytes().ends_with(&said[blanks..]))
                && self.held.is_char_boundary(overlap)
            {
                let rest = self.held[overlap..].to_owned();
                let overlap = if is_end { overlap } else { overlap - blanks };
                return Ok(Some(Found { overlap, rest }));
            }
            return Err("what it says before the overlap is not of the answer");
        }
        if self.held.len() > self.text.len() + 64 || self.held.len() > MOST_HELD {
            return Err("it does not begin with the end of the answer");
        }
        // Looked at as often as its length doubles, so that a long repetition costs linear time.
        if self.held.len() >= 16 && self.held.len() >= 2 * self.looked_at {
            self.looked_at = self.held.len();
            let said = self.held.trim_start();
            // An overlap that ended within it would have been found, so all of it would have to be one.
            if memmem::find(self.text.as_bytes(), said.as_bytes()).is_none() {
                return Err("it does not begin with the end of the answer");
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anchor::Anchor;

    /// What comes of `said`, in pieces of so many characters.
    fn outcome(text: &str, proof: Proof, said: &str, size: usize) -> Result<Option<Found>, &'static str> {
        let mut overlap = Overlap::new(text.to_owned(), proof);
        let characters: Vec<char> = said.chars().collect();
        let mut done = 0;
        for piece in characters.chunks(size) {
            let piece: String = piece.iter().collect();
            done += piece.len();
            if let Some(mut found) = overlap.push(&piece)? {
                found.rest.push_str(&said[done..]);
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    proptest! {
        /// Whatever is said again, if it is enough to prove it, the whole is the whole; and in any pieces.
        #[test]
        fn an_overlap_is_found_to_the_byte(
            whole in "[a-d \u{e9}\u{4e16}\n]{30,300}",
            cut in 0.2..0.9_f64,
            again in 0_usize..200,
            size in 1_usize..40,
        ) {
            let at = |share: f64| {
                let mut at = (whole.len() as f64 * share) as usize;
                while !whole.is_char_boundary(at) { at -= 1; }
                at
            };
            let cut = at(cut);
            let text = &whole[..cut];
            if let Some(anchor) = Anchor::of(text, text.len(), 12, 6) {
                let mut from = cut - again.min(cut);
                while !whole.is_char_boundary(from) { from -= 1; }
                match outcome(text, Proof::End(anchor.least), &whole[from..], size) {
                    Ok(Some(found)) => {
                        prop_assert_eq!(found.overlap, cut - from);
                        prop_assert_eq!(format!("{text}{}", found.rest), whole);
                    }
                    // Too little was said again to prove anything.
                    Ok(None) | Err(_) => prop_assert!(cut - from < anchor.least),
                }
            }
        }

        /// Whatever another text says, what joins is an overlap.
        #[test]
        fn nothing_is_joined_without_an_overlap(text in "[ab ]{20,80}", said in "[ab ]{1,80}", size in 1_usize..20) {
            if let Some(anchor) = Anchor::of(&text, text.len(), 8, 6)
                && let Ok(Some(found)) = outcome(&text, Proof::End(anchor.least), &said, size)
            {
                let end = &text[text.len() - found.overlap..];
                prop_assert!(found.overlap >= anchor.least);
                prop_assert!(said.trim_start().starts_with(end.trim_start()) && said.ends_with(&found.rest));
            }
        }
    }

    #[test]
    fn an_answer_asked_for_again_must_begin_as_it_did() {
        for (said, expected) in [
            ("Hello, world", Ok(Some(", world"))),
            ("Hello", Ok(Some(""))),
            ("Hel", Ok(None)),
            ("Help", Err(())),
            ("", Ok(None)),
        ] {
            let found = outcome("Hello", Proof::Whole, said, 1);
            let found = found.map(|found| found.map(|found| found.rest)).map_err(|_| ());
            assert_eq!(found, expected.map(|rest: Option<&str>| rest.map(str::to_owned)), "{said}");
        }
    }
}
