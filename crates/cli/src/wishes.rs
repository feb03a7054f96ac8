//! How an answer is to look: the flags that all commands share which show one.

use clap::Args;

use crate::show::{Color, Wishes, Wrap};

#[derive(Debug, Args)]
pub(crate) struct LookArgs {
    /// Print the text as the model wrote it, on a terminal too
    #[arg(long)]
    raw: bool,
    /// Where words are wrapped: `auto`, `none`, or a number of columns
    #[arg(long, value_name = "COLUMNS", value_parser = Wrap::read, default_value = "auto")]
    wrap: Wrap,
    /// Whether there are colours
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    color: Color,
    /// Whole lines and words only, for a screen reader [env: ACCESSIBLE]
    #[arg(long)]
    screen_reader: bool,
}

impl LookArgs {
    pub(crate) fn wishes(&self) -> Wishes {
        Wishes {
            color: self.color,
            wrap: self.wrap,
            raw: self.raw,
            screen_reader: self.screen_reader,
            ..Wishes::default()
        }
    }
}
