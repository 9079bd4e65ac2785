//! Any octets as what an LDAP server says before TLS, as its answer to a bind, and as what is read of an entry: no bind proves a
//! password but by success without an objection, and nothing of an entry gets out of the filter that it becomes part of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::directory::fuzz::ldap::{bind, primary_group, start_tls};
use rlm_mfa::types::DistinguishedName;

/// The controls that can turn a success into a refusal, and one that cannot.
const CONTROLS: [&str; 3] =
    ["1.3.6.1.4.1.42.2.27.8.5.1", "2.16.840.1.113730.3.4.4", "2.16.840.1.113730.3.4.5"];

/// The longest answer that is read before TLS.
const LONGEST: usize = 4096 + 6;

fuzz_target!(|octets: &[u8]| {
    let (read, is_yes) = start_tls(octets);
    assert!(read <= octets.len() && read <= LONGEST.max(octets.len().min(LONGEST)));
    if is_yes {
        assert_eq!(octets[0], 0x30);
        // Nothing behind the answer has a say in it.
        assert_eq!(start_tls(&octets[..read]), (read, true));
        assert!((0..read).all(|length| !start_tls(&octets[..length]).1));
    }

    let [code, control, rest @ ..] = octets else { return };
    let text = String::from_utf8_lossy(rest);
    let controls = CONTROLS.get(usize::from(*control)).map(|control| (*control, rest));
    let proves = bind(u32::from(*code), &text, controls.as_slice());
    if proves {
        assert_eq!(*code, 0);
        match control {
            0 => assert!(rest.is_empty() || rest[0] == 0x30),
            1 => panic!("the password has expired"),
            _ => {}
        }
    }

    let dn = DistinguishedName::parse(&text);
    if let Ok(dn) = &dn {
        assert_eq!(DistinguishedName::parse(dn.as_str()).as_ref(), Ok(dn));
    }
    let (sid, name) = rest.split_at(rest.len().min(usize::from(*control)));
    let name = String::from_utf8_lossy(name);
    for group in ["513", "4294967295", "4294967296", "-1", &text] {
        if let Some(filter) = primary_group(&name, sid, group) {
            let inner = filter.strip_prefix("(objectSid=").and_then(|rest| rest.strip_suffix(')'));
            let inner = inner.expect("a filter");
            assert!(inner.bytes().all(|c| c == b'\\' || c.is_ascii_hexdigit()), "{filter}");
            assert_eq!(inner.len(), sid.len() * 3);
        }
    }
});
