//! The one thread that settles logins. It takes whatever has queued up while the disk was busy and writes it in one
//! transaction with one sync (group commit), so that the disk's sync time is shared by all who wait.

use super::Error;
use super::checkpoint::Checkpointer;
use super::connection::{self, ConnectionPurpose};
use super::error::{StoreFault, from_text};
use super::file_identity;
use super::maintenance::Maintenance;
use crate::engine::port::Unavailable;
use crate::types::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// At most so many share a transaction.
const TOGETHER: usize = 256;

/// At most so many wait; more than any server has threads.
const QUEUE: usize = 4096;

/// How long the end waits for the disk.
const END: Duration = Duration::from_secs(2);

/// An operation on the writer's connection, and who waits for it. A queued operation is done even if its caller has
/// stopped waiting.
trait WriteOperation: Send {
    /// Does it, inside a transaction that may still fail; then it is done again.
    fn run_in_transaction(&mut self, conn: &Connection) -> Result<(), StoreFault>;
    /// Tells what it came to.
    fn report(self: Box<Self>, committed: Result<(), Unavailable>);
    /// When it was asked for, if that is known.
    fn queued_at(&self) -> Option<Timestamp>;
}

struct WriteJob<T, W> {
    at: Option<Timestamp>,
    work: W,
    done: Option<T>,
    answer: oneshot::Sender<Result<T, Unavailable>>,
}

impl<T: Send, W: Fn(&Connection) -> Result<T, StoreFault> + Send> WriteOperation for WriteJob<T, W> {
    fn run_in_transaction(&mut self, conn: &Connection) -> Result<(), StoreFault> {
        self.done = Some((self.work)(conn)?);
        Ok(())
    }

    fn report(self: Box<Self>, committed: Result<(), Unavailable>) {
        let Self { done, answer, .. } = *self;
        let done = committed.and_then(|()| done.ok_or_else(|| Unavailable("nothing was done".into())));
        let _ = answer.send(done);
    }

    fn queued_at(&self) -> Option<Timestamp> {
        self.at
    }
}

/// The thread's handle. Dropped, it lets the thread finish what is queued.
pub(super) struct WriterHandle {
    file: PathBuf,
    queue: Option<SyncSender<Box<dyn WriteOperation>>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterHandle {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(file: &Path, audit_keep: Duration, audit_refusals: u32) -> Result<Self, Error> {
        let conn = connection::open(file, ConnectionPurpose::Settle)?;
        let tender = Maintenance::new(audit_keep, audit_refusals, Checkpointer::start(file)?);
        let (queue, queued) = sync_channel(QUEUE);
        let desk = WriterThread {
            identity: file_identity::file_identity(file),
            file: file.to_owned(),
            conn,
            tender,
        };
        let thread = std::thread::Builder::new()
            .name("mfa writer".into())
            .spawn(move || desk.run_writer(&queued))
            .map_err(|e| {
                Error::Other(format!("the writer thread cannot be started: {e}: raise the limit of threads"))
            })?;
        Ok(Self { file: file.to_owned(), queue: Some(queue), thread: Some(thread) })
    }

    /// Queues what is to be done at this time; from here on it is done or fails on its own account. A store that has no room for
    /// more says so.
    pub(super) fn send<T: Send + 'static>(
        &self,
        at: Timestamp,
        work: impl Fn(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Unavailable>>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let Some(queue) = &self.queue else { return Err(Unavailable("the store is closed".into())) };
        let why = match queue.try_send(Box::new(WriteJob { at: Some(at), work, done: None, answer })) {
            Ok(()) => return Ok(answered),
            Err(TrySendError::Full(_)) => "too many logins wait for the disk: check its load",
            Err(TrySendError::Disconnected(_)) => "the writer has ended: restart the server",
        };
        let shown = self.file.display();
        Err(Unavailable(format!("{shown}: {why}")))
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        drop(self.queue.take());
        let Some(thread) = self.thread.take() else { return };
        let since = Instant::now();
        while !thread.is_finished() && since.elapsed() < END {
            std::thread::sleep(Duration::from_micros(500));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct WriterThread {
    file: PathBuf,
    identity: Option<(u64, u64)>,
    conn: Connection,
    tender: Maintenance,
}

impl WriterThread {
    fn run_writer(mut self, queued: &Receiver<Box<dyn WriteOperation>>) {
        let mut batch = Vec::with_capacity(TOGETHER);
        loop {
            match queued.recv_timeout(self.tender.time_until_idle()) {
                Ok(operation) => batch.push(operation),
                Err(RecvTimeoutError::Timeout) => self.tender.run_idle(&self.conn),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while !batch.is_empty() && batch.len() < TOGETHER {
                match queued.try_recv() {
                    Ok(operation) => batch.push(operation),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            // A bug in here must cost one batch, not the thread: its senders are dropped, which is "unavailable".
            let _ = catch_unwind(AssertUnwindSafe(|| self.run_batch(&mut batch)));
            batch.clear();
        }
    }

    fn run_batch(&mut self, batch: &mut Vec<Box<dyn WriteOperation>>) {
        if batch.is_empty() {
            return;
        }
        match self.commit_batch(batch) {
            Ok(()) => {
                let newest = batch.iter().filter_map(|operation| operation.queued_at()).max();
                let writes = batch.len();
                batch.drain(..).for_each(|operation| operation.report(Ok(())));
                self.tender.after_commit(&self.conn, newest, writes);
            }
            Err(fault) if batch.len() > 1 && fault.is_of_one_operation() => {
                for operation in batch.drain(..) {
                    self.run_batch(&mut vec![operation]);
                }
            }
            Err(fault) => {
                let why = Unavailable(fault.into_error(&self.file).to_string());
                batch.drain(..).for_each(|operation| operation.report(Err(why.clone())));
            }
        }
    }

    /// All of a batch on disk, or nothing.
    fn commit_batch(&mut self, batch: &mut [Box<dyn WriteOperation>]) -> Result<(), StoreFault> {
        if file_identity::file_identity(&self.file) != self.identity {
            return Err(from_text(format!(
                "{} was removed or replaced while it was in use: restart the server",
                self.file.display()
            )));
        }
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        batch.iter_mut().try_for_each(|operation| operation.run_in_transaction(&tx))?;
        Ok(tx.commit()?)
    }
}
