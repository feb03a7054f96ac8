//! The answer, event by event: usual events, and deltas whose text is the time at which they were written.

pub const FIRST: [&str; 2] = [
    concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_bench","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
        "\n\n"
    ),
    concat!(
        "event: content_block_start\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\n"
    ),
];
pub const LAST: [&str; 3] = [
    concat!("event: content_block_stop\n", r#"data: {"type":"content_block_stop","index":0}"#, "\n\n"),
    concat!(
        "event: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10,"output_tokens":100}}"#,
        "\n\n"
    ),
    concat!("event: message_stop\n", r#"data: {"type":"message_stop"}"#, "\n\n"),
];
const DELTA_HEAD: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#
);
const DELTA_TAIL: &str = "\"}}\n\n";
/// Of a stamp: enough for three centuries of nanoseconds, always all of them, so that every delta is of one length.
const DIGITS: usize = 19;
pub const DELTA_BYTES: usize = DELTA_HEAD.len() + DIGITS + DELTA_TAIL.len();

/// How many events an answer has.
pub fn events(deltas: u64) -> u64 {
    FIRST.len() as u64 + deltas + LAST.len() as u64
}

/// A delta that says this time.
pub fn push_delta(stamp: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(DELTA_HEAD.as_bytes());
    let mut digits = [b'0'; DIGITS];
    let mut left = stamp;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    into.extend_from_slice(&digits);
    into.extend_from_slice(DELTA_TAIL.as_bytes());
}

/// What an event is that stands where it should, with every byte as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Delta { stamp: u64 },
    Other,
}

/// Event `number` of an answer with so many deltas, if that is what these bytes are.
pub fn check(number: u64, deltas: u64, event: &[u8]) -> Option<Part> {
    let first = FIRST.len() as u64;
    let fixed = if number < first {
        FIRST[number as usize]
    } else if number < first + deltas {
        let digits = event.strip_prefix(DELTA_HEAD.as_bytes())?.strip_suffix(DELTA_TAIL.as_bytes())?;
        if digits.len() != DIGITS {
            return None;
        }
        let stamp = digits.iter().try_fold(0, |sum: u64, &digit| {
            digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
        })?;
        return Some(Part::Delta { stamp });
    } else {
        LAST.get((number - first - deltas) as usize)?
    };
    (event == fixed.as_bytes()).then_some(Part::Other)
}
