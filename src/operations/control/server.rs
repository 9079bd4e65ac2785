//! The server's side: reads a request and answers it, whichever client sent it.

use super::protocol::{AnswerLine, ControlRequest, InstanceOverview, LONGEST_LINE};
use crate::operations::metrics::InstanceMetrics;
use crate::types::Timestamp;
use crate::waiting::OpenWaits;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::time::{Instant, sleep, timeout};

/// Time limit for a client's request.
const ASKING: Duration = Duration::from_secs(3);
/// Time limit for the client to read a line.
const READING: Duration = Duration::from_secs(3);
/// Time limit for a whole status.
const TELLING: Duration = Duration::from_secs(30);
/// Interval between progress lines of a drain.
const TICK: Duration = Duration::from_millis(100);
/// Longest waiting time of a drain.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);
/// Number of waits that are ended at a time, with a pause between, to spread the load on provider and server.
const BATCH: (usize, Duration) = (50, Duration::from_millis(10));
/// Time limit, once all waits are ended, for the server to take the answers.
const ANSWERING: Duration = Duration::from_secs(10);

/// What answers requests about one instance.
pub(crate) struct ControlServer {
    instance: String,
    since: Timestamp,
    waits: Arc<OpenWaits>,
    metrics: Arc<InstanceMetrics>,
}

impl ControlServer {
    pub(crate) fn new(
        instance: &str,
        since: Timestamp,
        waits: Arc<OpenWaits>,
        metrics: Arc<InstanceMetrics>,
    ) -> Self {
        Self { instance: instance.to_owned(), since, waits, metrics }
    }

    /// One connection, from its request to the end of the answer. A drain continues even if the client goes away.
    pub(crate) async fn serve_connection(&self, stream: impl AsyncRead + AsyncWrite) {
        let (reader, writer) = tokio::io::split(stream);
        let mut request = Vec::new();
        let mut reader = BufReader::new(reader).take(LONGEST_LINE);
        let Ok(Ok(read)) = timeout(ASKING, reader.read_until(b'\n', &mut request)).await else { return };
        if read == 0 {
            return;
        }
        let mut out = AnswerStream { writer: BufWriter::new(writer), is_open: true };
        match serde_json::from_slice(&request) {
            Ok(ControlRequest::Status) => {
                let _ = timeout(TELLING, self.write_status(&mut out)).await;
            }
            Ok(ControlRequest::Drain { wait }) => {
                self.run_drain(Duration::from_secs(wait).min(LONGEST_DRAIN), &mut out).await
            }
            Err(_) => out.write_line(&AnswerLine::Error("the request was not understood".to_owned())).await,
        }
        out.write_line(&AnswerLine::End).await;
        out.flush().await;
    }

    async fn write_status(&self, out: &mut AnswerStream<impl AsyncWrite + Unpin>) {
        out.write_line(&AnswerLine::Overview(Box::new(self.build_overview()))).await;
        for wait in self.waits.wait_statuses() {
            out.write_line(&AnswerLine::Wait(wait)).await;
        }
    }

    fn build_overview(&self) -> InstanceOverview {
        let metrics = &self.metrics;
        InstanceOverview {
            process: std::process::id(),
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since.as_millis(),
            provider: metrics.provider.map(str::to_owned),
            draining: self.waits.is_closed(),
            attempts: metrics.login_counts(),
            waits: self.waits.wait_counts(),
            bypassed: metrics.bypass_count(),
            asking: metrics.asking.read(),
            answering: metrics.answering.read(),
            provider_errors: metrics.provider_errors(),
            store: metrics.store(),
        }
    }

    async fn run_drain(&self, wait: Duration, out: &mut AnswerStream<impl AsyncWrite + Unpin>) {
        self.waits.refuse_new();
        self.report_drain(wait, out).await;
        let (size, pause) = BATCH;
        for batch in self.waits.open().chunks(size) {
            self.waits.stop(batch);
            sleep(pause).await;
        }
        self.report_drain(ANSWERING, out).await;
    }

    /// Tells how many are left until there is none, or the time is up.
    async fn report_drain(&self, limit: Duration, out: &mut AnswerStream<impl AsyncWrite + Unpin>) {
        let since = Instant::now();
        loop {
            let (waits, packets) = self.waits.open_count();
            let left = waits.max(packets);
            out.write_line(&AnswerLine::Left(left)).await;
            out.flush().await;
            if left == 0 || since.elapsed() >= limit {
                return;
            }
            sleep(TICK.min(limit.saturating_sub(since.elapsed()))).await;
        }
    }
}

/// The answer's destination, until the client stops reading.
struct AnswerStream<W> {
    writer: BufWriter<W>,
    is_open: bool,
}

impl<W: AsyncWrite + Unpin> AnswerStream<W> {
    async fn write_line(&mut self, line: &AnswerLine) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        if self.is_open {
            self.is_open = matches!(timeout(READING, self.writer.write_all(&text)).await, Ok(Ok(())));
        }
    }

    async fn flush(&mut self) {
        if self.is_open {
            self.is_open = matches!(timeout(READING, self.writer.flush()).await, Ok(Ok(())));
        }
    }
}
