//! Shows markdown piece by piece, in one of several ways, and says how much was made of it; `run.py` measures what it took.

mod answer;
mod way;

use anyhow::{Context as _, Result, bail};

use crate::way::Way;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", bytes, seed, path] => {
            let text = answer::answer(bytes.parse()?, seed.parse()?);
            std::fs::write(path, text).with_context(|| path.to_owned())
        }
        ["show", way, piece, path] => {
            let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
            let (pieces, made) = show(Way::named(way)?, &text, piece.parse()?);
            println!("{{\"bytes\":{},\"pieces\":{pieces},\"made\":{made}}}", text.len());
            Ok(())
        }
        _ => bail!("write BYTES SEED FILE, or show WAY CHARACTERS FILE"),
    }
}

/// Hands the text over, so many characters at a time.
fn show(mut way: Way, text: &str, characters: usize) -> (u64, usize) {
    let (mut pieces, mut made, mut rest) = (0, 0, text);
    while !rest.is_empty() {
        let end = rest.char_indices().nth(characters.max(1)).map_or(rest.len(), |(at, _)| at);
        made += way.push(&rest[..end]);
        pieces += 1;
        rest = &rest[end..];
    }
    (pieces, made + way.finish())
}
