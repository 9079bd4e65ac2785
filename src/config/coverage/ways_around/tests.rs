use super::*;
use crate::config::read_text;

const MODULES: &str = "modules {\n mfa {\n }\n mfa vpn {\n }\n realm suffix {\n }\n eap {\n tls-config t {\n cache {\n enable = yes\n }\n }\n ttls {\n virtual_server = inner\n }\n }\n}\n\
     policy {\n guard {\n noop\n mfa\n }\n loop {\n loop\n }\n leave {\n if (x) {\n return\n }\n }\n}\nrealm example.test {\n auth_pool = p\n}\n";

fn found(server: &str) -> Vec<String> {
    let tree = read_text(format!("{MODULES}{server}"), &|_| None).unwrap();
    check(&tree).into_iter().map(|f| f.text).collect()
}

fn with_post_auth(post_auth: &str) -> usize {
    found(&format!("server s {{\n listen {{\n type = auth\n }}\n post-auth {{\n{post_auth}\n}}\n}}\n")).len()
}

#[test]
fn the_guard_in_post_auth_is_enough() {
    for guard in
        ["mfa", "vpn", "ok\nguard\nexec", "Post-Auth-Type Reject {\nx\n}\nmfa", "if (x) {\nnoop\n}\nmfa"]
    {
        assert_eq!(with_post_auth(guard), 0, "{guard}");
    }
}

#[test]
fn what_does_not_always_run_is_no_guard() {
    for guard in [
        "",
        "pap",
        "if (x) {\nmfa\n}",
        "if (x) {\nok\nreturn\n}\nmfa",
        "sql {\nok = return\n}\nmfa",
        "mfa {\nreject = 1\n}",
        "if (x) {\nhandled\n}\nmfa",
        "leave\nmfa",
        "mfa.authorize",
        "loop",
        "Post-Auth-Type Reject {\nmfa\n}",
    ] {
        assert_eq!(with_post_auth(guard), 1, "{guard}");
    }
}

#[test]
fn each_way_around_is_named() {
    let told = found(
        "server s {\n listen {\n type = auth\n port = 1812\n }\n authorize {\n suffix\n eap\n if (x) {\n update control {\n &Auth-Type := Accept\n }\n }\n update {\n \
         &control:Proxy-To-Realm := LOCAL\n &control:Proxy-To-Realm := other\n }\n }\n authenticate {\n Auth-Type PAP {\n pap\n mfa\n }\n Auth-Type CHAP {\n chap\n }\n eap\n }\n}\n",
    );
    let starts = [
        "server \"s\": can accept logins without \"mfa\" (listener on port 1812): add to it: post-auth { mfa }",
        "server \"s\": \"Auth-Type CHAP\" accepts without \"mfa\": put \"mfa\" before its module",
        "server \"s\": \"eap\" in authenticate accepts on its own",
        "server \"s\": \"Auth-Type := Accept\" lets in without \"mfa\"",
        "server \"s\": what Proxy-To-Realm sends to another server",
        "server \"s\": logins of realm \"example.test\" go to another server",
        "server \"s\": resumed EAP sessions skip the inner tunnel",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}\n{start}");
    }
}

#[test]
fn another_post_auth_list_needs_a_guard_of_its_own() {
    let server = |list: &str| {
        found(&format!(
            "server s {{\n listen {{\n type = auth\n }}\n authorize {{\n update control {{\n &Post-Auth-Type := foo\n }}\n }}\n post-auth {{\n mfa\n Post-Auth-Type foo {{\n {list}\n }}\n }}\n}}\n"
        ))
    };
    assert_eq!(server("mfa"), Vec::<String>::new());
    assert!(server("ok")[0].contains("\"Post-Auth-Type foo\" then runs instead"));
}

#[test]
fn accept_that_overrides_every_refusal_is_named_behind_the_guard_too() {
    for (unlang, count) in [
        ("update control {\n&Response-Packet-Type := Access-Accept\n}", 1),
        ("if (x) {\nupdate {\n&control:Response-Packet-Type = 2\n}\n}", 1),
        ("update control {\n&Response-Packet-Type := Access-Challenge\n}", 0),
    ] {
        let told = found(&format!(
            "server s {{\n listen {{\n type = auth\n }}\n authorize {{\n mfa\n {unlang}\n }}\n post-auth {{\n mfa\n }}\n}}\n"
        ));
        assert_eq!(told.len(), count, "{told:?}");
        assert!(told.iter().all(|text| text.contains("makes an accept of every refusal")), "{told:?}");
    }
}

#[test]
fn what_matters_is_told_from_what_does_not() {
    let concerns = |server: &str| -> Vec<FindingConcern> {
        let tree = read_text(format!("{MODULES}{server}"), &|_| None).unwrap();
        check(&tree).into_iter().map(|finding| finding.concern).collect()
    };
    let listen = |address: &str| {
        format!("listen {{\n type = auth\n ipaddr = {address}\n }}\n authenticate {{\n eap\n }}\n")
    };
    let server = |address: &str, more: &str| format!("server s {{\n {}{more}}}\n", listen(address));
    use FindingConcern::{Detail, Inside, Open, Ours};
    assert_eq!(concerns(&server("*", "")), [Open, Detail, Detail]);
    assert_eq!(concerns(&server("127.0.0.1", "")), [Inside, Detail, Detail]);
    assert_eq!(concerns(&server("*", "authorize {\nmfa\n}\n")), [Ours, Ours, Ours]);
    let named = format!("{}client c {{\n virtual_server = s\n}}\n", server("127.0.0.1", ""));
    assert_eq!(concerns(&named)[0], Open);
    assert_eq!(concerns("server inner {\n authenticate {\n eap\n }\n}\n")[0], Inside);
}

#[test]
fn inner_tunnels_are_looked_at_and_idle_servers_are_not() {
    let told = found("server inner {\n}\nserver idle {\n}\nserver acct {\n listen {\n type = acct\n }\n}\n");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("\"inner\": can accept logins without \"mfa\" (inner tunnel of ttls)"),
        "{told:?}"
    );
}

#[test]
fn nothing_is_said_where_the_module_is_not_configured() {
    let tree = read_text("server s {\n listen {\n type = auth\n }\n}\n", &|_| None).unwrap();
    assert_eq!(check(&tree), []);
}
