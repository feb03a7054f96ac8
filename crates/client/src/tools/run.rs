//! The agent loop: ask, run the tools that the answer calls, send the results, and so on, streamed throughout.
//!
//! Tools run only when the whole answer is here and only on input that is whole: a cut, failed or refused answer starts none, a retried attempt
//! starts none twice. What goes wrong in a tool is told to the model; what goes wrong with the service ends the run.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_core::future::BoxFuture;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use perennial_protocol::{Message, ToolUse, Transcript};
use tokio::time::Instant;

use super::{ToolOutput, ToolSet};
use crate::request::Block;
use crate::{Conversation, Error, MessageStream, Messages, Next, StreamEvent};

/// How many answers one run may ask for. Default 50.
///
/// A model that calls tools for ever costs for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxTurns(pub NonZeroU32);

/// A run of the agent loop: a stream of [steps](Step). Dropping it closes the connection and stops its tools.
///
/// After an error the [conversation](Self::into_conversation) is as it was before the answer that failed, with the results of all tools that ran; it can be run on.
#[must_use = "streams do nothing unless polled"]
pub struct AgentRun {
    messages: Messages,
    conversation: Conversation,
    tools: ToolSet,
    max_turns: MaxTurns,
    turn: u32,
    state: State,
    /// Steps that are known and not handed out yet.
    steps: VecDeque<Step>,
    last: Option<Arc<Message>>,
}

enum State {
    /// The next request, or first the calls that are open.
    Ready,
    Streaming(Box<MessageStream>),
    Running(FuturesUnordered<BoxFuture<'static, Finished>>),
    Done(Result<RunEnd, Error>),
}

struct Finished {
    call: Arc<ToolUse>,
    output: ToolOutput,
    elapsed: Duration,
}

/// What happens in a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Step {
    /// A request is sent.
    TurnStarted {
        /// Which, from 1.
        turn: u32,
    },
    /// Something happened in the answer.
    Event(StreamEvent),
    /// An answer is complete; its usage is final.
    TurnFinished {
        /// Which, from 1.
        turn: u32,
        /// The answer.
        message: Arc<Message>,
    },
    /// A tool begins to run.
    ToolStarted {
        /// The call.
        call: Arc<ToolUse>,
    },
    /// A tool ended. Also comes, with an error and nothing before it, for a call that cannot be run: of an unknown tool, or with unusable input.
    ToolFinished {
        /// The call.
        call: Arc<ToolUse>,
        /// What the model is told.
        output: ToolOutput,
        /// How long it took.
        elapsed: Duration,
    },
    /// The run ended. Nothing follows.
    Finished(RunEnd),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnd {
    /// The model had said all.
    Answered,
    /// The last answer was cut by a limit; none of its calls was run.
    Cut,
    /// The model declined; none of its calls was run.
    Refused,
    /// [`MaxTurns`] was reached and the model was not done; none of its last calls was run.
    OutOfTurns,
}

impl Messages {
    /// Asks, runs the tools that the answers call, and asks again until the model has said all.
    ///
    /// `conversation` is a [`MessageRequest`](crate::MessageRequest) or a [`Conversation`] to go on with. The tools are added to it.
    ///
    /// ```no_run
    /// # async fn example(tools: perennial::ToolSet) -> Result<(), perennial::Error> {
    /// use futures_util::StreamExt as _;
    /// use perennial::request::models;
    /// use perennial::{Client, MessageRequest, Step};
    ///
    /// let client = Client::from_env()?;
    /// let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 2048).user("Is it warmer in Oslo or in Rome?");
    /// let mut run = client.messages().run(request, &tools);
    /// while let Some(step) = run.next().await {
    ///     match step? {
    ///         Step::Event(event) => print!("{}", event.text().unwrap_or_default()),
    ///         Step::ToolStarted { call } => eprintln!("{} ...", call.name),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(&self, conversation: impl Into<Conversation>, tools: &ToolSet) -> AgentRun {
        let mut conversation = conversation.into();
        conversation.offer(tools.tools());
        AgentRun {
            messages: self.clone(),
            conversation,
            tools: tools.clone(),
            max_turns: MaxTurns::default(),
            turn: 0,
            state: State::Ready,
            steps: VecDeque::new(),
            last: None,
        }
    }
}

impl AgentRun {
    /// Sets how many answers the run may ask for.
    pub fn max_turns(mut self, max_turns: MaxTurns) -> Self {
        self.max_turns = max_turns;
        self
    }

    /// The answer that is being received, so far.
    #[must_use]
    pub fn transcript(&self) -> Option<&Transcript> {
        match &self.state {
            State::Streaming(stream) => Some(stream.transcript()),
            _ => None,
        }
    }

    /// The last complete answer.
    #[must_use]
    pub fn last_message(&self) -> Option<&Arc<Message>> {
        self.last.as_ref()
    }

    /// The conversation so far.
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The conversation, to go on with.
    #[must_use]
    pub fn into_conversation(self) -> Conversation {
        self.conversation
    }

    /// Runs to the end: the last answer, and why it was the last.
    ///
    /// # Errors
    /// Whatever keeps an answer from being complete; the same again where the run has failed before.
    pub async fn finish(&mut self) -> Result<(Arc<Message>, RunEnd), Error> {
        while let Some(step) = self.next().await {
            step?;
        }
        match (&self.state, &self.last) {
            (State::Done(Ok(end)), Some(message)) => Ok((Arc::clone(message), *end)),
            (State::Done(Err(error)), _) => Err(error.clone()),
            _ => {
                unreachable!("a run whose steps are at their end is done, and well done only after an answer")
            }
        }
    }

    fn send(&mut self) {
        self.turn += 1;
        self.steps.push_back(Step::TurnStarted { turn: self.turn });
        let stream = self.messages.stream(self.conversation.request()).following_inputs();
        self.state = State::Streaming(Box::new(stream));
    }

    fn take_in(&mut self, message: Message) {
        let next = self.conversation.append(&message);
        let message = Arc::new(message);
        self.last = Some(Arc::clone(&message));
        self.steps.push_back(Step::TurnFinished { turn: self.turn, message });
        let end = match next {
            Next::RunTools | Next::Resume if self.turn >= self.max_turns.0.get() => RunEnd::OutOfTurns,
            Next::RunTools | Next::Resume => {
                self.state = State::Ready;
                return;
            }
            Next::Answered => RunEnd::Answered,
            Next::Cut => RunEnd::Cut,
            Next::Refused => RunEnd::Refused,
        };
        self.steps.push_back(Step::Finished(end));
        self.state = State::Done(Ok(end));
    }

    /// Starts the calls that wait for a result; false where there are none.
    fn start_tools(&mut self) -> bool {
        let waiting: Vec<Arc<ToolUse>> = self.conversation.waiting().cloned().map(Arc::new).collect();
        let running = FuturesUnordered::new();
        for call in &waiting {
            let started = match call.input.json() {
                Some(input) => self.tools.start(&call.name, input),
                None => Err(ToolOutput::error(Block::invalid_json(call))),
            };
            match started {
                Ok(work) => {
                    tracing::debug!(tool = call.name, call = call.id, "tool started");
                    self.steps.push_back(Step::ToolStarted { call: Arc::clone(call) });
                    let (call, since) = (Arc::clone(call), Instant::now());
                    let work: BoxFuture<'static, Finished> =
                        Box::pin(
                            async move { Finished { output: work.await, call, elapsed: since.elapsed() } },
                        );
                    running.push(work);
                }
                Err(output) => {
                    self.finish_tool(Finished { call: Arc::clone(call), output, elapsed: Duration::ZERO });
                }
            }
        }
        self.state = State::Running(running);
        !waiting.is_empty()
    }

    fn finish_tool(&mut self, finished: Finished) {
        let Finished { call, output, elapsed } = finished;
        tracing::debug!(
            tool = call.name,
            call = call.id,
            is_error = output.is_error,
            ?elapsed,
            "tool finished"
        );
        if output.is_error {
            self.conversation.answer_error(&call.id, output.content.clone());
        } else {
            self.conversation.answer(&call.id, output.content.clone());
        }
        self.steps.push_back(Step::ToolFinished { call, output, elapsed });
    }
}

impl Stream for AgentRun {
    type Item = Result<Step, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(step) = this.steps.pop_front() {
                return Poll::Ready(Some(Ok(step)));
            }
            match &mut this.state {
                State::Ready => {
                    if !this.start_tools() {
                        this.send();
                    }
                }
                State::Running(running) => match ready!(running.poll_next_unpin(cx)) {
                    Some(finished) => this.finish_tool(finished),
                    None => this.send(),
                },
                State::Streaming(stream) => match ready!(stream.poll_next_unpin(cx)) {
                    Some(Ok(event)) => return Poll::Ready(Some(Ok(Step::Event(event)))),
                    Some(Err(error)) => {
                        this.state = State::Done(Err(error.clone()));
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        let message = stream.transcript().message();
                        this.take_in(message);
                    }
                },
                State::Done(_) => return Poll::Ready(None),
            }
        }
    }
}

impl Default for MaxTurns {
    fn default() -> Self {
        Self(NonZeroU32::new(50).expect("50 is not zero"))
    }
}

impl fmt::Debug for AgentRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRun")
            .field("turn", &self.turn)
            .field("tools", &self.tools)
            .finish_non_exhaustive()
    }
}
