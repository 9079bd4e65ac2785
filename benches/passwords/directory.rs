//! The directory under load, and the two who ask it.

use super::people::{hotp_user, secret};
use super::{MEMBERS, USERS};
use crate::harness::slapd::{SERVICE, Slapd, TOP, person};
use crate::harness::{Site, oath};
use std::fmt::Write;

/// How the directory is spoken to.
#[derive(Clone, Copy)]
pub enum Transport {
    Clear,
    Ldaps,
}

/// Which groups are read in each login.
#[derive(Clone, Copy, PartialEq)]
pub enum Groups {
    None,
    Direct,
}

/// With [`USERS`] people, each in two groups of [`MEMBERS`].
pub fn start() -> Slapd {
    let mut slapd = Slapd::start();
    fill(&mut slapd);
    slapd
}

/// The same people and groups.
pub fn fill(slapd: &mut Slapd) {
    slapd.add_offline(&content());
    slapd.unguarded();
}

fn content() -> String {
    let dn = |n: usize| format!("uid={},ou=people,{TOP}", hotp_user(n));
    let mut ldif: String = (0..USERS).map(|n| person(&hotp_user(n), &dn(n))).collect();
    for group in 0..USERS / MEMBERS {
        for (kind, of) in [("near", group * MEMBERS), ("far", group)] {
            let step = if kind == "near" { 1 } else { USERS / MEMBERS };
            write!(
                ldif,
                "dn: cn={kind}{group},ou=groups,{TOP}\nobjectClass: groupOfNames\ncn: {kind}{group}\n"
            )
            .unwrap();
            for member in 0..MEMBERS {
                writeln!(ldif, "member: {}", dn(of + member * step)).unwrap();
            }
            ldif.push('\n');
        }
    }
    ldif
}

pub fn password(n: usize) -> String {
    format!("{}-pw", hotp_user(n))
}

pub fn code(n: usize, counter: usize) -> String {
    oath::hotp(oath::Hash::Sha1, &secret(n), counter as u64, 6)
}

/// The module, with `hosts` at that port.
pub fn module(slapd: &Slapd, transport: Transport, groups: Groups, hosts: &[&str], port: u16) -> Site {
    let (transport, groups) = match (transport, groups) {
        (Transport::Clear, Groups::None) => ("clear", "none"),
        (Transport::Clear, Groups::Direct) => ("clear", "direct"),
        (Transport::Ldaps, Groups::None) => ("ldaps", "none"),
        (Transport::Ldaps, Groups::Direct) => ("ldaps", "direct"),
    };
    let hosts: String = hosts.iter().map(|host| format!("host = {host}\n")).collect();
    Site::own(
        "append",
        &format!(
            "first_factor = ldap\nhotp {{\nlook_ahead = 50\n}}\nldap {{\n{hosts}port = {port}\ntransport = {transport}\n\
             ca_file = {}\nservice_account_username = \"{}\"\nservice_account_password = \"{}\"\n\
             search_dn = \"ou=people,{TOP}\"\nusername_attribute = uid\ngroup_search_dn = \"ou=groups,{TOP}\"\n\
             groups = {groups}\n}}",
            slapd.authority.file().display(),
            SERVICE.0,
            SERVICE.1
        ),
    )
}

/// `rlm_ldap` for the password in the place of the module's own directory, and the module for the code behind it.
pub fn rlm_ldap_and_module(slapd: &Slapd, transport: Transport, groups: Groups, port: u16) -> Site {
    let ldap = rlm_ldap(slapd, transport, groups, port);
    Site {
        mfa: "mode = append\nhotp {\nlook_ahead = 50\n}".into(),
        authorize: format!("mfa\n{}", ldap.authorize),
        authenticate: "Auth-Type LDAP {\nldap\nmfa\n}".into(),
        post_auth: Site::append().post_auth,
        ..ldap
    }
}

/// `rlm_ldap` in the same place, with the pool and the times that it is shipped with.
pub fn rlm_ldap(slapd: &Slapd, transport: Transport, groups: Groups, port: u16) -> Site {
    let scheme = match transport {
        Transport::Clear => "ldap",
        Transport::Ldaps => "ldaps",
    };
    let group = match groups {
        Groups::None => String::new(),
        Groups::Direct => format!(
            "group {{\nbase_dn = 'ou=groups,{TOP}'\nfilter = '(objectClass=groupOfNames)'\nname_attribute = cn\n\
             membership_filter = \"(member=%{{control:Ldap-UserDn}})\"\ncacheable_name = yes\n}}"
        ),
    };
    let mut site = Site::passcode();
    site.modules = format!(
        "ldap {{\nserver = '{scheme}://127.0.0.1'\nport = {port}\nidentity = '{}'\npassword = '{}'\n\
         base_dn = 'ou=people,{TOP}'\n\
         update {{\ncontrol:Password-With-Header += 'userPassword'\ncontrol: += 'radiusControlAttribute'\n\
         request: += 'radiusRequestAttribute'\nreply: += 'radiusReplyAttribute'\n}}\nuser_dn = \"LDAP-UserDn\"\n\
         user {{\nbase_dn = \"${{..base_dn}}\"\nfilter = \"(uid=%{{%{{Stripped-User-Name}}:-%{{User-Name}}}})\"\n}}\n{group}\n\
         options {{\nchase_referrals = yes\nrebind = yes\nres_timeout = 10\nsrv_timelimit = 3\nnet_timeout = 1\nidle = 60\n\
         probes = 3\ninterval = 3\nldap_debug = 0x0000\n}}\ntls {{\nca_file = {}\nrequire_cert = 'demand'\n}}\n\
         pool {{\nstart = ${{thread[pool].start_servers}}\nmin = ${{thread[pool].min_spare_servers}}\n\
         max = ${{thread[pool].max_servers}}\nspare = ${{thread[pool].max_spare_servers}}\nuses = 0\nretry_delay = 30\n\
         lifetime = 0\nidle_timeout = 60\n}}\n}}",
        SERVICE.0,
        SERVICE.1,
        slapd.authority.file().display(),
    );
    site.authorize =
        "ldap\nif ((ok || updated) && User-Password) {\nupdate control {\nAuth-Type := LDAP\n}\n}".into();
    site.authenticate = "Auth-Type LDAP {\nldap\n}\nAuth-Type Stand-In {\nok\n}".into();
    site.post_auth = "ok".into();
    site
}
