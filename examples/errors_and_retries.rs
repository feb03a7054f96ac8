//! Tells errors apart: what was retried, what cannot help, and what to do.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::request::models;
use perennial::{ErrorKind, MessageRequest, RequestOptions, RetryPolicy, StreamEvent};

mod support;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let quick = RetryPolicy { first_delay: Duration::from_millis(50), ..RetryPolicy::default() };
    // The simulator misbehaves as this header says. The real service does not know it.
    let table = [
        ("status=529,times=2", "Count to 10."),
        ("status=429,retry-after=0.05,times=1", "Count to 11."),
        ("status=400", "Count to 12."),
        ("error=overloaded_error@event=6", "Count to 13."),
    ];
    for (fault, question) in table {
        println!("{fault}");
        let options = RequestOptions::new().retries(quick).header("perennial-sim", fault);
        let request = MessageRequest::new(models::CLAUDE_HAIKU_5_5, 256).user(question);
        let mut stream = service.client.messages().with(&options).stream(request);
        while let Some(event) = stream.next().await {
            match event {
                // Retries happen before the first content only, so that nothing is ever shown twice.
                Ok(StreamEvent::Retrying(retrying)) => println!("  again, since {}", retrying.cause),
                Ok(StreamEvent::MessageFinished(end)) => println!("  {end} at attempt {}", stream.attempts()),
                Ok(_) => {}
                Err(error) => {
                    println!("  {error}");
                    match error.kind() {
                        ErrorKind::Status if !error.is_retryable() => println!("  -> mend the request"),
                        _ if error.is_retryable() => {
                            println!("  -> later, perhaps; `{}` had come", so_far(&error));
                        }
                        kind => println!("  -> {kind:?}"),
                    }
                }
            }
        }
    }
    Ok(())
}

/// What had come when the error did: it is never lost.
fn so_far(error: &perennial::Error) -> String {
    error.partial().map(perennial::Transcript::text).unwrap_or_default()
}
