//! A reader's place in a stream, and what it sees there: records as they are in the log, or with the tape in them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use perennial_log::{Error, Head as LogHead, Reader, Run, Seq, StreamId};

use super::rendered::{Found, Head, Rendering};

/// A reader of the log, and a view of what it reads.
#[derive(Debug)]
pub(crate) struct Cursor {
    reader: Reader,
    view: Option<View>,
}

/// A viewer of the rendered stream.
#[derive(Debug)]
struct View {
    shared: Arc<Rendering>,
    /// A run of its own, as long as it is too far behind the others.
    own: Option<Head>,
    /// Read, and not rendered yet.
    read: Option<Run>,
    catching_up: Option<CatchingUp>,
}

/// The renderer is brought to the viewer's place; a run of the viewer's own comes of it, or none.
struct CatchingUp(Pin<Box<dyn Future<Output = Result<Option<Head>, Error>> + Send>>);

impl Cursor {
    pub(crate) fn new(reader: Reader, rendering: Option<Arc<Rendering>>) -> Self {
        let view = rendering.map(|shared| View { shared, own: None, read: None, catching_up: None });
        Self { reader, view }
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.reader.stream()
    }

    /// Whether the records are those of the tape.
    pub(super) fn is_rendered(&self) -> bool {
        self.view.is_some()
    }

    pub(crate) fn head(&self) -> Option<LogHead> {
        self.reader.head()
    }

    /// The number of the record that comes next.
    pub(crate) fn position(&self) -> Seq {
        let read = self.view.as_ref().and_then(|view| view.read.as_ref()?.first());
        read.map_or_else(|| self.reader.position(), |record| record.seq)
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Run>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Run>, Error>> {
        let Some(view) = &mut self.view else { return self.reader.poll_next(cx) };
        loop {
            if let Some(catching_up) = &mut view.catching_up {
                let own = ready!(catching_up.0.as_mut().poll(cx));
                view.catching_up = None;
                view.own = own?;
            }
            let run = match view.read.take() {
                Some(run) => run,
                None => match ready!(self.reader.poll_next(cx))? {
                    Some(run) => run,
                    None => return Poll::Ready(Ok(None)),
                },
            };
            if let Some(run) = view.rendered(run) {
                return Poll::Ready(Ok(Some(run)));
            }
        }
    }

    /// What can be had without waiting.
    pub(crate) fn try_next(&mut self) -> Option<Run> {
        let Some(view) = &mut self.view else { return self.reader.try_next() };
        if view.catching_up.is_some() {
            return None;
        }
        let run = view.read.take().or_else(|| self.reader.try_next())?;
        view.rendered(run)
    }
}

impl View {
    /// The run with its tape; `None` where the renderer has to be brought there first, for which the run is kept.
    fn rendered(&mut self, run: Run) -> Option<Run> {
        let first = run.first()?.seq;
        if let Some(own) = &mut self.own {
            let written = run.iter().map(|record| own.write(record)).collect();
            let next = own.next;
            if self.shared.has(next) {
                self.own = None;
            }
            return Some(Run::new(written));
        }
        let shared = Arc::clone(&self.shared);
        let catching_up: Pin<Box<dyn Future<Output = _> + Send>> = match self.shared.written(&run) {
            Found::Written(run) => return Some(run),
            Found::Behind => Box::pin(async move { shared.bring_to(first).await.map(|()| None) }),
            Found::Gone => Box::pin(async move { shared.own(first).await.map(Some) }),
        };
        self.catching_up = Some(CatchingUp(catching_up));
        self.read = Some(run);
        None
    }
}

impl fmt::Debug for CatchingUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CatchingUp")
    }
}
