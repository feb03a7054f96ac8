//! How an answer is to be given, in words: `deltas=200,gap_us=20000`.
//!
//! The same words are the load client's command line, the model's name in its requests, and what the upstream does.

/// Comma-separated `name=number`; a name that is absent is 0.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub &'a str);

impl Words<'_> {
    pub fn number(&self, name: &str) -> u64 {
        self.0
            .split(',')
            .find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(0)
    }
}

/// What a request asks of the upstream; times in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    pub deltas: u64,
    /// Between two deltas; 0 is as fast as the socket takes them.
    pub gap: u64,
    /// Before the head of the answer.
    pub wait: u64,
    /// Between `message_start` and the first delta.
    pub pause: u64,
    /// The name of this request in the upstream's list of clients that left; 0 is none.
    pub tag: u64,
}

impl Manners {
    pub fn new(words: Words<'_>) -> Self {
        Self {
            deltas: words.number("deltas"),
            gap: words.number("gap_us") * 1000,
            wait: words.number("wait_us") * 1000,
            pause: words.number("pause_us") * 1000,
            tag: words.number("tag"),
        }
    }

    /// As the model's name in this body of a request says.
    pub fn of_request(body: &str) -> Option<Self> {
        let words = body.split("\"bench:").nth(1)?.split('"').next()?;
        Some(Self::new(Words(words)))
    }
}

/// The body of a request that asks for this.
pub fn body(words: &str) -> String {
    format!(
        r#"{{"model":"bench:{words}","max_tokens":1024,"stream":true,"messages":[{{"role":"user","content":"Why is the sky blue?"}}]}}"#
    )
}
