//! Programs that are started, watched and ended: each by its own process id.

use super::SOON;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The server's binary, by whichever name the distribution gives it.
pub fn radiusd() -> PathBuf {
    ["/usr/sbin/freeradius", "/usr/sbin/radiusd", "/usr/local/sbin/radiusd"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("FreeRADIUS is not installed: run `make deps`")
}

/// Where the server's own modules are.
pub fn module_folder() -> PathBuf {
    ["/usr/lib/freeradius", "/usr/lib64/freeradius", "/usr/local/lib/freeradius", "/usr/local/lib"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.join("rlm_pap.so").exists())
        .expect("the server's modules are not found: run `make deps`")
}

/// The module as cargo built it together with the program that runs now.
pub fn module() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let path = program.parent().unwrap().join("librlm_mfa.so");
    let octets = std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: the module is not built; run the tests by `make test` or `cargo test`",
            path.display()
        )
    });
    let loads =
        octets.windows(11).any(|window| window == b"\0rlm_mfa\0\0\0" || window.starts_with(b"\0rlm_mfa\0"));
    assert!(
        loads,
        "{}: built without the feature `server`; run `cargo test` with default features",
        path.display()
    );
    path
}

/// An example as cargo built it beside the module.
pub fn example(name: &str) -> PathBuf {
    let file = format!("examples/lib{name}.so");
    let path = module().with_file_name(&file);
    if path.exists() { path } else { module().with_file_name(format!("../{file}")) }
}

/// The UDP ports that a process has open, from the smallest.
pub fn udp_ports(id: u32) -> Vec<u16> {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let sockets: Vec<String> = open
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok())
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = text(&PathBuf::from(format!("/proc/{id}/net/udp")));
    let mut ports: Vec<u16> = (table.lines().skip(1))
        .filter(|line| {
            line.split_whitespace().nth(9).is_some_and(|inode| sockets.iter().any(|socket| socket == inode))
        })
        .filter_map(|line| line.split_whitespace().nth(1)?.rsplit_once(':'))
        .filter_map(|(_, port)| u16::from_str_radix(port, 16).ok())
        .collect();
    ports.sort_unstable();
    ports
}

/// Runs `program` to its end with this input; killed if it comes to none.
pub fn run(program: &mut Command, input: &str) -> Output {
    let name = program.get_program().to_string_lossy().into_owned();
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}: run `make deps`"));
    // A program that does not read its input is no fault of it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let (sender, receiver) = std::sync::mpsc::channel();
    let id = child.id();
    let waiter = std::thread::spawn(move || {
        let output = child.wait_with_output();
        let _ = sender.send(());
        output
    });
    if receiver.recv_timeout(4 * SOON).is_err() {
        signal(id, "KILL");
        panic!("{name} did not end within {:?}", 4 * SOON);
    }
    waiter.join().unwrap().unwrap()
}

/// Sends a signal to one process.
pub fn signal(id: u32, name: &str) {
    // The shell's own: a small system has no program of that name.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "SIG{name} to {id}");
}

/// Waits until `child` has ended; `false` if it has not in time.
pub fn ended(child: &mut Child, within: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < within {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A file as text, whatever is in it; empty if there is none.
pub fn text(path: &Path) -> String {
    std::fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}

/// Standard output and error of a program, in this order.
pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
