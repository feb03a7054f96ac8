//! The strip: one answer's seismograph, in one line of characters. How long it let wait, how it came, where it paused.
//!
//! Time is kept in a fixed number of cells which become longer as the answer does, so an hour takes no more room than a second.

use std::fmt::Write as _;
use std::time::Duration;

/// A silence of content from this length on is a pause, and said.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// What a piece of content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Thinking,
    Tool,
}

/// How many cells are kept at most; a drawn strip has at least half of them where it is long enough.
const CELLS: usize = 64;
/// The first length of a cell.
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Strip {
    length: Duration,
    cells: Vec<Cell>,
}

/// What came in a span of time, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    text: usize,
    thinking: usize,
    tool: usize,
}

/// How a strip is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ink {
    pub(crate) colored: bool,
    /// Nothing but ASCII.
    pub(crate) ascii: bool,
    /// How many cells it may have.
    pub(crate) width: usize,
}

/// What a cell is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Wait,
    Pause,
    Lull,
    Content(Kind, usize),
    Failed,
}

impl Default for Strip {
    fn default() -> Self {
        Self { length: SHORTEST, cells: Vec::new() }
    }
}

impl Strip {
    pub(crate) fn came(&mut self, at: Duration, kind: Kind, bytes: usize) {
        let cell = self.cell(at);
        let sum = match kind {
            Kind::Text => &mut cell.text,
            Kind::Thinking => &mut cell.thinking,
            Kind::Tool => &mut cell.tool,
        };
        *sum = sum.saturating_add(bytes);
    }

    /// The strip of an answer that took so long.
    pub(crate) fn draw(&self, whole: Duration, failed: bool, ink: Ink) -> String {
        let mut strip = Self { length: self.length, cells: self.cells.clone() };
        strip.cell(whole);
        while strip.cells.len() > ink.width.max(1) {
            strip.merge();
        }
        let most = strip.cells.iter().map(Cell::sum).max().unwrap_or_default().max(1);
        let mut marks: Vec<Mark> = strip.cells.iter().map(|cell| cell.mark(most)).collect();
        strip.name_silences(&mut marks);
        if failed && let Some(last) = marks.last_mut() {
            *last = Mark::Failed;
        }
        written(&marks, ink)
    }

    fn cell(&mut self, at: Duration) -> &mut Cell {
        loop {
            let nth = usize::try_from(at.as_nanos() / self.length.as_nanos()).unwrap_or(usize::MAX);
            if nth < CELLS {
                if self.cells.len() <= nth {
                    self.cells.resize(nth + 1, Cell::default());
                }
                return &mut self.cells[nth];
            }
            self.merge();
        }
    }

    /// Twice the time in each cell.
    fn merge(&mut self) {
        self.length *= 2;
        self.cells = self.cells.chunks(2).map(|two| two.iter().fold(Cell::default(), Cell::and)).collect();
    }

    /// A silence is the wait for the first piece, a pause where it is long, else nothing to speak of.
    fn name_silences(&self, marks: &mut [Mark]) {
        let mut from = 0;
        while from < marks.len() {
            let run = marks[from..].iter().take_while(|mark| **mark == Mark::Lull).count();
            let long = self.length * u32::try_from(run).unwrap_or(u32::MAX) >= PAUSE;
            let named = match (from, long) {
                (0, _) => Mark::Wait,
                (_, true) => Mark::Pause,
                (_, false) => Mark::Lull,
            };
            marks[from..from + run].fill(named);
            from += run + 1;
        }
    }
}

impl Cell {
    fn sum(&self) -> usize {
        self.text.saturating_add(self.thinking).saturating_add(self.tool)
    }

    fn and(self, other: &Self) -> Self {
        Self {
            text: self.text.saturating_add(other.text),
            thinking: self.thinking.saturating_add(other.thinking),
            tool: self.tool.saturating_add(other.tool),
        }
    }

    /// The kind of which most came, and how much came beside the fullest cell, from 0 to 7.
    fn mark(&self, most: usize) -> Mark {
        let kinds = [(self.thinking, Kind::Thinking), (self.tool, Kind::Tool), (self.text, Kind::Text)];
        match kinds.into_iter().max_by_key(|(bytes, _)| *bytes) {
            Some((1.., kind)) => Mark::Content(kind, self.sum().saturating_mul(7).div_ceil(most).min(7)),
            _ => Mark::Lull,
        }
    }
}

impl Mark {
    fn character(self, ascii: bool) -> char {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        const DOTS: [char; 4] = ['⡀', '⡄', '⡆', '⡇'];
        match (self, ascii) {
            (Self::Wait, false) => '·',
            (Self::Pause, false) => '░',
            (Self::Lull, _) => ' ',
            (Self::Content(Kind::Text, level), false) => BARS[level.min(7)],
            (Self::Content(Kind::Thinking, level), false) => DOTS[level.min(7) / 2],
            (Self::Content(Kind::Tool, _), false) => '▪',
            (Self::Failed, false) => '×',
            (Self::Wait, true) => '.',
            (Self::Pause, true) => '/',
            (Self::Content(Kind::Text, _), true) => '=',
            (Self::Content(Kind::Thinking, _), true) => '~',
            (Self::Content(Kind::Tool, _), true) => '#',
            (Self::Failed, true) => 'x',
        }
    }

    /// One of the sixteen colours, or dim.
    fn style(self) -> &'static str {
        match self {
            Self::Wait | Self::Pause | Self::Lull => "2",
            Self::Content(Kind::Text, _) => "",
            Self::Content(Kind::Thinking, _) => "35",
            Self::Content(Kind::Tool, _) => "33",
            Self::Failed => "31",
        }
    }
}

fn written(marks: &[Mark], ink: Ink) -> String {
    let mut out = String::new();
    let mut style = "";
    for mark in marks {
        if ink.colored && mark.style() != style {
            style = mark.style();
            let _ = write!(out, "\x1b[0{}{style}m", if style.is_empty() { "" } else { ";" });
        }
        out.push(mark.character(ink.ascii));
    }
    if ink.colored && !style.is_empty() {
        out.push_str("\x1b[0m");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Ink = Ink { colored: false, ascii: false, width: 64 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sample() -> Strip {
        let mut strip = Strip::default();
        for (from, to, kind, bytes) in
            [(1024, 2048, Kind::Thinking, 10), (2048, 3072, Kind::Text, 40), (7168, 8192, Kind::Tool, 20)]
        {
            for at in (from..to).step_by(64) {
                strip.came(ms(at), kind, bytes);
            }
        }
        strip
    }

    #[test]
    fn each_span_has_its_character_in_its_place() {
        let drawn = sample().draw(ms(8191), false, PLAIN);
        let spans = [("·", 8), ("⡄", 8), ("█", 8), ("░", 32), ("▪", 8)];
        assert_eq!(drawn, spans.map(|(mark, cells)| mark.repeat(cells)).concat());
        let ascii = sample().draw(ms(8191), true, Ink { ascii: true, width: 16, ..PLAIN });
        assert_eq!(ascii, "..~~==////////#x");
    }

    #[test]
    fn an_hour_takes_as_much_room_as_a_second() {
        let mut strip = Strip::default();
        for second in 0..3600 {
            strip.came(Duration::from_secs(second), Kind::Text, 1);
        }
        assert!(strip.cells.len() <= CELLS);
        let drawn = strip.draw(Duration::from_secs(3600), false, PLAIN);
        assert!((CELLS / 2..=CELLS).contains(&drawn.chars().count()), "{drawn}");
        assert_eq!(strip.cells.iter().map(Cell::sum).sum::<usize>(), 3600);
    }

    #[test]
    fn colours_are_of_the_sixteen_and_end() {
        let drawn = sample().draw(ms(8191), true, Ink { colored: true, width: 16, ..PLAIN });
        assert!(drawn.starts_with("\x1b[0;2m··\x1b[0;35m"), "{drawn:?}");
        assert!(drawn.ends_with("\x1b[0;31m×\x1b[0m"), "{drawn:?}");
    }
}
