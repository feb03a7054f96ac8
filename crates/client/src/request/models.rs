//! Ids of models known when this version was made. Any other string does as well: the service decides.
#![allow(missing_docs, reason = "the names say all there is to say")]

pub const CLAUDE_FABLE_5_2: &str = "claude-fable-5-2";
pub const CLAUDE_MYTHOS_5_2: &str = "claude-mythos-5-2";
pub const CLAUDE_OPUS_5_5: &str = "claude-opus-5-5";
pub const CLAUDE_SONNET_5_5: &str = "claude-sonnet-5-5";
pub const CLAUDE_HAIKU_5_5: &str = "claude-haiku-5-5";
pub const CLAUDE_FABLE_5_1: &str = "claude-fable-5-1";
pub const CLAUDE_MYTHOS_5_1: &str = "claude-mythos-5-1";
pub const CLAUDE_FABLE_5: &str = "claude-fable-5";
pub const CLAUDE_MYTHOS_5: &str = "claude-mythos-5";
pub const CLAUDE_OPUS_5: &str = "claude-opus-5";
pub const CLAUDE_SONNET_5: &str = "claude-sonnet-5";
pub const CLAUDE_OPUS_4_8: &str = "claude-opus-4-8";
pub const CLAUDE_OPUS_4_7: &str = "claude-opus-4-7";
pub const CLAUDE_OPUS_4_6: &str = "claude-opus-4-6";
pub const CLAUDE_SONNET_4_6: &str = "claude-sonnet-4-6";
pub const CLAUDE_OPUS_4_5: &str = "claude-opus-4-5";
pub const CLAUDE_SONNET_4_5: &str = "claude-sonnet-4-5";
pub const CLAUDE_HAIKU_4_5: &str = "claude-haiku-4-5";
