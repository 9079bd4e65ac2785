//! A panic in a module costs one request and a line in the log, and the server lives on.

use crate::harness::{Code, Login, Server, Site, process};

#[test]
fn panic_costs_one_request_and_a_line_in_the_log() {
    let mut site = Site::passcode();
    site.modules = "panic {\n}".into();
    site.authorize = format!("if (&User-Name == \"boom\") {{\npanic\n}}\n{}", site.authorize);
    let mut server = Server::prepare(site);
    std::os::unix::fs::symlink(process::example("rlm_panic"), server.folder.join("lib/rlm_panic.so"))
        .unwrap();
    assert!(server.mfa(&["init"]).ok);
    server.up().unwrap_or_else(|refused| panic!("{}", refused.0));
    let alice = server.enrol("alice");

    for _ in 0..3 {
        assert_eq!(Login::pap("boom", "whatever").send(&server).code, Code::Reject);
    }
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    let log = server.log();
    assert_eq!(log.matches("internal error at examples/rlm_panic.rs").count(), 3, "{log}");
    assert!(!log.contains("hello-panic-text"), "a panic's text may hold a secret");
}

#[test]
fn example_module_of_a_contributor_works_in_the_server() {
    let mut site = Site::passcode();
    site.modules = "hello {\ngreeting = \"Welcome\"\n}".into();
    site.post_auth = format!("{}\nhello", site.post_auth);
    let mut server = Server::prepare(site);
    std::os::unix::fs::symlink(process::example("rlm_hello"), server.folder.join("lib/rlm_hello.so"))
        .unwrap();
    assert!(server.mfa(&["init"]).ok);
    server.up().unwrap_or_else(|refused| panic!("{}", refused.0));
    let alice = server.enrol("alice");
    let reply = Login::pap("alice", &alice.code(0)).send(&server);
    assert_eq!(reply.code, Code::Accept);
    assert_eq!(reply.all("Reply-Message"), ["Welcome, alice"]);
}
