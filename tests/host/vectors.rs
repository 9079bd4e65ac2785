//! The test vectors of RFC 4226 and RFC 6238 as logins through the whole server. The vectors of RFC 6238 are codes of
//! counters T (section 1.2: TOTP = HOTP(K, T)), so a token that stands at T shows them without turning a clock.

use crate::harness::wire::Packet;
use crate::harness::{Code, Server, Site};

const SHA1: &[u8] = b"12345678901234567890";
const SHA256: &[u8] = b"12345678901234567890123456789012";
const SHA512: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

fn login(server: &Server, user: &str, code: &str) -> Code {
    Packet::pap(code.parse().unwrap(), user.as_bytes(), code.as_bytes()).send(server)
}

#[test]
fn codes_of_rfc_4226_appendix_d_are_accepted_in_turn() {
    let server = Site::passcode().start();
    server.enrol_with("alice", "hotp", SHA1, &[]);
    for code in
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
    {
        assert_eq!(login(&server, "alice", code), Code::Accept, "{code}");
        assert_eq!(login(&server, "alice", code), Code::Reject, "{code} again");
    }
}

#[test]
fn codes_of_rfc_6238_appendix_b_are_accepted() {
    let server = Site::passcode().start();
    let vectors = [
        (59u64, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    let hashes = [("SHA1", SHA1), ("SHA256", SHA256), ("SHA512", SHA512)];
    for (time, codes) in vectors {
        for ((algorithm, secret), code) in hashes.iter().zip(codes) {
            let user = format!("{algorithm}-{time}");
            let counter = (time / 30).to_string();
            let options = ["--digits", "8", "--algorithm", algorithm, "--counter", &counter];
            server.enrol_with(&user, "hotp", secret, &options);
            assert_eq!(login(&server, &user, code), Code::Accept, "{algorithm} at {time}");
            // No two tokens may have one secret.
            server.admin(&["user", "delete", &user, "--yes"]);
        }
    }
}
