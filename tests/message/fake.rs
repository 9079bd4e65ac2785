//! A gateway that does as the test says: one HTTP answer for every request, which it keeps.

use crate::harness::SILENCE;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub struct Gateway {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with a status and a body.
    Says(u16, &'static str),
    /// Answers with a redirect to there.
    Redirects(String),
    /// Nothing, for a long time.
    Nothing,
    /// Ends the connection.
    HangsUp,
    /// Answers without end.
    Floods,
}

impl Gateway {
    pub fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (does, kept) = (does.clone(), Arc::clone(&kept));
                std::thread::spawn(move || serve(stream, &does, &kept));
            }
        });
        Self { port, requests }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The only one.
    #[track_caller]
    pub fn request(&self) -> Request {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

impl Request {
    /// The body of a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// What stands behind the `?`.
    pub fn query(&self) -> BTreeMap<String, String> {
        let (_, query) = self.target.split_once('?').unwrap();
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

fn serve(mut stream: TcpStream, does: &Does, kept: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let Some((method, rest)) = first.split_once(' ') else { return };
    let target = rest.split(' ').next().unwrap().to_owned();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line().split_once(": ") {
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    kept.lock().unwrap().push(Request { method: method.to_owned(), target, headers, body });
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} x\r\nConnection: close\r\n{more}\r\n");
    let _ = match does {
        Does::Says(status, body) => {
            write!(stream, "{}{body}", head(*status, &format!("Content-Length: {}\r\n", body.len())))
        }
        Does::Redirects(to) => {
            write!(stream, "{}", head(307, &format!("Location: {to}\r\nContent-Length: 0\r\n")))
        }
        Does::Nothing => {
            std::thread::sleep(SILENCE);
            Ok(())
        }
        Does::HangsUp => Ok(()),
        Does::Floods => {
            let _ = write!(stream, "{}", head(200, ""));
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            Ok(())
        }
    };
}
