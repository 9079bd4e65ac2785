//! Answers that cannot be forged on their way (CVE-2024-3596, "BlastRADIUS").
//!
//! Before 3.2.5 the server signs no answer of its own accord. A Message-Authenticator (RFC 3579, section 3.2) that is
//! in the reply when a packet is encoded is computed by the server; where it stands first, the octets before it
//! cannot be predicted what they might bring into the answer themselves. So it is put at the head of the reply as
//! soon as the module is called, for whatever answers later, and again after each call, since modules add their own
//! (`eap`) and replies are emptied on the way. From 3.2.5 on the server adds its own first, and passes this one over.

use super::instance::{MfaModule, shown_user};
use crate::config::clients;
use crate::freeradius::{AttributeList, LogLevel, Rcode, Request, code, limits_proxy_state};

/// What is refused, in the server's log and in Module-Failure-Message.
const UNSIGNED_PROXY: &str = "Proxy-State without Message-Authenticator";

impl MfaModule {
    /// Makes a Message-Authenticator the first attribute of what the client will be answered, and the only one.
    pub(super) fn sign(&self, request: &mut Request<'_>) {
        // What is answered in a tunnel is no packet.
        if request.code() != code::ACCESS_REQUEST || request.outer().is_some() {
            return;
        }
        let signature = self.attributes.message_authenticator;
        // The server puts this list behind the reply.
        request.remove(AttributeList::ProxyReply, signature);
        if !request.is_first(AttributeList::Reply, signature)
            && !request.set_first(AttributeList::Reply, signature, &[0; 16])
        {
            request.log(LogLevel::Error, &format!("{}: no memory to sign the answer", self.name));
        }
    }

    /// Whether an attacker between client and server could have put a Proxy-State into the packet, in order to forge the answer that it is
    /// copied into. Only a client that signs its packets, or that is known to be a proxy, may send one.
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

    /// Refuses it. Its Proxy-State does not come back.
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
