//! A page that only grows: the HTML of each block of an answer, written once, when the block is final.
//!
//! What was sent to a browser without scripts cannot be taken back. So a block is held until nothing reaches it any more but a definition that comes later; one that
//! does is left as it reads without, as on a terminal.

use perennial_markdown::{Html, Op, Renderer};

/// The blocks of a text on their way into a page.
#[derive(Debug, Default)]
pub(super) struct Growing {
    renderer: Renderer,
    /// What is not written yet.
    tail: Vec<Op>,
    /// So much of it is final.
    frozen: usize,
    /// Changes of what is not written yet.
    patches: Vec<Op>,
}

impl Growing {
    /// Takes a piece of the text; gives what is final by it.
    pub(super) fn push(&mut self, text: &str) -> String {
        let ops = self.renderer.push(text);
        self.take(ops);
        self.written(self.frozen)
    }

    /// The end of the text. The next one is another document.
    pub(super) fn finish(&mut self) -> String {
        let ops = self.renderer.finish();
        self.take(ops);
        let out = self.written(self.tail.len());
        *self = Self::default();
        out
    }

    fn take(&mut self, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Rollback { ops } => self.tail.truncate(self.tail.len().saturating_sub(ops)),
                Op::Freeze { ops } => self.frozen = (self.frozen + ops).min(self.tail.len()),
                Op::Patch { .. } => self.patches.push(op),
                op => self.tail.push(op),
            }
        }
    }

    /// Whole blocks within so many operations.
    fn written(&mut self, most: usize) -> String {
        let (mut depth, mut whole) = (0_usize, 0);
        for (at, op) in self.tail[..most].iter().enumerate() {
            match op {
                Op::Open { .. } => depth += 1,
                Op::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                whole = at + 1;
            }
        }
        if whole == 0 {
            return String::new();
        }
        let blocks: Vec<Op> = self.tail.drain(..whole).collect();
        self.frozen = self.frozen.saturating_sub(whole);
        let mut page = Html::new();
        page.apply(&blocks);
        // A patch says which node it means; of another block there is none here.
        page.apply(&self.patches);
        page.html()
    }
}

#[cfg(test)]
mod tests {
    use perennial_markdown::{Settings, batch};

    use super::*;

    #[test]
    fn the_page_is_that_of_the_whole_text_and_grows_block_by_block() {
        let text = "# A title\n\nSome **bold** text.\n\n- one\n- two\n\n```rust\nlet a = 1;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nThe end";
        let mut at_once = Html::new();
        at_once.apply(&batch(text, Settings::default()));
        for size in [1, 3, 7, 200] {
            let mut growing = Growing::default();
            let characters: Vec<char> = text.chars().collect();
            let (mut out, mut pieces) = (String::new(), 0);
            for piece in characters.chunks(size) {
                let more = growing.push(&piece.iter().collect::<String>());
                pieces += usize::from(!more.is_empty());
                out.push_str(&more);
            }
            out.push_str(&growing.finish());
            assert_eq!(out, at_once.html(), "in pieces of {size}");
            assert!(size > 7 || pieces > 3, "in pieces of {size} it came in {pieces}");
        }
    }
}
