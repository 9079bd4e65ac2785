//! Tokens: enrolled, tried, found again, taken away; recovery codes.

use super::site::{SECRET, Site, code, read_qr, step, uri_in};
use rlm_mfa::types::{Digits, OathParameters, OtpAuth};

#[test]
fn enrolled_user_logs_in_once_with_each_code() {
    let site = Site::with_alice();
    let printed = site.mfa(["token", "add", "alice", "totp"]).ok();
    let uri = uri_in(&printed);
    assert!(uri.starts_with("otpauth://totp/VPN:alice?secret="), "{uri}");
    assert!(printed.contains('\u{2588}'), "a QR code is drawn: {printed}");
    let (now, wrong) = (code(&uri, step()), code(&uri, step() + 5000));

    assert!(site.mfa(["check", "alice", &now]).ok().contains("right code of token \"totp1\""));
    assert!(site.mfa(["check", "alice", &now]).ok().contains("accept"), "a check spends nothing");
    let answer = site.mfa(["check", "alice", &wrong, "--json"]);
    assert!(answer.out.contains("\"reason\":\"wrong code\""), "{answer:?}");
    answer.refused(1);

    assert_eq!(site.login("alice", &now).reason().as_str(), "right code");
    let again = site.mfa(["check", "alice", &now]);
    assert!(again.out.contains("code already used"), "{again:?}");
    again.refused(1);
}

#[test]
fn code_is_read_from_the_standard_input_and_as_people_type_it() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    assert!(site.mfa_with("755 224\r\n", ["check", "alice"]).ok().contains("accept"));
    assert!(site.mfa(["check", "alice"]).refused(2).contains("code is missing"));
    assert!(site.mfa(["check", "alice", " - "]).refused(2).contains("code is empty"));
}

#[test]
fn qr_code_reads_back_as_the_uri() {
    let site = Site::with_alice();
    let file = site.path("alice.png");
    let name = file.to_str().unwrap();
    let uri = uri_in(&site.mfa(["token", "add", "alice", "totp", "--qr", name]).ok());
    assert_eq!(read_qr(&file), uri);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    let tokens =
        |site: &Site| site.mfa(["token", "list", "alice", "--json"]).json().as_array().unwrap().len();
    assert!(site.mfa(["token", "add", "alice", "totp", "--qr", name]).refused(5).contains("--force"));
    assert_eq!(tokens(&site), 1, "refused before anything was enrolled");
    let long = ["token", "add", "alice", "totp", "--algorithm", "sha512", "--qr", name, "--force"];
    let uri = uri_in(&site.mfa(long).ok());
    assert_eq!(read_qr(&file), uri);
    let svg = site.path("alice.svg");
    site.mfa(["token", "add", "alice", "totp", "--qr", svg.to_str().unwrap()]).ok();
    assert!(std::fs::read_to_string(svg).unwrap().contains("<svg"));
    assert!(site.mfa(["token", "add", "alice", "totp", "--qr", "alice.jpg"]).refused(2).contains(".png"));
    assert!(
        site.mfa(["token", "add", "alice", "totp", "--qr", "/nowhere/a.png"]).refused(2).contains("/nowhere")
    );
    assert_eq!(tokens(&site), 3);
}

#[test]
fn parameters_are_taken_over() {
    let site = Site::with_alice();
    let given = ["--digits", "8", "--period", "60", "--algorithm", "SHA256", "--serial", "FT-1"];
    let printed = site.mfa(["token", "add", "alice", "totp"].iter().chain(&given)).ok();
    let uri = OtpAuth::parse(&uri_in(&printed)).unwrap();
    assert_eq!((uri.digits, uri.secret.len()), (Digits::new(8).unwrap(), 32));
    let shown = site.mfa(["token", "show", "alice", "FT-1", "--json"]).json();
    assert_eq!((&shown["period"], &shown["algorithm"]), (&60.into(), &"SHA256".into()));
    assert!(site.mfa(["token", "add", "alice", "hotp", "--serial", "FT-1"]).refused(5).contains("FT-1"));

    let hardware = format!("otpauth://hotp/Maker:123?secret={SECRET}&counter=5&digits=8");
    let added = site.mfa_with(&hardware, ["token", "add", "alice", "hotp", "--secret-file", "-"]).ok();
    let uri = OtpAuth::parse(&uri_in(&added)).unwrap();
    assert_eq!((uri.oath, uri.account.as_str(), uri.digits.get()), (OathParameters::Hotp(5), "alice", 8));
    let other = site.mfa_with(&hardware, ["token", "add", "alice", "totp", "--secret-file", "-"]);
    assert!(other.refused(2).contains("other kind"));
    site.write("secret.txt", &format!("{}\n", SECRET.to_lowercase()));
    let file = site.path("secret.txt");
    let again = ["token", "add", "alice", "totp", "--secret-file", file.to_str().unwrap()];
    assert!(site.mfa(again).refused(5).contains("hotp1"), "a secret of hers that another token has");
    site.mfa(["user", "add", "bob"]).ok();
    let told = site.mfa(["token", "add", "bob", "totp", "--secret-file", file.to_str().unwrap()]).refused(5);
    assert!(told.contains("\"hotp1\" of user \"alice\""), "one code would let both in: {told}");
    assert_eq!(site.mfa(["user", "show", "bob", "--json"]).json()["had_token"], false);
    site.mfa(["token", "delete", "alice", "hotp1", "--yes"]).ok();
    site.mfa(["token", "add", "bob", "totp", "--secret-file", file.to_str().unwrap()]).ok();
    assert_eq!(site.mfa(["user", "show", "bob", "--json"]).json()["had_token"], true);
}

#[test]
fn secret_is_shown_only_when_asked_for() {
    let site = Site::with_alice();
    let uri = uri_in(&site.mfa(["token", "add", "alice", "totp", "--secret", SECRET]).ok());
    for arguments in [
        &["token", "show", "alice", "totp1"][..],
        &["token", "show", "alice", "totp1", "--json"],
        &["token", "list", "alice"],
        &["user", "show", "alice"],
    ] {
        let shown = site.mfa(arguments).ok();
        assert!(!shown.contains(SECRET), "{shown}");
    }
    assert_eq!(uri_in(&site.mfa(["token", "show", "alice", "totp1", "--reveal"]).ok()), uri);
    let shown = site.mfa(["token", "show", "alice", "totp1", "--reveal", "--json"]).json();
    assert_eq!(shown["uri"], uri.as_str());
    assert!(site.mfa(["token", "show", "alice", "totp9"]).refused(3).contains("mfa token list"));
}

#[test]
fn pin_stands_before_the_code() {
    let site = Site::with_alice();
    let add = ["token", "add", "alice", "hotp", "--secret", SECRET, "--pin"];
    assert!(site.mfa_with("Ab 1", add).refused(2).contains("PIN"));
    site.mfa_with("Geheim1\n", add).ok();
    assert!(site.mfa(["token", "list", "alice"]).ok().contains("PIN"));
    assert!(site.mfa(["check", "alice", "geheim1755224"]).ok().contains("accept"));
    site.mfa(["check", "alice", "755224"]).refused(1);
}

#[test]
fn token_is_tested_disabled_and_deleted() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    site.mfa(["token", "disable", "alice", "hotp1"]).ok();
    let answer = site.mfa(["check", "alice", "755224"]);
    assert!(answer.out.contains("not enrolled"), "{answer:?}");
    assert!(site.mfa(["token", "test", "alice", "hotp1", "755224"]).ok().contains("accept"));
    site.mfa(["token", "test", "alice", "hotp1", "000000"]).refused(1);
    site.mfa(["token", "enable", "alice", "hotp1"]).ok();
    assert!(site.mfa(["check", "alice", "755224"]).ok().contains("accept"));
    site.mfa(["token", "delete", "alice", "hotp1"]).refused(2);
    site.mfa(["token", "delete", "alice", "hotp1", "-y"]).ok();
    assert!(site.mfa(["token", "list", "alice"]).err.contains("mfa token add alice totp"));
}

#[test]
fn token_that_ran_away_is_found_again() {
    let site = Site::with_alice();
    let uri = uri_in(&site.mfa(["token", "add", "alice", "totp"]).ok());
    let off = step() + 120;
    let (first, second) = (code(&uri, off), code(&uri, off + 1));
    site.mfa(["check", "alice", &second]).refused(1);
    let unfit = site.mfa(["token", "resync", "alice", "totp1", &second, &first]);
    assert!(unfit.refused(1).contains("consecutive"));
    let found = site.mfa(["token", "resync", "alice", "totp1", &first, &second]).ok();
    assert!(found.contains("s ahead"), "{found}");
    assert!(site.mfa(["token", "list", "alice"]).ok().contains("s ahead"));
    let spent = site.mfa(["check", "alice", &second]);
    assert!(spent.out.contains("code already used"), "{spent:?}");

    site.mfa(["token", "add", "alice", "hotp"]).ok();
    let uri = uri_in(&site.mfa(["token", "show", "alice", "hotp1", "--reveal"]).ok());
    let codes = format!("{}\n{}\n", code(&uri, 500), code(&uri, 501));
    let mut codes = codes.lines();
    let arguments = ["token", "resync", "alice", "hotp1", codes.next().unwrap(), codes.next().unwrap()];
    assert!(site.mfa(arguments).ok().contains("counter is 502"));
}

#[test]
fn recovery_codes_are_shown_once_and_work_once() {
    let site = Site::with_alice();
    let made = site.mfa(["recovery", "alice", "--count", "3", "--json"]).json();
    let codes: Vec<&str> = made["codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(codes.len(), 3);
    assert_eq!(site.login("alice", codes[1]).reason().as_str(), "right code");
    let again = site.mfa(["check", "alice", codes[1]]);
    assert!(again.out.contains("code already used"), "{again:?}");
    assert!(site.mfa(["check", "alice", &codes[0].to_uppercase()]).ok().contains("accept"));
    assert!(site.mfa(["token", "list", "alice"]).ok().contains("2 left"));
    let shown = site.mfa(["user", "show", "alice", "--json"]).ok();
    assert!(!shown.contains(codes[0]), "{shown}");

    assert!(site.mfa(["recovery", "alice"]).ok().contains("older ones no longer work"));
    site.mfa(["check", "alice", codes[0]]).refused(1);
    assert_eq!(site.mfa(["token", "list", "alice", "--json"]).json().as_array().unwrap().len(), 1);
    site.mfa(["recovery", "alice", "--count", "64"]).refused(2);
    site.mfa(["recovery", "nobody"]).refused(3);
}
