//! Synthetic streams of a given shape, for benchmarks: model `bench:deltas=100000,chars=12,gap_us=0`.
//!
//! Parameters, all optional: `deltas` (number of text deltas), `chars` (characters in each), `gap_us` (microseconds between
//! two), `tool_bytes` and `piece` (instead of text: one tool call with so many bytes of input, in pieces of so many bytes).

use std::time::Duration;

use crate::answer::{Answer, Block, Refused};
use crate::events;
use crate::frame::{Frame, Frames};
use crate::nearest::nearest;
use crate::pace::Pace;

const WORDS: [&str; 5] = ["deltas", "chars", "gap_us", "tool_bytes", "piece"];
const MOST_DELTAS: u64 = 10_000_000;
const MOST_BYTES: u64 = 1 << 30;
/// What the texts are made of: prose with the usual letters, quotes and a few bytes beyond ASCII.
const PROSE: &str = "the stream goes on, and \"nothing\" of it is lost – ";

/// The shape of a synthetic stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bench {
    deltas: u64,
    chars: u64,
    gap: Duration,
    tool_bytes: u64,
    piece: u64,
}

impl Bench {
    /// Reads what stands after `bench:`.
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let mut bench = Self { deltas: 1_000, chars: 12, gap: Duration::ZERO, tool_bytes: 0, piece: 10 };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number: u64 =
                value.parse().map_err(|_| refused(text, &format!("`{word}` is not NAME=NUMBER")))?;
            match name {
                "deltas" if number <= MOST_DELTAS => bench.deltas = number,
                "chars" if number <= MOST_BYTES => bench.chars = number,
                "gap_us" if number <= 60_000_000 => bench.gap = Duration::from_micros(number),
                "tool_bytes" if number <= MOST_BYTES => bench.tool_bytes = number,
                "piece" if (1..=MOST_BYTES).contains(&number) => bench.piece = number,
                name if WORDS.contains(&name) => {
                    return Err(refused(text, &format!("`{word}` is out of range")));
                }
                name => {
                    let near = nearest(name, WORDS.into_iter()).unwrap_or("deltas");
                    return Err(refused(text, &format!("`{name}` is no parameter; did you mean `{near}`?")));
                }
            }
        }
        Ok(bench)
    }

    /// Without waits, or one delta for each gap.
    pub(crate) fn pace(&self) -> Pace {
        let rate = (!self.gap.is_zero()).then(|| 1.0 / self.gap.as_secs_f64());
        Pace { tokens_per_second: rate, ..Pace::instant() }
    }

    /// One token for each delta, whatever its size, so that the gap is the pace.
    pub(crate) fn usage(&self) -> crate::answer::Usage {
        let tokens = if self.tool_bytes > 0 { self.tool_bytes.div_ceil(self.piece) } else { self.deltas };
        crate::answer::Usage { input_tokens: 10, output_tokens: tokens, ..Default::default() }
    }

    pub(crate) fn frames(self, id: String, model: String, seed: u64) -> Frames {
        let mut answer = Answer::new(id, model);
        answer.usage = self.usage();
        let deltas: Frames = if self.tool_bytes > 0 {
            "tool_use".clone_into(&mut answer.stop_reason);
            answer.blocks.push(Block::ToolUse {
                kind: "tool_use",
                id: "toolu_01BenchBenchBenchBenchBe".to_owned(),
                name: "bench".to_owned(),
                input: String::new(),
                eager: true,
                extra: serde_json::Map::new(),
            });
            self.input(seed)
        } else {
            answer.blocks.push(Block::Text { text: String::new(), citations: Vec::new() });
            self.text(seed)
        };
        let mut around = events::frames(answer, seed);
        // The envelope of an answer with one empty block; the deltas go in before the block's stop.
        let mut held: Vec<Frame> = Vec::new();
        for frame in around.by_ref() {
            if frame.name == "content_block_stop" {
                let tail = std::iter::once(frame).chain(around);
                return Box::new(held.into_iter().chain(deltas).chain(tail));
            }
            held.push(frame);
        }
        Box::new(held.into_iter())
    }

    fn text(self, seed: u64) -> Frames {
        let mut rng = fastrand::Rng::with_seed(seed);
        let letters: Vec<char> = PROSE.chars().collect();
        let mut at = 0;
        Box::new((0..self.deltas).map(move |_| {
            let text: String = (0..self.chars)
                .map(|_| {
                    at = (at + 1) % letters.len();
                    letters[at]
                })
                .collect();
            events::text_delta(0, text, &mut rng).costing(1)
        }))
    }

    /// `{"lines":["...","...",...]}` of exactly the bytes asked for, cut without regard to its structure.
    fn input(self, seed: u64) -> Frames {
        const HEAD: &str = r#"{"lines":[""#;
        const LINE: &str = r#"all work and no play","#;
        const TAIL: &str = r#""]}"#;
        let mut rng = fastrand::Rng::with_seed(seed);
        let size = usize::try_from(self.tool_bytes).unwrap_or(usize::MAX).max(HEAD.len() + TAIL.len());
        let body = size - HEAD.len() - TAIL.len();
        let (lines, rest) = (body / (LINE.len() + 1), body % (LINE.len() + 1));
        let mut json = String::with_capacity(size);
        json.push_str(HEAD);
        for _ in 0..lines {
            json.push_str(LINE);
            json.push('"');
        }
        json.extend(std::iter::repeat_n('x', rest));
        json.push_str(TAIL);
        let piece = usize::try_from(self.piece).unwrap_or(usize::MAX);
        let mut from = 0_usize;
        Box::new(std::iter::from_fn(move || {
            let to = from.saturating_add(piece).min(json.len());
            let fragment = json.get(from..to).filter(|fragment| !fragment.is_empty())?.to_owned();
            from = to;
            Some(events::input_delta(0, fragment, &mut rng).costing(1))
        }))
    }
}

fn refused(text: &str, why: &str) -> Refused {
    Refused::invalid(format!(
        "model: bench:{text}: {why}; write for example bench:deltas=100000,chars=12,gap_us=0"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_as_asked_for() {
        let bench = Bench::parse("deltas=50,chars=12").unwrap();
        let frames: Vec<Frame> = bench.frames("msg_1".into(), "bench".into(), 7).collect();
        let deltas: Vec<_> = frames.iter().filter_map(|frame| frame.piece.as_ref()).collect();
        assert_eq!(deltas.len(), 50);
        assert!(deltas.iter().all(|piece| piece.text.chars().count() == 12));
        assert_eq!(frames.last().unwrap().name, "message_stop");

        let bench = Bench::parse("tool_bytes=1000,piece=7").unwrap();
        let frames: Vec<Frame> = bench.frames("msg_1".into(), "bench".into(), 7).collect();
        let input: String =
            frames.iter().filter_map(|frame| Some(frame.piece.as_ref()?.text.as_str())).collect();
        assert_eq!(input.len(), 1_000);
        assert!(serde_json::from_str::<serde_json::Value>(&input).unwrap()["lines"].is_array());
    }

    #[test]
    fn wrong_shapes_are_refused_with_a_hint() {
        for (text, part) in
            [("delta=5", "did you mean `deltas`"), ("deltas=x", "NAME=NUMBER"), ("piece=0", "range")]
        {
            let refused = Bench::parse(text).unwrap_err();
            assert!(refused.message.contains(part), "{}", refused.message);
        }
    }
}
