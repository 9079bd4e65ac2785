//! A way to a directory, on which the bind of every user takes long, and nothing else does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// BindRequest (RFC 4511, section 4.2).
const BIND: u8 = 0x60;

/// Opens it, without TLS, to that port of this machine; it is there until the program ends. Binds of `service` are not held back.
pub fn open(to: u16, service: &'static str, takes: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for here in listener.incoming().flatten() {
            thread::spawn(move || carry(here, to, service.as_bytes(), takes));
        }
    });
    port
}

fn carry(mut here: TcpStream, to: u16, service: &[u8], takes: Duration) -> std::io::Result<()> {
    let mut there = TcpStream::connect(("127.0.0.1", to))?;
    for stream in [&here, &there] {
        stream.set_nodelay(true)?;
    }
    let (mut answers, mut back) = (there.try_clone()?, here.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let ended = loop {
        let message = match message(&mut here) {
            Ok(message) => message,
            Err(error) => break error,
        };
        if operation(&message) == Some(BIND) && !message.windows(service.len()).any(|part| part == service) {
            thread::sleep(takes);
        }
        if let Err(error) = there.write_all(&message) {
            break error;
        }
    };
    let _ = there.shutdown(Shutdown::Both);
    Err(ended)
}

/// One whole message: tag, length, content.
fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0; 2];
    from.read_exact(&mut message)?;
    let mut length = usize::from(message[1]);
    if length > 0x80 {
        let mut more = vec![0; length & 0x7f];
        from.read_exact(&mut more)?;
        length = more.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        message.extend(more);
    }
    let mut content = vec![0; length];
    from.read_exact(&mut content)?;
    message.extend(content);
    Ok(message)
}

/// What stands behind the message's number.
fn operation(message: &[u8]) -> Option<u8> {
    let content = if message[1] > 0x80 { 2 + usize::from(message[1] & 0x7f) } else { 2 };
    let number = usize::from(*message.get(content + 1)?);
    message.get(content + 2 + number).copied()
}
