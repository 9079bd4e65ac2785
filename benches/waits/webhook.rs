//! The other side of `doc/webhook.md` for 10,000 questions at once: polls are held until the user says yes, all of them over a
//! few HTTP/2 connections. It knows to the microsecond when each user did.

use crate::harness::webhook::KEY;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A webhook whose users all say yes after a time.
pub struct Webhook {
    pub port: u16,
    pub certificate: PathBuf,
    book: Arc<Book>,
    _runtime: tokio::runtime::Runtime,
}

struct Book {
    after: Mutex<Duration>,
    asked: AtomicU64,
    /// Question to when its user says yes.
    open: Mutex<HashMap<String, Instant>>,
    /// User and time of the approval.
    approved: Mutex<HashMap<String, Instant>>,
}

impl Webhook {
    /// On a free port, with a certificate of its own in `folder`.
    pub fn start(folder: &Path) -> Self {
        let certificate = certificate(folder);
        let chain = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(certificate.with_extension("key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::new(Book {
            after: Mutex::new(Duration::from_secs(50)),
            asked: AtomicU64::new(0),
            open: Mutex::default(),
            approved: Mutex::default(),
        });
        let shared = Arc::clone(&book);
        runtime.spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (acceptor, book) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service =
                        hyper::service::service_fn(move |request| answer(Arc::clone(&book), request));
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .max_concurrent_streams(100_000)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, certificate, book, _runtime: runtime }
    }

    /// What to write into `push { }`.
    pub fn options(&self) -> String {
        format!(
            "provider = webhook\nca_file = {}\nwebhook {{\n\tstart_url = \"https://127.0.0.1:{}/ask\"\n\thmac_key = \"{KEY}\"\n}}\n",
            self.certificate.display(),
            self.port
        )
    }

    /// From now on users say yes so long after they are asked.
    pub fn say_yes_after(&self, after: Duration) {
        *self.book.after.lock().unwrap() = after;
    }

    /// How many questions there were.
    pub fn asked(&self) -> u64 {
        self.book.asked.load(Ordering::Relaxed)
    }

    /// When that user said yes.
    pub fn approved(&self, user: &str) -> Option<Instant> {
        self.book.approved.lock().unwrap().get(user).copied()
    }
}

async fn answer(book: Arc<Book>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let signature =
        request.headers()["x-mfa-signature"].to_str().unwrap().trim_start_matches("v1=").to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let said: Value = serde_json::from_slice(&body).unwrap();
    let id = said["id"].as_str().unwrap().to_owned();
    let status = match said["action"].as_str() {
        Some("ask") => {
            let user = said["user"].as_str().unwrap().to_owned();
            let at = Instant::now() + *book.after.lock().unwrap();
            book.asked.fetch_add(1, Ordering::Relaxed);
            book.open.lock().unwrap().insert(id.clone(), at);
            book.approved.lock().unwrap().insert(user, at);
            "waiting"
        }
        Some("cancel") => {
            book.open.lock().unwrap().remove(&id);
            "expired"
        }
        _ => {
            let at = book.open.lock().unwrap().get(&id).copied();
            match at {
                None => "expired",
                Some(at) => {
                    let hold = Instant::now() + Duration::from_secs(said["hold"].as_u64().unwrap());
                    tokio::time::sleep_until(at.min(hold).into()).await;
                    if at <= Instant::now() {
                        book.open.lock().unwrap().remove(&id);
                        "approved"
                    } else {
                        "waiting"
                    }
                }
            }
        }
    };
    let text = json!({ "id": id, "status": status, "interval": 0.1 }).to_string();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    for part in [&now, ".", &signature, ".", &text] {
        mac.update(part.as_bytes());
    }
    Ok(Response::builder()
        .header("x-mfa-timestamp", now)
        .header("x-mfa-signature", format!("v1={}", HEXLOWER.encode(&mac.finalize().into_bytes())))
        .body(Full::new(text.into()))
        .unwrap())
}

fn certificate(folder: &Path) -> PathBuf {
    let file = folder.join("webhook.pem");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=webhook", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(file.with_extension("key"))
        .arg("-out")
        .arg(&file)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}
