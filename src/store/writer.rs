//! The one thread that settles logins. It takes whatever has queued up while the disk was busy and writes it in one
//! transaction with one sync (group commit), so that the disk's sync time is shared by all who wait.

use super::Error;
use super::checkpoint::Checkpointer;
use super::connection::{self, Purpose};
use super::fault::{Fault, other};
use super::file;
use super::login::{self, Settled};
use super::tend::Tender;
use crate::engine::Reason;
use crate::engine::port::{Settlement, Unavailable};
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

type Answer = Result<Reason, Unavailable>;

/// A settlement and who waits for it. What has been queued is done, whether or not he still does.
struct Operation {
    settlement: Settlement,
    answer: oneshot::Sender<Answer>,
}

/// The thread's handle. Dropped, it lets the thread finish what is queued.
pub(super) struct Writer {
    file: PathBuf,
    queue: Option<SyncSender<Operation>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(file: &Path, audit_keep: Duration) -> Result<Self, Error> {
        let conn = connection::open(file, Purpose::Settle)?;
        let tender = Tender::new(audit_keep, Checkpointer::start(file)?);
        let (queue, queued) = sync_channel(QUEUE);
        let desk = Desk { identity: file::identity(file), file: file.to_owned(), conn, tender };
        let thread = std::thread::Builder::new()
            .name("mfa writer".into())
            .spawn(move || desk.serve(&queued))
            .map_err(|e| {
                Error::Other(format!("the writer thread cannot be started: {e}: raise the limit of threads"))
            })?;
        Ok(Self { file: file.to_owned(), queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a settlement; from here on it is done or fails on its own account.
    pub(super) fn send(&self, settlement: Settlement) -> Result<oneshot::Receiver<Answer>, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let Some(queue) = &self.queue else { return Err(Unavailable("the store is closed".into())) };
        let why = match queue.try_send(Operation { settlement, answer }) {
            Ok(()) => return Ok(answered),
            Err(TrySendError::Full(_)) => "too many logins wait for the disk: check its load",
            Err(TrySendError::Disconnected(_)) => "the writer has ended: restart the server",
        };
        let shown = self.file.display();
        Err(Unavailable(format!("{shown}: {why}")))
    }
}

impl Drop for Writer {
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
struct Desk {
    file: PathBuf,
    identity: Option<(u64, u64)>,
    conn: Connection,
    tender: Tender,
}

impl Desk {
    fn serve(mut self, queued: &Receiver<Operation>) {
        let mut batch = Vec::with_capacity(TOGETHER);
        loop {
            match queued.recv_timeout(self.tender.rest()) {
                Ok(operation) => batch.push(operation),
                Err(RecvTimeoutError::Timeout) => self.tender.idle(&self.conn),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while !batch.is_empty() && batch.len() < TOGETHER {
                match queued.try_recv() {
                    Ok(operation) => batch.push(operation),
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            // A bug in here must cost one batch, not the thread: its senders are dropped, which is "unavailable".
            let _ = catch_unwind(AssertUnwindSafe(|| self.work(&mut batch)));
            batch.clear();
        }
    }

    fn work(&mut self, batch: &mut Vec<Operation>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(batch) {
            Ok(settled) => {
                let failed = settled.iter().filter(|s| s.failed).count();
                let newest = batch.iter().map(|o| o.settlement.record.at).max();
                let writes = settled.len();
                for (operation, settled) in batch.drain(..).zip(settled) {
                    let _ = operation.answer.send(Ok(settled.reason));
                }
                self.tender.busy(&self.conn, newest, writes, failed);
            }
            Err(fault) if batch.len() > 1 && fault.is_of_one_operation() => {
                for operation in batch.drain(..) {
                    self.work(&mut vec![operation]);
                }
            }
            Err(fault) => {
                let why = Unavailable(fault.tell(&self.file).to_string());
                for operation in batch.drain(..) {
                    let _ = operation.answer.send(Err(why.clone()));
                }
            }
        }
    }

    /// All of a batch on disk, or nothing.
    fn commit(&mut self, batch: &[Operation]) -> Result<Vec<Settled>, Fault> {
        if file::identity(&self.file) != self.identity {
            return Err(other(format!(
                "{} was removed or replaced while it was in use: restart the server",
                self.file.display()
            )));
        }
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let settled = batch.iter().map(|o| login::settle(&tx, &o.settlement)).collect::<Result<_, _>>()?;
        tx.commit()?;
        Ok(settled)
    }
}
