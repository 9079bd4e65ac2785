//! Writing the log back into the database, on a thread of its own: with a million users that takes longer than any login
//! should wait for the writer.

use super::Error;
use super::connection::{self, ConnectionPurpose};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What takes no longer may be done while logins wait.
const SHORT: Duration = Duration::from_millis(5);

/// Rounds in which the thread tries to catch up with the writer.
const ROUNDS: usize = 8;

/// The thread's handle. Dropped, it lets the thread finish.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    caught_up: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(file: &Path) -> Result<Self, Error> {
        let conn = connection::open(file, ConnectionPurpose::Settle)?;
        let (wake, woken) = sync_channel(1);
        let caught_up = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&caught_up);
        let thread = std::thread::Builder::new()
            .name("mfa checkpoint".into())
            .spawn(move || run_checkpoints(&conn, &woken, &tell))
            .map_err(|e| {
                Error::Other(format!("a thread cannot be started: {e}: raise the limit of threads"))
            })?;
        Ok(Self { wake: Some(wake), caught_up, thread: Some(thread) })
    }

    /// Has the log written back, in a while. Asking again before it is done does no harm.
    pub(super) fn request_checkpoint(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }

    /// Whether the log was written back but for what came in the last moment; said once.
    pub(super) fn has_caught_up(&self) -> bool {
        self.caught_up.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run_checkpoints(conn: &Connection, woken: &Receiver<()>, caught_up: &AtomicBool) {
    while let Ok(()) = woken.recv() {
        for _ in 0..ROUNDS {
            let since = Instant::now();
            checkpoint_once(conn);
            if since.elapsed() < SHORT {
                break;
            }
        }
        caught_up.store(true, Ordering::Release);
    }
}

/// One round: never waits and never blocks writers. What it leaves, the next round does.
pub(super) fn checkpoint_once(conn: &Connection) {
    let _ = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
}
