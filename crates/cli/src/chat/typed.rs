//! What is typed while an answer comes: whole lines, which the terminal collects without showing them, so that they do not stand in the answer.

#[cfg(unix)]
pub(super) use self::terminal::Typed;

/// Listens until it is dropped. Here no terminal can do this: what is typed waits for the next prompt.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Typed {
    lines: tokio::sync::mpsc::UnboundedReceiver<String>,
}

#[cfg(not(unix))]
impl Typed {
    pub(super) fn listen() -> Option<Self> {
        None
    }

    pub(super) fn end(self) -> Vec<String> {
        Vec::new()
    }
}

impl Typed {
    /// The next line.
    pub(super) async fn next(&mut self) -> String {
        match self.lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
mod terminal {
    use std::io::{self, PipeReader, PipeWriter};
    use std::thread::JoinHandle;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    /// Listens until it is dropped. From then on nothing reads the terminal but the editor of the next line.
    #[derive(Debug)]
    pub(in crate::chat) struct Typed {
        pub(super) lines: UnboundedReceiver<String>,
        /// The thread that reads ends as soon as this is closed.
        open: Option<PipeWriter>,
        reading: Option<JoinHandle<()>>,
        before: Termios,
    }

    impl Typed {
        /// `None` where standard input is no terminal.
        pub(in crate::chat) fn listen() -> Option<Self> {
            let before = tcgetattr(io::stdin()).ok()?;
            let (closed, open) = io::pipe().ok()?;
            let mut quiet = before.clone();
            quiet.local_modes.remove(LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &quiet).ok()?;
            let (to, lines) = unbounded_channel();
            let reading = std::thread::spawn(move || read(&closed, &to));
            Some(Self { lines, open: Some(open), reading: Some(reading), before })
        }

        /// Ends it; gives the lines that were not taken yet.
        pub(in crate::chat) fn end(mut self) -> Vec<String> {
            self.close();
            std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
        }

        fn close(&mut self) {
            drop(self.open.take());
            if let Some(reading) = self.reading.take() {
                drop(reading.join());
                // A terminal that is gone needs no echo.
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
            }
        }
    }

    impl Drop for Typed {
        fn drop(&mut self) {
            self.close();
        }
    }

    /// Reads lines until the pipe is closed.
    fn read(closed: &PipeReader, to: &UnboundedSender<String>) {
        let stdin = io::stdin();
        let mut bytes = Vec::new();
        loop {
            let mut asked = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(closed, PollFlags::IN)];
            match poll(&mut asked, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let [typed, ended] = asked.map(|asked| asked.revents());
            if !ended.is_empty() || typed.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                return;
            }
            if !typed.contains(PollFlags::IN) {
                continue;
            }
            let mut piece = [0; 4096];
            match rustix::io::read(&stdin, &mut piece) {
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                drop(to.send(String::from_utf8_lossy(&line).trim().to_owned()));
            }
        }
    }
}
