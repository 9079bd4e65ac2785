//! `mfa recovery`: a list of codes, each for one use, for a user whose token is lost.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error};
use super::input;
use crate::factor::recovery;
use crate::store::{Administration, NewToken};
use crate::types::Factor;
use serde_json::json;

#[derive(clap::Args)]
pub(super) struct RecoveryArguments {
    /// The user's name
    user: String,
    /// Number of codes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=63))]
    count: u8,
}

pub(super) fn run(context: &CommandContext, arguments: &RecoveryArguments) -> Result<CommandAnswer, Error> {
    let user = context.name(&arguments.user)?;
    let older: Vec<_> =
        context.store.tokens(&user)?.into_iter().filter(|token| token.factor == Factor::Recovery).collect();
    let mut failed = None;
    let mut random = |octets: &mut [u8]| failed = input::random(octets).err().or(failed.take());
    let (key, codes, hashes) = recovery::generate_codes(&mut random, usize::from(arguments.count));
    if let Some(error) = failed {
        return Err(error);
    }
    let new = NewToken {
        factor: Factor::Recovery,
        serial: None,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: key,
        pin: None,
        next: 0,
        codes: hashes,
    };
    let token = context.store.add_token(&user, new, context.now)?;
    // The new ones first: a failure in between leaves the user with too many codes rather than with none.
    for token in &older {
        context.store.delete_token(&user, &token.serial)?;
    }
    let replaced = if older.is_empty() { "" } else { "; older ones no longer work" };
    let text = format!(
        "recovery codes of user \"{user}\", each for one use, shown only now{replaced}:\n\n{}",
        codes.join("\n")
    );
    context.out.say(&json!({ "user": user, "serial": token.serial, "codes": codes }), text)
}
