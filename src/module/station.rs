//! Where a login comes from, as far as remembered logins go: a client, or a group of clients that clients.conf names, and the end
//! user's station behind it.

use super::instance::MfaModule;
use crate::config::clients;
use crate::engine::AttemptSource;
use crate::freeradius::{AttributeList, Request};
use crate::types::Printable;

impl MfaModule {
    /// The place of a login, if logins are remembered. Its station is empty, and nothing is remembered, if the client names none,
    /// or several.
    pub(super) fn remembered_place(&self, request: &mut Request<'_>) -> Option<AttemptSource> {
        let policy = &self.config.policy;
        if policy.remember.is_zero() && policy.remember_once.is_zero() {
            return None;
        }
        let place = match request.outer() {
            Some(mut outer) => self.remembered_place(&mut outer)?,
            None => AttemptSource {
                client: self.place_of_client(request),
                calling_station: self.station_of(request),
                request: None,
            },
        };
        Some(place)
    }

    fn place_of_client(&self, request: &Request<'_>) -> String {
        match self.client_option(request, clients::REMEMBER_GROUP) {
            // No address begins like this.
            Some(group) => format!("group {}", Printable::new(group)),
            None => request.client().map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    fn station_of(&self, request: &Request<'_>) -> String {
        let stations = [
            Some(self.attributes.calling_station),
            self.client_voice(request)
                .profile_name()
                .station
                .and_then(|name| self.attributes.station_attribute(name)),
        ];
        for attribute in stations.into_iter().flatten() {
            match request.values(AttributeList::Request, attribute).as_slice() {
                [] => {}
                [one] => return Printable::new(one).to_string(),
                _ => return String::new(),
            }
        }
        String::new()
    }

    /// Whether a login is known by NAS-Port and NAS-Identifier, since its client says that packets of one login come from several
    /// of its ports.
    pub(super) fn is_known_by_port(&self, request: &Request<'_>) -> bool {
        let names = [self.attributes.nas_port, self.attributes.nas_identifier];
        self.client_option(request, clients::PORT_CHANGES).is_some_and(|value| clients::is_yes(&value))
            && names.iter().all(|name| request.has_value(AttributeList::Request, *name))
    }
}
