//! What the answer to a user's bind means. Success is only what says nothing else.
//!
//! Active Directory hides the reason in the diagnostic text (`data 532`), OpenLDAP in the control of the password policy
//! (draft-behera-ldap-password-policy), others in an older control. One of these may turn a success into a refusal.

use super::ber;
use super::error::LdapFault;
use crate::engine::directory::AuthFailure;
use crate::types::Printable;
use ldap3::LdapResult;

/// The password policy's control, of requests and of answers.
pub(super) const POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// The password has expired; beside a success, it has to be changed (draft-vchu-ldap-pwd-policy).
const EXPIRED: &str = "2.16.840.1.113730.3.4.4";

/// Result codes of RFC 4511, appendix A.
mod rc {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const CONSTRAINT_VIOLATION: u32 = 19;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
    pub(super) const BUSY: u32 = 51;
    pub(super) const UNAVAILABLE: u32 = 52;
    pub(super) const UNWILLING_TO_PERFORM: u32 = 53;
    pub(super) const OTHER: u32 = 80;
}

/// Whether the bind has proved the password of a user who may log in.
pub(super) fn of_bind(answer: &LdapResult) -> Result<Result<(), AuthFailure>, LdapFault> {
    let text = Printable::new(&answer.text);
    Ok(match answer.rc {
        rc::SUCCESS => match policy_failure(answer)? {
            Some(denied) => Err(denied),
            None if has_control(answer, EXPIRED) => Err(AuthFailure::MustChange),
            None => Ok(()),
        },
        rc::INVALID_CREDENTIALS => Err(match (of_active_directory(&answer.text), policy_failure(answer)?) {
            (Some(denied), _) | (None, Some(denied)) => denied,
            (None, None) if has_control(answer, EXPIRED) => AuthFailure::Expired,
            (None, None) => AuthFailure::Wrong,
        }),
        // The entry is gone, or has no password.
        rc::NO_SUCH_OBJECT | rc::INAPPROPRIATE_AUTHENTICATION => Err(AuthFailure::Wrong),
        // How some say that there were too many tries, or that the account is switched off.
        rc::CONSTRAINT_VIOLATION | rc::UNWILLING_TO_PERFORM => Err(AuthFailure::Locked),
        rc::BUSY | rc::UNAVAILABLE | rc::OTHER => {
            return Err(LdapFault::Unreachable(format!("bind: result code {}: {text}", answer.rc)));
        }
        other => return Err(LdapFault::Settled(format!("bind: result code {other}: {text}"))),
    })
}

/// The Windows error that Active Directory names, in hexadecimal: `80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext
/// error, data 52e, v4563`.
fn of_active_directory(text: &str) -> Option<AuthFailure> {
    let (_, rest) = text.split_once("data ")?;
    let code = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    Some(match code.to_ascii_lowercase().as_str() {
        "525" => AuthFailure::Unknown,
        "52e" => AuthFailure::Wrong,
        "530" | "531" => AuthFailure::Restricted,
        "532" => AuthFailure::Expired,
        "533" | "701" => AuthFailure::Disabled,
        "773" => AuthFailure::MustChange,
        "775" => AuthFailure::Locked,
        _ => return None,
    })
}

fn has_control(answer: &LdapResult, control: &str) -> bool {
    answer.ctrls.iter().any(|found| found.1.ctype == control)
}

/// What the password policy has against it. A control that cannot be read leaves open whether it has.
fn policy_failure(answer: &LdapResult) -> Result<Option<AuthFailure>, LdapFault> {
    for control in answer.ctrls.iter().filter(|control| control.1.ctype == POLICY) {
        let value = control.1.val.as_deref().unwrap_or_default();
        let error = policy_error(value).ok_or_else(|| {
            LdapFault::Answered("bind: the password policy's control cannot be read".to_owned())
        })?;
        match error {
            None => {}
            Some(0) => return Ok(Some(AuthFailure::Expired)),
            Some(1) => return Ok(Some(AuthFailure::Locked)),
            Some(2) => return Ok(Some(AuthFailure::MustChange)),
            // The others concern changing passwords, which is not done here.
            Some(other) => {
                return Err(LdapFault::Answered(format!("bind: error {other} of the password policy")));
            }
        }
    }
    Ok(None)
}

/// The error in a PasswordPolicyResponseValue, if there is one; `None` if it is no such value.
fn policy_error(value: &[u8]) -> Option<Option<u32>> {
    if value.is_empty() {
        return Some(None);
    }
    let (mut content, rest) = ber::expect_element(value, 0x30)?;
    if !rest.is_empty() {
        return None;
    }
    let mut error = None;
    while !content.is_empty() {
        let (tag, inner, rest) = ber::read_element(content)?;
        match tag {
            // warning: so many seconds or logins are left.
            0xa0 => {}
            0x81 => error = Some(ber::read_number(inner)?),
            _ => return None,
        }
        content = rest;
    }
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::{Control, RawControl};

    fn answer(rc: u32, text: &str, controls: &[(&str, &[u8])]) -> LdapResult {
        let control = |(ctype, val): &(&str, &[u8])| {
            Control(None, RawControl { ctype: (*ctype).to_owned(), crit: false, val: Some(val.to_vec()) })
        };
        let ctrls = controls.iter().map(control).collect();
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: Vec::new(), ctrls }
    }

    fn denied(rc: u32, text: &str, controls: &[(&str, &[u8])]) -> Option<AuthFailure> {
        of_bind(&answer(rc, text, controls)).unwrap().err()
    }

    #[test]
    fn active_directory_tells_why() {
        for (code, why) in [
            ("525", AuthFailure::Unknown),
            ("52e", AuthFailure::Wrong),
            ("52E", AuthFailure::Wrong),
            ("530", AuthFailure::Restricted),
            ("531", AuthFailure::Restricted),
            ("532", AuthFailure::Expired),
            ("533", AuthFailure::Disabled),
            ("701", AuthFailure::Disabled),
            ("773", AuthFailure::MustChange),
            ("775", AuthFailure::Locked),
            ("7ff", AuthFailure::Wrong),
            ("", AuthFailure::Wrong),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code}, v4563"
            );
            assert_eq!(denied(49, &text, &[]), Some(why), "{code}");
        }
    }

    #[test]
    fn policy_can_refuse_a_bind_that_succeeded() {
        for (value, why) in [
            (&[0x30, 3, 0x81, 1, 0][..], Some(AuthFailure::Expired)),
            (&[0x30, 3, 0x81, 1, 1], Some(AuthFailure::Locked)),
            (&[0x30, 3, 0x81, 1, 2], Some(AuthFailure::MustChange)),
            (&[0x30, 0], None),
            (&[], None),
            (&[0x30, 5, 0xa0, 3, 0x80, 1, 9], None),
            (&[0x30, 8, 0xa0, 3, 0x80, 1, 9, 0x81, 1, 2], Some(AuthFailure::MustChange)),
        ] {
            assert_eq!(denied(0, "", &[(POLICY, value)]), why, "{value:?}");
        }
        assert_eq!(denied(0, "", &[(EXPIRED, b"0")]), Some(AuthFailure::MustChange));
        assert_eq!(denied(49, "", &[(EXPIRED, b"0")]), Some(AuthFailure::Expired));
        assert_eq!(denied(49, "", &[(POLICY, &[0x30, 3, 0x81, 1, 1])]), Some(AuthFailure::Locked));
    }

    #[test]
    fn what_cannot_be_understood_is_no_success() {
        for value in
            [&[0x30, 3, 0x81, 1][..], &[0x31, 0], &[0x30, 0, 0], &[0x30, 3, 0x82, 1, 2], &[0x30, 2, 0x81, 0]]
        {
            assert!(of_bind(&answer(0, "", &[(POLICY, value)])).is_err(), "{value:?}");
        }
        for rc in [1, 2, 7, 8, 10, 13, 14, 50, 51, 52, 80, 118, 4711] {
            assert!(of_bind(&answer(rc, "", &[])).is_err(), "{rc}");
        }
        for rc in [19, 32, 48, 49, 53] {
            assert!(denied(rc, "", &[]).is_some(), "{rc}");
        }
    }
}
