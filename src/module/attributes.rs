//! The attributes that the module reads and writes: its own, which it registers, and the server's, looked up once.

use crate::config::profile::ClientProfile;
use crate::freeradius::{
    self, Attribute, AttributeKind, MissingAttribute, find_attribute, register_attribute, register_value,
};

/// The value of `MFA-Mode := passcode`.
pub(super) const MODE_PASSCODE: u16 = 1;
/// The value of `MFA-Mode := append`.
pub(super) const MODE_APPEND: u16 = 2;
/// The value of `MFA-Mode := challenge`.
pub(super) const MODE_CHALLENGE: u16 = 3;
/// The value of `MFA-Mode := auto`.
pub(super) const MODE_AUTO: u16 = 4;

/// Every attribute that the module uses, its own and the server's.
pub(super) struct ModuleAttributes {
    pub(super) user_name: Attribute,
    pub(super) user_password: Attribute,
    pub(super) chap_password: Attribute,
    pub(super) chap_challenge: Attribute,
    pub(super) ms_chap_challenge: Attribute,
    pub(super) ms_chap_response: Attribute,
    pub(super) ms_chap2_response: Attribute,
    pub(super) ms_chap_user_name: Attribute,
    pub(super) ms_chap2_success: Attribute,
    pub(super) eap_message: Attribute,
    pub(super) eap_type: Attribute,
    pub(super) calling_station: Attribute,
    pub(super) service_type: Attribute,
    pub(super) auth_type: Attribute,
    pub(super) mfa_mode: Attribute,
    pub(super) mfa_exempt: Attribute,
    pub(super) mfa_group: Attribute,
    pub(super) mfa_remember: Attribute,
    pub(super) mfa_user: Attribute,
    pub(super) mfa_wait_limit: Attribute,
    pub(super) mfa_dialogue: Attribute,
    pub(super) mfa_profile: Attribute,
    pub(super) mfa_language: Attribute,
    pub(super) prompt: Attribute,
    pub(super) nas_identifier: Attribute,
    pub(super) nas_port: Attribute,
    pub(super) nas_port_type: Attribute,
    pub(super) called_station: Attribute,
    pub(super) acct_session_id: Attribute,
    pub(super) state: Attribute,
    pub(super) reply_message: Attribute,
    pub(super) cleartext_password: Attribute,
    pub(super) nt_password: Attribute,
    pub(super) lm_password: Attribute,
    pub(super) use_ntlm_auth: Attribute,
    pub(super) result: Attribute,
    pub(super) factor: Attribute,
    pub(super) token: Attribute,
    pub(super) reason: Attribute,
    pub(super) message_authenticator: Attribute,
    pub(super) proxy_state: Attribute,
    pub(super) response_type: Attribute,
    /// Not in the dictionary of every server.
    pub(super) response_delay: Option<Attribute>,
    pub(super) ticket: Attribute,
    /// Those that profiles name for the end user's address, as far as the dictionary has them.
    stations: Vec<(&'static str, Attribute)>,
}

impl ModuleAttributes {
    /// Adds the module's attributes to the dictionary, before unlang that names them is compiled.
    ///
    /// # Errors
    ///
    /// A name is taken by another attribute, or no number is free.
    pub(super) fn register_attributes() -> Result<(), freeradius::Error> {
        for name in [
            "MFA-User",
            "MFA-Group",
            "MFA-Profile",
            "MFA-Language",
            "MFA-Result",
            "MFA-Factor",
            "MFA-Token",
            "MFA-Reason",
        ] {
            register_attribute(name, AttributeKind::String)?;
        }
        register_attribute("MFA-Ticket", AttributeKind::Octets)?;
        register_attribute("MFA-Mode", AttributeKind::Integer)?;
        for (name, value) in [
            ("passcode", MODE_PASSCODE),
            ("append", MODE_APPEND),
            ("challenge", MODE_CHALLENGE),
            ("auto", MODE_AUTO),
        ] {
            register_value("MFA-Mode", name, value)?;
        }
        register_attribute("MFA-Wait-Limit", AttributeKind::Integer)?;
        for name in ["MFA-Dialogue", "MFA-Exempt", "MFA-Remember"] {
            register_attribute(name, AttributeKind::Integer)?;
            register_value(name, "no", 0)?;
            register_value(name, "yes", 1)?;
        }
        Ok(())
    }

    /// Looks all of them up.
    pub(super) fn find_attributes() -> Result<Self, MissingAttribute> {
        Ok(Self {
            user_name: find_attribute("User-Name")?,
            user_password: find_attribute("User-Password")?,
            chap_password: find_attribute("CHAP-Password")?,
            chap_challenge: find_attribute("CHAP-Challenge")?,
            ms_chap_challenge: find_attribute("MS-CHAP-Challenge")?,
            ms_chap_response: find_attribute("MS-CHAP-Response")?,
            ms_chap2_response: find_attribute("MS-CHAP2-Response")?,
            ms_chap_user_name: find_attribute("MS-CHAP-User-Name")?,
            ms_chap2_success: find_attribute("MS-CHAP2-Success")?,
            eap_message: find_attribute("EAP-Message")?,
            eap_type: find_attribute("EAP-Type")?,
            calling_station: find_attribute("Calling-Station-Id")?,
            service_type: find_attribute("Service-Type")?,
            auth_type: find_attribute("Auth-Type")?,
            mfa_mode: find_attribute("MFA-Mode")?,
            mfa_exempt: find_attribute("MFA-Exempt")?,
            mfa_group: find_attribute("MFA-Group")?,
            mfa_remember: find_attribute("MFA-Remember")?,
            mfa_user: find_attribute("MFA-User")?,
            mfa_wait_limit: find_attribute("MFA-Wait-Limit")?,
            mfa_dialogue: find_attribute("MFA-Dialogue")?,
            mfa_profile: find_attribute("MFA-Profile")?,
            mfa_language: find_attribute("MFA-Language")?,
            prompt: find_attribute("Prompt")?,
            nas_identifier: find_attribute("NAS-Identifier")?,
            nas_port: find_attribute("NAS-Port")?,
            nas_port_type: find_attribute("NAS-Port-Type")?,
            called_station: find_attribute("Called-Station-Id")?,
            acct_session_id: find_attribute("Acct-Session-Id")?,
            state: find_attribute("State")?,
            reply_message: find_attribute("Reply-Message")?,
            cleartext_password: find_attribute("Cleartext-Password")?,
            nt_password: find_attribute("NT-Password")?,
            lm_password: find_attribute("LM-Password")?,
            use_ntlm_auth: find_attribute("MS-CHAP-Use-NTLM-Auth")?,
            result: find_attribute("MFA-Result")?,
            factor: find_attribute("MFA-Factor")?,
            token: find_attribute("MFA-Token")?,
            reason: find_attribute("MFA-Reason")?,
            message_authenticator: find_attribute("Message-Authenticator")?,
            proxy_state: find_attribute("Proxy-State")?,
            response_type: find_attribute("Response-Packet-Type")?,
            response_delay: find_attribute("FreeRADIUS-Response-Delay-USec").ok(),
            ticket: find_attribute("MFA-Ticket")?,
            stations: {
                let names = ClientProfile::ALL.iter().filter_map(|profile| profile.station);
                names.filter_map(|name| Some((name, find_attribute(name).ok()?))).collect()
            },
        })
    }

    /// The attribute of that name, which a profile has for the end user's address.
    pub(super) fn station_attribute(&self, name: &str) -> Option<Attribute> {
        self.stations.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}
