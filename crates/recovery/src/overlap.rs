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
    /// How much of it has been searched for the end of the first.
    searched: usize,
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
        Self { text, proof, held: String::new(), searched: 0, looked_at: 0 }
    }

    /// Bytes of the text that is gone on with.
    pub(crate) fn cut(&self) -> usize {
        self.text.len()
    }

    /// Gives the memory back once the two are joined.
    pub(crate) fn forget(&mut self) {
        (self.text, self.held) = (String::new(), String::new());
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
        let text = self.text.as_bytes();
        let last = &text[text.len() - least.min(text.len())..];
        // Each byte is searched once, however small the pieces are.
        let from = (self.searched + 1).saturating_sub(last.len());
        self.searched = self.held.len();
        // Its first place decides: at any other the end would stand twice in the text.
        if let Some(at) = memmem::find(&self.held.as_bytes()[from..], last) {
            let end = from + at + last.len();
            let said = &self.held.as_bytes()[..end];
            let overlap =
                text.iter().rev().zip(said.iter().rev()).take_while(|(one, other)| one == other).count();
            // Blanks before it are how a model begins; anything else would have to be thrown away.
            if said[..end - overlap].iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Found { overlap, rest: self.held.split_off(end) }));
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
            share in 20_usize..90,
            again in 0_usize..200,
            size in 1_usize..40,
        ) {
            let cut = whole.floor_char_boundary(whole.len() * share / 100);
            let text = &whole[..cut];
            if let Some(anchor) = Anchor::of(text, text.len(), 12) {
                let from = whole.floor_char_boundary(cut - again.min(cut));
                // With less said again than a proof takes, what follows may look like one.
                if cut - from >= anchor.least {
                    let found = outcome(text, Proof::End(anchor.least), &whole[from..], size);
                    let found = found.unwrap().expect("enough was said again");
                    prop_assert_eq!(found.overlap, cut - from);
                    prop_assert_eq!(format!("{text}{}", found.rest), whole);
                }
            }
        }

        /// Blanks that a model puts in front are left out, and nothing else is.
        #[test]
        fn only_blanks_may_stand_in_front(before in "[a \n\u{a0}]{0,6}", text in "[ab ]{20,60}", size in 1_usize..9) {
            if let Some(anchor) = Anchor::of(&text, text.len(), 12) {
                let said = format!("{before}{} and on", &text[anchor.start..]);
                if let Ok(Some(found)) = outcome(&text, Proof::End(anchor.least), &said, size) {
                    let end = said.len() - found.rest.len();
                    prop_assert_eq!(&text[text.len() - found.overlap..], &said[end - found.overlap..end]);
                    prop_assert!(said[..end - found.overlap].bytes().all(|byte| byte.is_ascii_whitespace()));
                    prop_assert_eq!(found.rest, " and on");
                } else {
                    prop_assert!(!before.bytes().all(|byte| byte.is_ascii_whitespace()));
                }
            }
        }

        /// Whatever another text says, what joins is an overlap.
        #[test]
        fn nothing_is_joined_without_an_overlap(text in "[ab ]{20,80}", said in "[ab ]{1,80}", size in 1_usize..20) {
            if let Some(anchor) = Anchor::of(&text, text.len(), 8)
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
