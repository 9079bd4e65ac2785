//! A server that answers whatever it was told to.

use crate::harness::SILENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What one request is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body.
    Http(u16, String),
    /// What is written as it is, before the connection ends.
    Raw(String),
    /// A body of so many octets more than its beginning.
    Huge(String, usize),
    /// Nothing.
    Silence,
}

/// Answers by a list, one request after the other, and then with the last of it again; keeps what it was asked.
pub struct Fake {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        // Ends with the program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, replies) = (Arc::clone(&kept), replies.clone());
                std::thread::spawn(move || {
                    // A client that goes away is no fault of ours.
                    let _ = serve(&stream.unwrap(), &kept, &replies);
                });
            }
        });
        Self { url, asked }
    }

    /// Request lines, each with its body behind a blank.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: &TcpStream, kept: &Mutex<Vec<String>>, replies: &[Reply]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let reply = {
        let mut kept = kept.lock().unwrap();
        kept.push(format!("{} {}", first.trim(), String::from_utf8_lossy(&body)));
        replies[(kept.len() - 1).min(replies.len() - 1)].clone()
    };
    let head = |status: u16, length: usize| {
        format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nlocation: /\r\nconnection: close\r\n\r\n"
        )
    };
    match reply {
        Reply::Http(status, body) => write!(stream, "{}{body}", head(status, body.len())),
        Reply::Raw(text) => stream.write_all(text.as_bytes()),
        Reply::Huge(body, more) => {
            write!(stream, "{}{body}", head(200, body.len() + more))?;
            let part = vec![b' '; 64 * 1024];
            (0..more.div_ceil(part.len())).try_for_each(|_| stream.write_all(&part))
        }
        Reply::Silence => {
            std::thread::sleep(SILENCE);
            Ok(())
        }
    }
}
