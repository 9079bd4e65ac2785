//! Tickets in the session-state of an EAP conversation: left for a later packet or for the outer server, and redeemed there. [`ticket`]
//! explains them.

use super::attributes::ModuleAttributes;
use super::ticket::{self, TicketContents, TicketPurpose, TunnelQuestion};
use crate::freeradius::{AttributeList, Request};

/// What a ticket was good for.
pub(super) enum RedeemedTicket {
    /// The request is let in.
    LetIn,
    /// Its user is to be asked first.
    Question(TunnelQuestion),
    /// The server around its tunnel is to ask first.
    Deferred,
}

/// What became of an accept, or a question, that a later packet is to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum TicketOutcome {
    /// A ticket is in the session-state, or none is needed.
    Kept,
    /// There is none: the conversation is another user's, or runs in a tunnel in a tunnel, whose name in between is
    /// unverified; or the system has no memory or no random octets.
    Refused,
}

impl TicketOutcome {
    fn kept_if(is_kept: bool) -> Self {
        if is_kept { Self::Kept } else { Self::Refused }
    }
}

impl ModuleAttributes {
    /// Leaves a ticket for the accept in an EAP conversation: it comes with a later packet, unless `eap` has made it already.
    pub(super) fn keep_for_next_packet(&self, request: &mut Request<'_>) -> TicketOutcome {
        let is_tunnelled = request.outer().is_some();
        if !is_tunnelled && !self.is_within_eap(request) {
            return TicketOutcome::Kept;
        }
        let user = self.user(request);
        self.leave_ticket(
            request,
            user,
            if is_tunnelled { TicketPurpose::Inner } else { TicketPurpose::Direct },
        )
    }

    /// Puts a ticket into the session-state of the conversation, in place of an earlier one: that of the outer request, where
    /// there is a tunnel, since a tunnelled one's does not survive it.
    pub(super) fn leave_ticket(
        &self,
        request: &mut Request<'_>,
        user: Vec<u8>,
        purpose: TicketPurpose,
    ) -> TicketOutcome {
        let Some(mut outer) = request.outer() else {
            return self.leave_ticket_here(request, user, purpose);
        };
        if outer.outer().is_some() {
            return TicketOutcome::Refused;
        }
        self.leave_ticket_here(&mut outer, user, purpose)
    }

    fn leave_ticket_here(
        &self,
        request: &mut Request<'_>,
        user: Vec<u8>,
        purpose: TicketPurpose,
    ) -> TicketOutcome {
        let session = request.session();
        let earlier = request.secrets(AttributeList::SessionState, self.ticket);
        request.remove(AttributeList::SessionState, self.ticket);
        for ticket in earlier {
            let of_same_user = |contents: &TicketContents| contents.user == user;
            // One that is too old to be known is treated as another user's.
            if !ticket::redeem_ticket(ticket.expose(), session, |_| true).as_ref().is_some_and(of_same_user) {
                return TicketOutcome::Refused;
            }
        }
        let ticket = ticket::issue_ticket(TicketContents { user, session, purpose });
        TicketOutcome::kept_if(
            ticket.is_some_and(|ticket| request.set(AttributeList::SessionState, self.ticket, &ticket.0)),
        )
    }

    /// Redeems the ticket that an earlier packet, or the tunnel, left for this request. A question that the outer server asks is read,
    /// and not redeemed.
    pub(super) fn redeem_ticket(&self, request: &mut Request<'_>) -> Option<RedeemedTicket> {
        let user = self.user(request);
        let Some(mut outer) = request.outer() else {
            let wanted = |contents: &TicketContents| match contents.purpose {
                TicketPurpose::Direct => contents.user == user,
                TicketPurpose::Outer | TicketPurpose::Ask(_) => true,
                TicketPurpose::Inner => false,
            };
            return match self.take_ticket(request, wanted)?.purpose {
                TicketPurpose::Ask(question) => Some(RedeemedTicket::Question(question)),
                _ => Some(RedeemedTicket::LetIn),
            };
        };
        let session = outer.session();
        let tickets = outer.secrets(AttributeList::SessionState, self.ticket);
        if tickets.iter().any(|ticket| ticket::is_question(ticket.expose(), session, &user)) {
            return Some(RedeemedTicket::Deferred);
        }
        let wanted = |contents: &TicketContents| {
            matches!(contents.purpose, TicketPurpose::Inner) && contents.user == user
        };
        self.take_ticket(&mut outer, wanted).map(|_| RedeemedTicket::LetIn)
    }

    /// Redeems the only ticket of a request, if it is `wanted`, and removes it.
    fn take_ticket(
        &self,
        request: &mut Request<'_>,
        wanted: impl Fn(&TicketContents) -> bool,
    ) -> Option<TicketContents> {
        let tickets = request.secrets(AttributeList::SessionState, self.ticket);
        let [ticket] = tickets.as_slice() else { return None };
        let contents = ticket::redeem_ticket(ticket.expose(), request.session(), wanted)?;
        request.remove(AttributeList::SessionState, self.ticket);
        Some(contents)
    }
}
