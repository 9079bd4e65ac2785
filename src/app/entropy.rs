//! Randomness for the engine, which has no generator of its own.

use crate::engine::AttemptEntropy;

/// Draws the randomness of one attempt from the operating system. `None` if the system provides none: the attempt then gets no
/// challenge.
pub fn draw_entropy() -> Option<AttemptEntropy> {
    let mut octets = [0; 40];
    getrandom::fill(&mut octets).ok()?;
    let (state, rest) = octets.split_first_chunk()?;
    let (conversation, code) = rest.split_first_chunk()?;
    Some(AttemptEntropy { state: *state, conversation: *conversation, code: *code.first_chunk()? })
}
