//! Secrets taken over as people have them: from other programs, printed papers, spreadsheets.

use super::site::{SECRET, Site, code, uri_in};

/// Enrols alice a token by counter with what stands in a file, and says its first codes.
fn codes(site: &Site, file: &[u8], options: &[&str]) -> Vec<String> {
    let path = site.path("secret.txt");
    std::fs::write(&path, file).unwrap();
    let add = ["token", "add", "alice", "hotp", "--secret-file", path.to_str().unwrap()];
    let uri = uri_in(&site.mfa(add.iter().chain(options)).ok());
    site.mfa(["token", "delete", "alice", &serial(site), "--yes"]).ok();
    (0..3).map(|counter| code(&uri, counter)).collect()
}

fn serial(site: &Site) -> String {
    site.mfa(["token", "list", "alice", "--json"]).json()[0]["serial"].as_str().unwrap().to_owned()
}

#[test]
fn secrets_are_taken_over_as_people_have_them() {
    let site = Site::with_alice();
    let known = ["755224", "287082", "359152"];
    let utf16: Vec<u8> = "\u{feff}\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for file in [
        &b"gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n"[..],
        b"\xef\xbb\xbfGEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ\r\n",
        b"\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====\"",
        b"hex:3132333435363738393031323334353637383930",
        b"'otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&counter=0&algorithm=HmacSHA1'",
        &utf16,
    ] {
        assert_eq!(codes(&site, file, &[]), known, "{}", String::from_utf8_lossy(file));
    }
    let hex = b"31 32 33 34 35 36 37 38 39 30 31 32 33 34 35 36 37 38 39 30";
    assert_eq!(codes(&site, hex, &["--hex"]), known);
    // Bits that are left over at the end, as Microsoft's sample has them.
    assert_eq!(codes(&site, b"2234567abcdef2234567abcdef", &[]), ["375195", "211120", "982277"]);
    assert_eq!(codes(&site, b"J3WWIV3PTGJPQV5QAICM", &[]), ["926157", "850668", "046373"]);
    let without = format!("otpauth://hotp/a?secret={SECRET}");
    codes(&site, without.as_bytes(), &["--counter", "7"]);
}

#[test]
fn each_mistake_in_a_secret_is_told_as_it_is() {
    let site = Site::with_alice();
    for (file, options, says) in [
        ("GEZDGNBVGY3TQOJQG", &[][..], "17 characters"),
        ("GEZDGNBVGY3TQO0Q", &[], "holds a 0"),
        ("GEZDGNBVGY3TQO1Q", &[], "holds a 1"),
        ("3132333435363738393031323334353637383930", &[], "hex:"),
        ("hex:313233343536373839303", &[], "odd number"),
        ("GEZDGNBVGY3TQOJQ", &["--hex"], "no hex digit"),
        ("GEZDGNBVGY3TQO?Q", &[], "character 15"),
        ("MFRGG", &[], "10 to 128"),
        ("\"\"", &[], "empty"),
        ("otpauth-migration://offline?data=CjEKCkhlbGxv", &[], "export of Google Authenticator"),
        ("https://example.test/x", &[], "not an otpauth"),
        ("otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ", &[], "--counter"),
        ("otpauth://hotp/a?counter=1", &[], "no secret"),
        ("otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ&counter=1&algorithm=MD5", &[], "SHA256"),
    ] {
        site.write("secret.txt", file);
        let path = site.path("secret.txt");
        let add = ["token", "add", "alice", "hotp", "--secret-file", path.to_str().unwrap()];
        let told = site.mfa(add.iter().chain(options)).refused(2);
        assert!(told.contains(says) && told.lines().count() == 1, "{file}: {told}");
        assert!(file.len() < 12 || !told.contains(file), "the secret is not told: {told}");
    }
    let uri = format!("otpauth://hotp/a?secret={SECRET}&counter=1");
    assert!(
        site.mfa(["token", "add", "alice", "hotp", "--secret", &uri]).refused(2).contains("--secret-file")
    );
    assert!(site.mfa(["token", "add", "alice", "hotp", "--hex"]).refused(2).contains("--secret"));
    assert_eq!(site.mfa(["token", "list", "alice", "--json"]).json(), serde_json::json!([]));
}
