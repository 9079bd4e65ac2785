//! What a login does with the database: [`find_account`] reads, [`commit_attempt`] decides inside the transaction that the writer opened.
//! Few statements, all prepared once: this is the path whose speed counts.

use super::challenges;
use super::error::{StoreFault, from_text};
use super::failures::{
    FirstOfTwoCodes, clear_failures, client_budget, find_failure, find_strikes, insert_audit_row,
    stored_time, write_failure,
};
use super::keyring::Keyring;
use super::pending_passcodes::{self, PendingRow};
use super::remembered_logins;
use super::row::{self, PASSWORD, locked_until, to_millis, token_columns};
use super::row_limits;
use super::seal::{self, SealedPlace};
use crate::config::FailureLimits;
use crate::engine::port::{Account, AttemptCommit, AttemptFinding, AuditRecord, SecondCode, SpendPasscode};
use crate::engine::{
    AttemptSource, FailureBudget, FailureCounts, Gate, PasscodeTag, PasswordProof, ProofClass, Reason,
    RefusalReason, Strikes,
};
use crate::types::{Timestamp, TokenId, UserId, UserName};
use rusqlite::{Connection, OptionalExtension};

const FIND: &str = concat!(
    "SELECT user.id, mail, user.enrolled, ",
    token_columns!(),
    " FROM user LEFT JOIN token ON token.user = user.id WHERE user.name = ?1 ORDER BY token.id"
);

/// The user with this name and all their tokens: one statement, so one state of the database.
pub(super) fn find_account(
    conn: &Connection,
    keys: &Keyring,
    name: &UserName,
) -> Result<Option<Account>, StoreFault> {
    let mut statement = conn.prepare_cached(FIND)?;
    let mut rows = statement.query([name.as_str()])?;
    let mut known: Option<Account> = None;
    while let Some(row) = rows.next()? {
        let known = match &mut known {
            Some(known) => known,
            none => none.insert(Account {
                id: UserId(row.get(0)?),
                tokens: Vec::new(),
                mail: row.get(1)?,
                had_token: row.get::<_, i64>(2)? != 0,
            }),
        };
        if row.get_ref(3)? != rusqlite::types::ValueRef::Null {
            known.tokens.push(challenges::with_codes(conn, row::token(row, 3, name.as_str(), keys)?)?);
        }
    }
    Ok(known)
}

/// The user's password hash, if there is one.
pub(super) fn find_password_hash(
    conn: &Connection,
    keys: &Keyring,
    name: &UserName,
) -> Result<Option<String>, StoreFault> {
    let mut statement = conn.prepare_cached("SELECT id, password FROM user WHERE name = ?1")?;
    let found = statement.query_row([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((row, Some(sealed))) = found else { return Ok(None) };
    let sealed: Vec<u8> = sealed;
    let hash = seal::open(keys, SealedPlace { column: PASSWORD, row, user: name.as_str() }, &sealed)?;
    let hash = String::from_utf8(hash.expose().to_vec());
    hash.map(Some).map_err(|_| StoreFault::Row(format!("{PASSWORD} of row {row} is no text")))
}

/// Decides an attempt and records it, inside the transaction of the caller.
pub(super) fn commit_attempt(conn: &Connection, settlement: &AttemptCommit) -> Result<Reason, StoreFault> {
    let reason = decide_attempt(conn, settlement)?;
    if let (Some(memory), Reason::Right | Reason::Resynchronised | Reason::Approved) =
        (&settlement.remember, reason)
    {
        remembered_logins::insert_remembered_login(conn, &settlement.record.user, memory)?;
    }
    if let Some((token, code)) = settlement.spends {
        spend_passcode(conn, settlement.user, token, code, None)?;
    }
    let next = settlement.next.as_ref().filter(|_| reason.asks_again());
    let verdict = match next.is_some() || reason == Reason::ChallengeRepeated {
        true => reason.verdict_with_challenge(),
        false => reason.verdict_without_challenge(),
    };
    insert_audit_row(conn, &settlement.record, reason, verdict, settlement.password_proof().class())?;
    if let Some(next) = next {
        challenges::insert_challenge(conn, &settlement.record, next)?;
    }
    Ok(reason)
}

fn decide_attempt(conn: &Connection, settlement: &AttemptCommit) -> Result<Reason, StoreFault> {
    let AttemptCommit { user, password_status, limits, finding, record, .. } = settlement;
    match finding {
        AttemptFinding::Approved
        | AttemptFinding::Bypassed
        | AttemptFinding::BypassedByProvider
        | AttemptFinding::Remembered
        | AttemptFinding::RememberedOnce { .. }
        | AttemptFinding::Unenrolled { .. }
            if password_status.is_pending() =>
        {
            return Err(from_text(
                "a login was to be let in before its password was checked: report this bug",
            ));
        }
        AttemptFinding::Exempt if is_gone(conn, &record.user)? => return Ok(Reason::Locked),
        AttemptFinding::Exempt => return Ok(Reason::Exempt),
        // Nothing is asked of who is locked.
        AttemptFinding::Refused(
            RefusalReason::Challenged | RefusalReason::ChallengeRepeated | RefusalReason::MustEnroll,
        ) => {}
        AttemptFinding::Refused(reason) => return Ok((*reason).into()),
        AttemptFinding::Asked => return Ok(Reason::Challenged),
        AttemptFinding::Fraud => return lock_for_fraud(conn, limits, record),
        _ => {}
    }
    let standing = settlement.password_proof();
    let source = row_limits::source_key(&record.source, standing.class());
    let row = find_failure(conn, &record.user, &source)?;
    // An unknown user is looked up under an id that does not exist, so that both cost the same.
    let id = user.unwrap_or(UserId(-1));
    let found = find_strikes(conn, id)?;
    let strikes = found.unwrap_or_default();
    let client = match standing {
        PasswordProof::Unproven | PasswordProof::Pending => client_budget(conn, &record.source.client)?,
        PasswordProof::Proven | PasswordProof::Answering => FailureBudget::default(),
    };
    let before = FailureCounts { source: row.unwrap_or_default().guesses, user: strikes, client };
    match limits.gate_at(&before, standing, record.at) {
        Gate::Locked => return Ok(Reason::Locked),
        // A push approval cannot be guessed: guesses from the same place do not count against it.
        _ if matches!(finding, AttemptFinding::Approved) => {
            clear_failures(conn, id, strikes, record)?;
            return Ok(Reason::Approved);
        }
        // Nor is a datagram that was accepted before a guess.
        Gate::Slowed if !matches!(finding, AttemptFinding::Repeated { .. }) => return Ok(Reason::Slowed),
        Gate::Slowed | Gate::Open => {}
    }
    match finding {
        AttemptFinding::Bypassed => return Ok(Reason::Bypassed),
        AttemptFinding::BypassedByProvider => return Ok(Reason::BypassedByProvider),
        AttemptFinding::Remembered => return Ok(Reason::Remembered),
        AttemptFinding::RememberedOnce { place, mark } => {
            return remembered_logins::recall_once(conn, &record.user, place, mark, record.at);
        }
        AttemptFinding::Unenrolled { logins } => {
            return remembered_logins::let_in(conn, &record.user, *logins);
        }
        AttemptFinding::Invited => {
            return remembered_logins::count_enrolment_link(conn, &record.user, record.at);
        }
        _ => {}
    }
    let mut held = None;
    let (reason, tag, drifted) = match finding {
        AttemptFinding::Refused(reason) => return Ok((*reason).into()),
        AttemptFinding::Spent if found.is_some() => return Ok(Reason::SpentCode),
        // The user was deleted in the meantime.
        AttemptFinding::Exempt | AttemptFinding::Spent => return Ok(Reason::UnknownUser),
        // They have been answered above.
        AttemptFinding::Approved
        | AttemptFinding::Bypassed
        | AttemptFinding::BypassedByProvider
        | AttemptFinding::Fraud
        | AttemptFinding::Asked
        | AttemptFinding::Remembered
        | AttemptFinding::RememberedOnce { .. }
        | AttemptFinding::Unenrolled { .. }
        | AttemptFinding::Invited => return Ok(Reason::Unavailable),
        AttemptFinding::Repeated { token, since, remembered, tag } => {
            let is_forgotten = match remembered {
                Some((place, mark)) => !remembered_logins::is_kept(conn, &record.user, place, mark)?,
                None => false,
            };
            let reason = check_repeated(conn, *user, found, *token, *since)?;
            if is_forgotten && reason == Reason::Repeated {
                return Ok(Reason::SpentCode);
            }
            if reason != Reason::Repeated || !password_status.is_pending() {
                return Ok(reason);
            }
            let (Some(pending), Some(token)) = (settlement.pending, *token) else {
                return Err(from_text(
                    "a login was to be let in before its password was checked: report this bug",
                ));
            };
            held = Some(PendingRow {
                id: pending,
                user: id,
                token,
                locked_until: Timestamp::default(),
                accepts: reason,
            });
            (Reason::PasswordPending, tag, None)
        }
        AttemptFinding::WrongAtProvider { tag } => (Reason::WrongCode, tag, None),
        AttemptFinding::Right { tag, .. }
        | AttemptFinding::Wrong { tag, .. }
        | AttemptFinding::NotEnrolled { tag }
            if found.is_none() =>
        {
            (Reason::UnknownUser, tag, None)
        }
        AttemptFinding::WrongPassword { tag, reason } => ((*reason).into(), tag, None),
        AttemptFinding::Unknown { tag } => (Reason::UnknownUser, tag, None),
        AttemptFinding::NotEnrolled { tag } => (Reason::NotEnrolled, tag, None),
        AttemptFinding::Wrong { tag, drifted } => (Reason::WrongCode, tag, *drifted),
        AttemptFinding::Right { token, spend, tag } => {
            let accepts = match spend {
                SpendPasscode::Step { resynchronised: true, .. } => Reason::Resynchronised,
                _ => Reason::Right,
            };
            let first = row.and_then(|row| row.first);
            let is_first = is_first_of_two(conn, settlement, (*token, *spend), &before, first)?;
            let lets_in = !is_first && !password_status.is_pending();
            match self::spend_passcode(conn, Some(id), *token, *spend, lets_in.then_some(record.at))? {
                SpendResult::Done if is_first => {
                    await_second(conn, record, &source, *token)?;
                    return Ok(Reason::AnotherCode);
                }
                SpendResult::Done if password_status.is_pending() => {
                    let Some(pending) = settlement.pending else {
                        return Err(from_text(
                            "this login could not be confirmed later: there is no randomness",
                        ));
                    };
                    let locked_until = Timestamp::default();
                    held = Some(PendingRow { id: pending, user: id, token: *token, locked_until, accepts });
                    (Reason::PasswordPending, tag, None)
                }
                SpendResult::Done => {
                    clear_failures(conn, id, strikes, record)?;
                    return Ok(accepts);
                }
                SpendResult::Before => return Ok(Reason::SpentCode),
                // The token was disabled or deleted after it was read.
                SpendResult::NoToken => (Reason::NotEnrolled, tag, None),
            }
        }
    };
    if let AttemptFinding::Wrong { .. } = finding {
        let worn = challenges::WornCodes {
            conversation: settlement.conversation,
            source: row_limits::source_key(&record.source, ProofClass::Unproven),
            is_proven: standing.is_proven(),
        };
        challenges::count_wrong_code(conn, id, &worn)?;
    }
    let counted_as = if held.is_some() { PasswordProof::Pending } else { standing };
    let after = limits.after_failure(&before, *tag, counted_as, record.at);
    if after != before {
        write_failure(conn, id, record, &source, (standing, &after))?;
    }
    let is_locked_now = found.is_some() && after.user.locked_until != before.user.locked_until;
    if is_locked_now {
        remembered_logins::forget_remembered_logins(conn, &record.user)?;
    }
    if let Some(held) = held {
        let locked_until = if is_locked_now { after.user.locked_until } else { held.locked_until };
        pending_passcodes::insert_pending(conn, record, &PendingRow { locked_until, ..held })?;
        return Ok(reason);
    }
    if after == before {
        return Ok(reason);
    }
    if let Some((token, step)) = drifted {
        conn.prepare_cached("UPDATE token SET resync_step = ?3, resync_at = ?4 WHERE id = ?1 AND user = ?2")?
            .execute((token.0, id.0, step, to_millis(record.at)))?;
    }
    Ok(if is_locked_now { Reason::LockedNow } else { reason })
}

/// Whether a right code is not enough yet, since a second one has to follow from the same place: without a proven password, where
/// more is guessed than is ordinary. Recovery codes are too long to be guessed; a code that was sent counts where it was asked for,
/// and not at all from elsewhere.
fn is_first_of_two(
    conn: &Connection,
    settlement: &AttemptCommit,
    (token, spend): (TokenId, SpendPasscode),
    before: &FailureCounts,
    first: Option<FirstOfTwoCodes>,
) -> Result<bool, StoreFault> {
    let AttemptCommit { record, limits, .. } = settlement;
    let is_needed = match settlement.second_code {
        SecondCode::Needed => true,
        SecondCode::NotNeeded => false,
        SecondCode::ByBudget => {
            settlement.password_proof() == PasswordProof::Unproven && limits.is_over_budget(before, record.at)
        }
    };
    if !is_needed {
        return Ok(false);
    }
    match spend {
        SpendPasscode::Code { .. } => Ok(false),
        SpendPasscode::Sent { .. } if settlement.conversation.is_some() => Ok(false),
        SpendPasscode::Sent { code } => Ok(!challenges::was_asked_for(
            conn,
            code,
            &row_limits::source_key(&record.source, ProofClass::Unproven),
        )?),
        SpendPasscode::Step { .. } => {
            let follows = |first: FirstOfTwoCodes| {
                first.token == token && FailureLimits::awaits_second_code(first.at, record.at)
            };
            Ok(!first.is_some_and(follows))
        }
    }
}

/// A right code came that is not enough: the next one from the same place will be.
fn await_second(
    conn: &Connection,
    record: &AuditRecord,
    source: &str,
    token: TokenId,
) -> Result<(), StoreFault> {
    conn.prepare_cached(
        "INSERT INTO failure (user, source, count, last, tag, first_token, first_at) VALUES (?1, ?2, 0, ?3, ?4, ?5, ?3)
         ON CONFLICT DO UPDATE SET first_token = ?5, first_at = ?3",
    )?
    .execute((&record.user, source, to_millis(record.at), PasscodeTag::default().0, token.0))?;
    Ok(())
}

/// Whether the accept of a datagram still holds when it comes again.
fn check_repeated(
    conn: &Connection,
    user: Option<UserId>,
    found: Option<Strikes>,
    token: Option<TokenId>,
    since: Timestamp,
) -> Result<Reason, StoreFault> {
    if user.is_some() && found.is_none() {
        return Ok(Reason::UnknownUser);
    }
    if found.is_some_and(|strikes| strikes.locked_until > since) {
        return Ok(Reason::Locked);
    }
    let Some(token) = token else { return Ok(Reason::Repeated) };
    let is_there = conn
        .prepare_cached("SELECT 1 FROM token WHERE id = ?1 AND user = ?2 AND enabled <> 0")?
        .exists((token.0, user.unwrap_or(UserId(-1)).0))?;
    Ok(if is_there { Reason::Repeated } else { Reason::SpentCode })
}

/// Whether an attempt of this user from this source counts at this time.
pub(super) fn check_gate(
    conn: &Connection,
    name: &UserName,
    source: &AttemptSource,
    limits: &FailureLimits,
    standing: PasswordProof,
    now: Timestamp,
) -> Result<Gate, StoreFault> {
    let id = conn
        .prepare_cached("SELECT id FROM user WHERE name = ?1")?
        .query_row([name.as_str()], |row| row.get(0).map(UserId))
        .optional()?;
    let user = find_strikes(conn, id.unwrap_or(UserId(-1)))?.unwrap_or_default();
    let key = row_limits::source_key(source, standing.class());
    let source = find_failure(conn, name.as_str(), &key)?.unwrap_or_default().guesses;
    Ok(limits.gate_at(&FailureCounts { source, user, client: FailureBudget::default() }, standing, now))
}

/// Whether the user's directory no longer has them.
fn is_gone(conn: &Connection, name: &str) -> Result<bool, StoreFault> {
    Ok(conn.prepare_cached("SELECT 1 FROM user WHERE name = ?1 AND gone IS NOT NULL")?.exists([name])?)
}

/// Until when the user is locked.
pub(super) fn locked_until(conn: &Connection, name: &UserName) -> Result<Timestamp, StoreFault> {
    let until: Option<i64> = conn
        .prepare_cached(concat!("SELECT ", locked_until!(), " FROM user WHERE name = ?1"))?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    Ok(until.map(stored_time).unwrap_or_default())
}

/// Locks a user, who is added if only the provider knew the name: then with a second factor there, so not as one who never had any.
fn lock_for_fraud(
    conn: &Connection,
    limits: &FailureLimits,
    record: &AuditRecord,
) -> Result<Reason, StoreFault> {
    conn.prepare_cached(
        "INSERT INTO user (name, note, created, last, locked_until, enrolled)
         VALUES (?1, 'added when fraud was reported', ?2, ?2, ?3, 1)
         ON CONFLICT (name) DO UPDATE SET last = ?2, locked_until = max(locked_until, ?3)",
    )?
    .execute((&record.user, to_millis(record.at), to_millis(record.at.plus(limits.lock_time))))?;
    remembered_logins::forget_remembered_logins(conn, &record.user)?;
    Ok(Reason::Fraud)
}

/// What came of spending a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpendResult {
    /// The passcode is spent.
    Done,
    /// It was spent before.
    Before,
    /// There is no such token that is enabled.
    NoToken,
}

/// Spends a passcode if it is still unspent: one conditional write. Without `user` the token may belong to any user;
/// with `used` the time of the accept is recorded with the token.
pub(super) fn spend_passcode(
    conn: &Connection,
    user: Option<UserId>,
    token: TokenId,
    spend: SpendPasscode,
    used: Option<Timestamp>,
) -> Result<SpendResult, StoreFault> {
    let (id, user, used) = (token.0, user.map(|u| u.0), used.map(to_millis));
    let changed = match spend {
        SpendPasscode::Step { step, drift, .. } => {
            let next = step.checked_add(1).ok_or_else(|| from_text("a time step is out of range"))?;
            conn.prepare_cached(
                "UPDATE token SET next = ?3, drift = ?4, resync_step = NULL, resync_at = NULL, used = ifnull(?5, used)
                 WHERE id = ?1 AND user = ifnull(?2, user) AND enabled <> 0 AND factor <> 'recovery' AND next < ?3",
            )?
            .execute((id, user, next, drift, used))?
        }
        SpendPasscode::Code { index } => {
            let bit = 1i64.checked_shl(index).filter(|bit| *bit > 0);
            let bit = bit.ok_or_else(|| from_text("a recovery code's number is out of range"))?;
            conn.prepare_cached(
                "UPDATE token SET next = next | ?3, used = ifnull(?4, used)
                 WHERE id = ?1 AND user = ifnull(?2, user) AND enabled <> 0 AND factor = 'recovery' AND next & ?3 = 0",
            )?
            .execute((id, user, bit, used))?
        }
        SpendPasscode::Sent { code } => challenges::use_code(conn, id, user, code, used)?,
    };
    if changed == 1 {
        return Ok(SpendResult::Done);
    }
    let there = conn
        .prepare_cached("SELECT 1 FROM token WHERE id = ?1 AND user = ifnull(?2, user) AND enabled <> 0")?
        .exists((id, user))?;
    Ok(if there { SpendResult::Before } else { SpendResult::NoToken })
}
