//! Configurations that cannot be right: the server refuses to start and says where and why, all at once.

use crate::harness::server::listing;
use crate::harness::{Server, Site};

/// What `radiusd -XC` says to these options.
fn complaint(options: &str) -> String {
    let mut site = Site::passcode();
    site.mfa = options.into();
    let checked = Server::prepare(site).check();
    assert!(!checked.ok, "{options}: {}", checked.text);
    checked.text
}

#[test]
fn good_configuration_passes_the_check_without_side_effects() {
    let server = Server::prepare(Site::passcode());
    let before = listing(server.folder.parent().unwrap());
    let checked = server.check();
    assert!(checked.ok, "{}", checked.text);
    assert_eq!(listing(server.folder.parent().unwrap()), before);
    assert!(!server.store.exists(), "no store is made");
}

#[test]
fn all_mistakes_are_named_at_once_with_file_and_line() {
    let text = complaint(
        "mode = passcode\nmodus = append\ntotp {\nwindow_back = eleven\nwindow_forward = 99\n}\nissuer = \"\"",
    );
    for place in ["mods-enabled/mfa[3]", "mods-enabled/mfa[5]", "mods-enabled/mfa[6]"] {
        assert!(text.contains(place), "{place} in {text}");
    }
    for word in ["modus", "window_back", "window_forward"] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn unknown_mode_is_named() {
    let text = complaint("mode = challange");
    assert!(text.contains("challange") && text.contains("mods-enabled/mfa[2]"), "{text}");
}

#[test]
fn option_given_twice_is_named() {
    let text = complaint("mode = passcode\nmode = append");
    assert!(text.contains("mods-enabled/mfa[3]") && text.contains("mode"), "{text}");
}

#[test]
fn comma_within_the_name_of_a_group_is_written_as_raddb_says() {
    let with = |group: &str| {
        format!(
            "ldap {{\nhost = localhost\nsearch_dn = \"dc=test\"\ngroups = direct\nsecurity_group_dn = \"{group}\"\n}}"
        )
    };
    let text = complaint(&with("cn=Sales, Europe,dc=test"));
    assert!(text.contains("a comma within a name is written \\,"), "{text}");
    for group in ["cn=Sales\\, Europe,dc=test", "cn=Sales\\2C Europe,dc=test"] {
        let mut site = Site::passcode();
        site.mfa = with(group);
        let checked = Server::prepare(site).check();
        assert!(checked.ok, "{group}: {}", checked.text);
    }
}

#[test]
fn unknown_section_is_named() {
    let text = complaint("mode = passcode\nlockdown {\nslow_after = 3\n}");
    assert!(text.contains("lockdown") && text.contains("mods-enabled/mfa[3]"), "{text}");
}

#[test]
fn store_that_is_a_folder_is_refused() {
    let mut server = Server::prepare(Site::passcode());
    server.admin(&["init"]);
    std::fs::remove_file(server.store.join("mfa.db")).unwrap();
    std::fs::create_dir(server.store.join("mfa.db")).unwrap();
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("mfa.db"), "{refused:?}");
}

#[test]
fn module_for_another_server_version_is_refused_with_a_sentence() {
    let mut server = Server::prepare(Site::passcode());
    server.admin(&["init"]);
    let library = server.folder.join("lib/rlm_mfa.so");
    let mut octets = std::fs::read(&library).unwrap();
    // The first word of the module's table: the server's magic number.
    let magic = 0xf030_2010_0000_u64.to_le_bytes();
    let places: Vec<usize> = (0..octets.len() - 8).filter(|at| octets[*at..*at + 8] == magic).collect();
    assert!(!places.is_empty(), "the magic number of FreeRADIUS 3.2.1 is not in the module");
    for at in places {
        octets[at..at + 8].copy_from_slice(&0xf030_2030_0000_u64.to_le_bytes());
    }
    std::fs::remove_file(&library).unwrap();
    std::fs::write(&library, octets).unwrap();
    let refused = server.up().unwrap_err();
    let errors: Vec<&str> = refused.0.lines().filter(|line| line.contains("Error")).collect();
    assert!(errors.iter().any(|line| line.contains("rlm_mfa") && line.contains("mismatch")), "{errors:#?}");
}

#[test]
fn attribute_that_no_reply_can_have_is_told_with_its_line() {
    for (attribute, told) in [
        ("Filtr-Id = vpn", "\"attribute\" Filtr-Id: not in the server's dictionary"),
        ("Tunnel-Type:1 = VLNA", "\"attribute\" Tunnel-Type:1: \"VLNA\" is no value of it"),
        ("Framed-IP-Address = nowhere", "\"attribute\" Framed-IP-Address: \"nowhere\" is no value of it"),
        ("Tunnel-Type:32 = VLAN", "\"attribute\" Tunnel-Type:32: the tag must be"),
        ("Message-Authenticator = 0x00", "\"attribute\" Message-Authenticator: every answer has its own"),
    ] {
        let reply = format!(
            "reply {{\nall {{\nattribute = \"Tunnel-Type:1 = VLAN\"\nattribute = \"Framed-IP-Address = 192.0.2.1\"\n\
             attribute = \"Session-Timeout = 3600\"\nattribute = \"Class = {{user}}\"\nattribute = \"{attribute}\"\n}}\n}}"
        );
        let checked = Server::prepare(Site::passcode().with(&reply)).check();
        let line = checked.text.lines().find(|line| line.contains(told));
        assert!(
            !checked.ok && line.is_some_and(|line| line.contains("]: \"attribute\" ")),
            "{}",
            checked.text
        );
    }
}

#[test]
fn client_that_is_misspelt_in_policy_is_told_by_doctor_and_log() {
    let server = Server::prepare(Site::passcode().with("policy {\nrequired {\nclient = nosuch\n}\n}"));
    let told = "]: \"client\" of policy { }: no client \"nosuch\": ";
    let (doctor, checked) = (server.mfa(&["doctor"]).text, server.check());
    assert!(doctor.contains(told) && doctor.contains("requires the second factor of no login"), "{doctor}");
    assert!(checked.ok && checked.text.contains(told), "{}", checked.text);
}

#[test]
fn second_module_of_the_same_name_is_found_by_doctor() {
    let server = Server::prepare(Site::passcode());
    let enabled = server.folder.join("mods-enabled/more");
    std::fs::write(&enabled, "mfa {\n\tmode = append\n}\n").unwrap();
    assert!(!server.check().ok);
    let doctor = server.mfa(&["doctor"]);
    assert!(
        !doctor.ok && doctor.text.contains(": a second module \"mfa\"; the first is at "),
        "{}",
        doctor.text
    );
}
