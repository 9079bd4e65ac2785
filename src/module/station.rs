//! The place that a login is remembered for: its client, or a group of clients that clients.conf names, and the user's station
//! behind it.

use super::instance::MfaModule;
use crate::config::clients;
use crate::engine::AttemptSource;
use crate::freeradius::{AttributeList, Request};
use crate::types::Printable;

impl MfaModule {
    /// The place of a login; `None` if logins are not remembered. If the client names no station, or several, the station is empty, and
    /// nothing is remembered.
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

    /// The group of the client, or else its address.
    fn place_of_client(&self, request: &Request<'_>) -> String {
        match self.client_option(request, clients::REMEMBER_GROUP) {
            // No address begins like this, so that no group can be taken for one.
            Some(group) => format!("group {}", Printable::new(group)),
            None => request.client().map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    /// Calling-Station-Id, or else the attribute that the client's profile names.
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

    /// Whether NAS-Port and NAS-Identifier tell the logins of a client apart. It is an option of the client, for one that sends the
    /// packets of one login from several ports.
    pub(super) fn is_known_by_port(&self, request: &Request<'_>) -> bool {
        let names = [self.attributes.nas_port, self.attributes.nas_identifier];
        self.client_option(request, clients::PORT_CHANGES).is_some_and(|value| clients::is_yes(&value))
            && names.iter().all(|name| request.has_value(AttributeList::Request, *name))
    }
}
