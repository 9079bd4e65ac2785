//! Answers that cannot be forged on their way (CVE-2024-3596, "BlastRADIUS").
//!
//! Before 3.2.5 the server does not sign its answers, but it computes a Message-Authenticator (RFC 3579, section 3.2) that is in the
//! reply when the packet is encoded. As the first attribute, it makes the beginning of the answer unpredictable, which the attack
//! has to know. So one is put at the head of the reply before each call of the module, for whatever answers later, and after each
//! call, since other modules (`eap`) add their own, and the reply may have been emptied. From 3.2.5 on the server puts its own in
//! front, and passes over this one.

use super::instance::{MfaModule, shown_user};
use crate::config::clients;
use crate::freeradius::{AttributeList, LogLevel, Rcode, Request, code, limits_proxy_state};

/// The reason of the refusal, in the server's log and in Module-Failure-Message.
const UNSIGNED_PROXY: &str = "Proxy-State without Message-Authenticator";

impl MfaModule {
    /// Makes a Message-Authenticator the first attribute of the reply, and its only one.
    pub(super) fn sign_reply(&self, request: &mut Request<'_>) {
        // The reply of a request in a tunnel is not sent as a packet.
        if request.code() != code::ACCESS_REQUEST || request.outer().is_some() {
            return;
        }
        let signature = self.attributes.message_authenticator;
        // The server appends this list to the reply.
        request.remove(AttributeList::ProxyReply, signature);
        if !request.is_first(AttributeList::Reply, signature)
            && !request.set_first(AttributeList::Reply, signature, &[0; 16])
        {
            request.log(LogLevel::Error, &format!("{}: no memory to sign the answer", self.name));
        }
    }

    /// Whether the packet may hold a Proxy-State that an attacker between client and server has put there, in order to forge the answer
    /// that it is copied into. Only a client that signs its packets, or is known to be a proxy, may send one.
    pub(super) fn is_forgeable(&self, request: &mut Request<'_>) -> bool {
        let has = |attribute| request.has_value(AttributeList::Request, attribute);
        !limits_proxy_state()
            && request.code() == code::ACCESS_REQUEST
            && has(self.attributes.proxy_state)
            && !has(self.attributes.message_authenticator)
            && request.outer().is_none()
            && !request.is_encrypted()
            && !request.client_option(clients::PROXY).is_some_and(|value| clients::is_yes(&value))
    }

    /// Refuses such a packet. Its Proxy-State is not copied into the answer.
    pub(super) fn refuse_forgeable(&self, request: &mut Request<'_>) -> Rcode {
        let source = self.attributes.attempt_source(request);
        let user = String::from_utf8_lossy(&self.attributes.user(request)).into_owned();
        let line = format!(
            "{}: {UNSIGNED_PROXY}, client {}: the answer could be forged (have this client send Message-Authenticator, or, if it is a \
             proxy that cannot, set {} = yes in its section of clients.conf)",
            shown_user(&user),
            source.client,
            clients::PROXY
        );
        request.log(LogLevel::Error, &line);
        request.failure(UNSIGNED_PROXY);
        request.remove(AttributeList::Request, self.attributes.proxy_state);
        Rcode::Reject
    }
}
