//! What an instance exposes: its control socket, and its counters for Prometheus.

use super::services::App;
use crate::clock::now;
use crate::operations::control::{self, ControlServer};
use crate::operations::metrics::InstanceMetrics;
use crate::types::SetupError;
use crate::waiting::OpenWaits;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Media type of the metrics (OpenMetrics 1.0), as Prometheus reads it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Maximum duration of a connection.
const VISIT: Duration = Duration::from_secs(10);
/// Maximum number of octets that a client may send on it.
const LONGEST: usize = 16 * 1024;
/// Maximum number of concurrent connections.
const VISITS: usize = 16;

impl App {
    /// Opens the control socket beside the store, and `metrics { listen }` if it is configured. `name` is the instance's. An
    /// instance works without its socket; `warn` is then called with the reason.
    ///
    /// # Errors
    ///
    /// A sentence that names the option: the address of `listen` cannot be used.
    pub fn start_services(&mut self, name: &str, warn: &dyn Fn(&str)) -> Result<(), SetupError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let _context = runtime.enter();
        let (waits, metrics) = (Arc::clone(&self.shared.waits), Arc::clone(&self.shared.metrics));
        if let Some(address) = self.shared.config.metrics.listen {
            let listener = listen_for_metrics(address).map_err(|why| {
                let why = format!("metrics {{ listen = {address} }}: {why}: choose another port");
                SetupError::Missing(why)
            })?;
            let router = metrics_router(Arc::clone(&waits), Arc::clone(&metrics));
            runtime.spawn(async move { axum::serve(listener, router).await });
        }
        let folder = self.shared.config.store.filename.parent().unwrap_or(std::path::Path::new("."));
        let desk = ControlServer::new(name, now(), waits, metrics);
        match runtime.block_on(control::listen_in(folder, name, desk)) {
            Ok(listening) => self.control = Some(listening),
            Err(why) => warn(&format!("mfa status and mfa drain will not work: {why}")),
        }
        Ok(())
    }
}

fn listen_for_metrics(address: SocketAddr) -> io::Result<BoundedListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(BoundedListener {
        listener: TcpListener::from_std(listener)?,
        places: Arc::new(Semaphore::new(VISITS)),
    })
}

fn metrics_router(waits: Arc<OpenWaits>, metrics: Arc<InstanceMetrics>) -> Router {
    let page = move || std::future::ready(metrics_page(&waits, &metrics));
    Router::new().route("/metrics", get(page))
}

fn metrics_page(waits: &OpenWaits, metrics: &InstanceMetrics) -> Response {
    match metrics.text(waits.wait_counts()) {
        Some(text) => ([(CONTENT_TYPE, OPENMETRICS), (CONNECTION, "close")], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A listener whose connections are bounded in number, in time, and in what they may send.
struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for BoundedListener {
    type Io = BoundedConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedConnection, SocketAddr) {
        loop {
            let (stream, from) = Listener::accept(&mut self.listener).await;
            // Connections beyond the limit are closed.
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                let end = Box::pin(tokio::time::sleep(VISIT));
                return (BoundedConnection { stream, end, left: LONGEST, _place: place }, from);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that is closed at its time limit, or when its client has sent too much.
struct BoundedConnection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    left: usize,
    _place: OwnedSemaphorePermit,
}

impl BoundedConnection {
    /// An error once the time is up.
    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for BoundedConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        match self.left.checked_sub(read) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BoundedConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
