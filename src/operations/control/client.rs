//! The client's side: the `mfa` command.

use super::protocol::{AnswerLine, ControlRequest, InstanceOverview, LONGEST_LINE};
use super::socket::ControlSocket;
use super::system::connect;
use crate::waiting::WaitStatus;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// How long a server may take for each line.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time limit for the whole answer; a server of this version ends before.
const LONGEST_STATUS: Duration = Duration::from_secs(40);
/// The same for a drain, in addition to its waiting time.
const LONGEST_DRAIN: Duration = Duration::from_secs(60);
/// Maximum size of an answer, in octets; no server holds that many waits.
const MOST: u64 = 64 * 1024 * 1024;

/// The status of an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceReport {
    /// Without the waits.
    pub overview: InstanceOverview,
    /// Logins that wait, in no order.
    pub waits: Vec<WaitStatus>,
}

/// The result of a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// How many there were.
    pub waiting: usize,
    /// How many of them the server has no answer to yet.
    pub left: usize,
}

/// Why an instance has not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Its process has ended.
    #[error("the server has ended")]
    Gone,
    /// Any other failure to answer.
    #[error("{0}")]
    Silent(String),
}

/// Queries the status of an instance.
///
/// # Errors
///
/// [`ControlError`]
pub fn request_status(socket: &ControlSocket) -> Result<InstanceReport, ControlError> {
    let (mut overview, mut waits) = (None, Vec::new());
    exchange(socket, ControlRequest::Status, LONGEST_STATUS, &mut |line| match line {
        AnswerLine::Overview(told) => overview = Some(*told),
        AnswerLine::Wait(wait) => waits.push(wait),
        _ => {}
    })?;
    let overview = overview.ok_or_else(|| no_answer(socket, "it said nothing of itself"))?;
    Ok(InstanceReport { overview, waits })
}

/// Drains an instance: no more logins wait, and all that do are answered, after `wait` at most. `left` is called with the number of
/// remaining logins.
///
/// # Errors
///
/// [`ControlError`]
pub fn request_drain(
    socket: &ControlSocket,
    wait: Duration,
    left: &mut dyn FnMut(usize),
) -> Result<DrainReport, ControlError> {
    let mut drained: Option<DrainReport> = None;
    exchange(
        socket,
        ControlRequest::Drain { wait: wait.as_secs() },
        wait.saturating_add(LONGEST_DRAIN),
        &mut |line| {
            if let AnswerLine::Left(count) = line {
                left(count);
                let waiting = drained.map_or(count, |before| before.waiting.max(count));
                drained = Some(DrainReport { waiting, left: count });
            }
        },
    )?;
    drained.ok_or_else(|| no_answer(socket, "it did not say how many wait"))
}

fn exchange(
    socket: &ControlSocket,
    request: ControlRequest,
    longest: Duration,
    each: &mut dyn FnMut(AnswerLine),
) -> Result<(), ControlError> {
    let told = |why: io::Error| no_answer(socket, &why);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(told)?;
    let endless = || no_answer(socket, "its answer has no end");
    let talk = async {
        let late = |_| no_answer(socket, format_args!("no answer within {} s", PATIENCE.as_secs()));
        let stream = timeout(PATIENCE, connect(&socket.path)).await.map_err(late)?;
        let stream = stream.map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => ControlError::Gone,
            io::ErrorKind::ConnectionRefused => {
                socket.remove();
                ControlError::Gone
            }
            io::ErrorKind::PermissionDenied => no_answer(socket, "only root and the server's user may ask"),
            _ => told(why),
        })?;
        let (reader, mut writer) = tokio::io::split(stream);
        let mut asked = serde_json::to_vec(&request).map_err(|why| no_answer(socket, &why))?;
        asked.push(b'\n');
        timeout(PATIENCE, writer.write_all(&asked)).await.map_err(late)?.map_err(told)?;
        let mut reader = BufReader::new(reader);
        let (mut line, mut left) = (Vec::new(), MOST);
        loop {
            line.clear();
            let mut bounded = (&mut reader).take(LONGEST_LINE);
            timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await.map_err(late)?.map_err(told)?;
            if line.is_empty() {
                return Err(no_answer(socket, "it ended in the middle of its answer"));
            }
            let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
            left = left.checked_sub(length).ok_or_else(endless)?;
            match serde_json::from_slice(&line) {
                Ok(AnswerLine::End) => return Ok(()),
                Ok(AnswerLine::Error(why)) => return Err(no_answer(socket, &why)),
                Ok(line) => each(line),
                Err(_) => {
                    return Err(no_answer(socket, "its answer is not that of this version of the module"));
                }
            }
        }
    };
    runtime.block_on(async { timeout(longest, talk).await.unwrap_or_else(|_| Err(endless())) })
}

fn no_answer(socket: &ControlSocket, why: impl std::fmt::Display) -> ControlError {
    ControlError::Silent(format!("process {}, {}: {why}", socket.process, socket.path.display()))
}
