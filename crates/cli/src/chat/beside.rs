//! What is done beside an answer that comes: lines that are typed are taken, and its page is opened.

use std::convert::Infallible;

use tokio::sync::mpsc::UnboundedSender;

use super::browser;
use super::command::{Command, Input};
use super::session::Session;
use super::typed::Typed;
use crate::exit::{Exit, Failure};

impl Session {
    /// Takes what is typed while an answer comes. A page is opened at once; everything else waits for its end.
    pub(super) async fn listen(
        &mut self,
        typed: Option<&mut Typed>,
        aside: &UnboundedSender<String>,
    ) -> Infallible {
        let Some(typed) = typed else { return std::future::pending().await };
        loop {
            let line = typed.next().await;
            // Whoever shows the answer is there as long as this is.
            let say = |words: String| drop(aside.send(words));
            match Input::read(&line) {
                Input::Nothing => {}
                Input::Command(Command::Open) => match self.show_page() {
                    Ok(lines) => lines.into_iter().for_each(say),
                    Err(failure) => say(failure.line().to_owned()),
                },
                _ => {
                    say(format!("after this answer: {line}"));
                    self.typed.push_back(line);
                }
            }
        }
    }

    /// `/open`: the page of this conversation, in the browser; what is to be said of that, line by line.
    pub(super) fn show_page(&self) -> Result<[String; 2], Failure> {
        let page = match &self.conversation {
            Some(conversation) => self.book.page(&conversation.id),
            None => return Err(Failure::new(Exit::Usage, "nothing was said yet, so there is no page")),
        };
        let page = page.ok_or_else(|| {
            let message = "this conversation is kept in this terminal and has no page; one that a gateway answers has, without -n, -o, \
                           --recover and --tee-sse: perennial serve, and chat --base-url http://127.0.0.1:8787";
            Failure::new(Exit::Usage, message)
        })?;
        let is_open = browser::open(&page);
        let what = if is_open { "the browser has it too" } else { "the same in a browser" };
        Ok([format!("{what}: {page}"), format!("in another terminal: perennial attach {page}")])
    }
}
