//! Datagrams that a client sends again: how one is recognised, and when the decision on it is kept.
//!
//! An accept is kept once the guard lets it pass, a challenge when it is sent. Nothing of EAP or of a tunnel is kept.

use super::instance::MfaModule;
use crate::app::DatagramDigest;
use crate::engine::{DatagramRecord, Decision, EarlierDecision, PacketRole};
use crate::freeradius::{Rcode, Request};
use std::sync::Arc;

impl MfaModule {
    /// A keyed digest of the request's datagram and of its client's address, but not of its port. `None` in a tunnel, and for a packet
    /// of an EAP conversation.
    pub(super) fn datagram_digest(&self, request: &mut Request<'_>) -> Option<[u8; 32]> {
        if request.outer().is_some() || self.attributes.is_eap(request) || request.datagram().is_empty() {
            return None;
        }
        let client = request.client()?.to_string();
        self.app.as_ref().map(|app| app.attempt_digest(&[b"datagram", client.as_bytes(), request.datagram()]))
    }

    /// The key under which the decision on the datagram is kept: also of the ports and of the server's address.
    fn datagram_key(&self, request: &mut Request<'_>) -> Option<DatagramDigest> {
        let datagram = self.datagram_digest(request)?;
        let server = request.server_address().map(|address| address.to_string()).unwrap_or_default();
        let (from, to) = (request.client_port().to_be_bytes(), request.server_port().to_be_bytes());
        self.app.as_ref()?.datagram_key(&[&datagram, &from, server.as_bytes(), &to])
    }

    /// The earlier decision on the request's datagram, if it is known.
    pub(super) fn earlier_decision(&self, request: &mut Request<'_>) -> DatagramRecord {
        let key = self.datagram_key(request);
        self.app.as_ref().map(|app| app.earlier_decision(key)).unwrap_or_default()
    }

    /// Holds an accept until the guard lets it pass.
    pub(super) fn hold_accept(&self, request: &mut Request<'_>, decision: &Decision) {
        let role = PacketRole::for_challenge(self.answers_challenge(request).as_ref());
        if let Some(decision) = EarlierDecision::new(decision, role) {
            request.note_beside(Arc::new(decision));
        }
    }

    /// Keeps the accept that the guard lets pass, so that the same datagram is accepted again.
    pub(super) fn keep_accept(&self, request: &mut Request<'_>) {
        let held = request.noted_beside::<Arc<EarlierDecision>>().map(Arc::clone);
        if let (Some(app), Some(decision)) = (&self.app, held)
            && let Some(key) = self.datagram_key(request)
        {
            app.keep_decision(key, decision);
        }
    }

    /// The same where the guard itself has decided. Returns `result`.
    pub(super) fn keep_decision(&self, request: &mut Request<'_>, result: Rcode) -> Rcode {
        if result == Rcode::Ok {
            self.keep_accept(request);
        }
        result
    }

    /// Keeps a challenge that is sent now.
    pub(super) fn keep_challenge(&self, request: &mut Request<'_>, decision: &Decision) {
        let role = PacketRole::for_challenge(self.answers_challenge(request).as_ref());
        if let (Some(app), Some(decision)) = (&self.app, EarlierDecision::new(decision, role))
            && let Some(key) = self.datagram_key(request)
        {
            app.keep_decision(key, Arc::new(decision));
        }
    }
}
