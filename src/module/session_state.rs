//! Tickets in the session-state of an EAP conversation: left for a later packet or for the outer server, and redeemed there. What a
//! ticket is worth: [`ticket`].

use super::attributes::ModuleAttributes;
use super::ticket::{self, TicketContents, TicketPurpose, TunnelQuestion};
use crate::freeradius::{AttributeList, Request};

/// The purpose of a redeemed ticket.
pub(super) enum RedeemedTicket {
    /// The request is let in.
    LetIn,
    /// Its user is to be asked first.
    Question(TunnelQuestion),
    /// The server around its tunnel is to ask first.
    Deferred,
}

impl ModuleAttributes {
    /// In an EAP conversation the accept comes with a later packet, unless `eap` has made it already: leaves a ticket for it.
    pub(super) fn keep_for_next_packet(&self, request: &mut Request<'_>) -> bool {
        let is_tunnelled = request.outer().is_some();
        if !is_tunnelled && !self.is_within_eap(request) {
            return true;
        }
        let user = self.user(request);
        self.leave_ticket(
            request,
            user,
            if is_tunnelled { TicketPurpose::Inner } else { TicketPurpose::Direct },
        )
    }

    /// Puts a ticket into the session-state of the conversation, in place of an earlier one: that of the outer request, where
    /// there is a tunnel, since a tunnelled one's does not survive it. `false`, and there is none, if the earlier one is
    /// another user's, or too old to tell; or if there is a tunnel in a tunnel, whose name in between is anybody's.
    pub(super) fn leave_ticket(
        &self,
        request: &mut Request<'_>,
        user: Vec<u8>,
        purpose: TicketPurpose,
    ) -> bool {
        if let Some(mut outer) = request.outer() {
            return outer.outer().is_none() && self.leave_ticket_here(&mut outer, user, purpose);
        }
        self.leave_ticket_here(request, user, purpose)
    }

    fn leave_ticket_here(&self, request: &mut Request<'_>, user: Vec<u8>, purpose: TicketPurpose) -> bool {
        let session = request.session();
        let earlier = request.values(AttributeList::SessionState, self.ticket);
        request.remove(AttributeList::SessionState, self.ticket);
        let is_his = |ticket: &Vec<u8>| {
            ticket::redeem_ticket(ticket, session, |_| true).is_some_and(|pass| pass.user == user)
        };
        if !earlier.iter().all(is_his) {
            return false;
        }
        ticket::issue_ticket(TicketContents { user, session, purpose })
            .is_some_and(|ticket| request.set(AttributeList::SessionState, self.ticket, &ticket.0))
    }

    /// What an earlier packet, or the tunnel, left for this request. Takes it, but for a question that is another server's to
    /// put.
    pub(super) fn redeem_ticket(&self, request: &mut Request<'_>) -> Option<RedeemedTicket> {
        let user = self.user(request);
        let Some(mut outer) = request.outer() else {
            let wanted = |pass: &TicketContents| match pass.purpose {
                TicketPurpose::Direct => pass.user == user,
                TicketPurpose::Outer | TicketPurpose::Ask(_) => true,
                TicketPurpose::Inner => false,
            };
            return match self.take_ticket(request, wanted)?.purpose {
                TicketPurpose::Ask(question) => Some(RedeemedTicket::Question(question)),
                _ => Some(RedeemedTicket::LetIn),
            };
        };
        let session = outer.session();
        let tickets = outer.values(AttributeList::SessionState, self.ticket);
        if tickets.iter().any(|ticket| ticket::is_question(ticket, session, &user)) {
            return Some(RedeemedTicket::Deferred);
        }
        let wanted =
            |pass: &TicketContents| matches!(pass.purpose, TicketPurpose::Inner) && pass.user == user;
        self.take_ticket(&mut outer, wanted).map(|_| RedeemedTicket::LetIn)
    }

    fn take_ticket(
        &self,
        request: &mut Request<'_>,
        wanted: impl Fn(&TicketContents) -> bool,
    ) -> Option<TicketContents> {
        let tickets = request.values(AttributeList::SessionState, self.ticket);
        let [ticket] = tickets.as_slice() else { return None };
        let pass = ticket::redeem_ticket(ticket, request.session(), wanted)?;
        request.remove(AttributeList::SessionState, self.ticket);
        Some(pass)
    }
}
