//! Attributes of a request as they are on the wire (RFC 2865, section 5), encoded and decoded by the server, which knows its
//! dictionary: for modules that talk RADIUS to another server.

use super::attribute_list::AttributeList;
use super::bindings as c;
use super::dictionary::Attribute;
use super::pair_value::store_value;
use super::request::Request;
use crate::types::radius_attribute::{
    AttributeSecret, carried_secret, kind, microsoft, microsoft_secret, split_attribute, walk_attributes,
};
use std::ptr::{self, NonNull};

/// Octets that the encoder is told it may write: more than any value takes, also one that is cut into several attributes.
const ROOM: usize = 4096;
/// Octets that it may write behind them: before 3.2.9 it does not count the two octets in front of each part of a long value.
const OVERRUN: usize = 2 * (ROOM / 253 + 1);

impl Request<'_> {
    /// The attributes of a list that go on the wire: number and value of each, in order; those of `wanted` only, unless that is
    /// `None`. Left out is what carries a secret or is encrypted on the wire, and what is not octets yet (made by an EAP
    /// tunnel or a policy).
    pub fn encoded(&self, list: AttributeList, wanted: Option<&[Attribute]>) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        if !self.has_list(list) {
            return found;
        }
        let mut buffer = vec![0u8; ROOM + OVERRUN];
        let packet = self.reply_packet();
        if packet.is_null() {
            return found;
        }
        let mut pairs = self.pairs(list);
        while let Some(pair) = pairs.next() {
            // SAFETY: S2; the pair is valid (see `pairs`), and its attribute alive (S4). The encoder writes at most as many octets
            // as it is told there is room for, and OVERRUN more, and moves `next` behind the pairs that it has taken; it needs
            // packets and secret only for what is encrypted, which is not given to it, but newer ones look at the first packet
            // all the same.
            let octets = unsafe {
                let pair = pair.as_ptr();
                let da = (*pair).da;
                let is_wanted = wanted.is_none_or(|all| all.iter().any(|one| ptr::eq(one.as_ptr(), da)));
                let is_wire = (*da).vendor != 0 || (*da).attr <= u32::from(u8::MAX);
                let is_plain = (*da).flags.encrypt == 0 && (*pair).type_ == c::VT_DATA;
                if !(is_wanted && is_wire && is_plain) {
                    continue;
                }
                let mut next: *const c::VALUE_PAIR = pair;
                let length = c::rad_vp2attr(
                    packet,
                    // Mutable from 3.0.28 and 3.2.9 on.
                    ptr::null_mut(),
                    c"".as_ptr(),
                    &raw mut next,
                    buffer.as_mut_ptr(),
                    ROOM,
                );
                if !ptr::eq(next, pair) {
                    pairs.continue_at(next);
                }
                usize::try_from(length).ok().and_then(|length| buffer.get(..length))
            };
            let attributes = walk_attributes(octets.unwrap_or_default());
            let plain = attributes.filter(|(kind, value)| carried_secret(*kind, value).is_none());
            found.extend(plain.map(|(kind, value)| (kind, value.to_vec())));
        }
        found
    }

    /// Decodes attributes, number and value of each, and puts them behind those of a list. Tunnel-Password and Microsoft's keys are
    /// in the clear; other attributes that are encrypted on the wire are left out, since they cannot be decrypted here. Returns
    /// how many were added.
    pub fn add_encoded<'v>(
        &mut self,
        list: AttributeList,
        attributes: impl IntoIterator<Item = (u8, &'v [u8])>,
    ) -> usize {
        if !self.has_list(list) {
            return 0;
        }
        let mut added = 0usize;
        let mut octets: Vec<u8> = Vec::new();
        for (kind, value) in attributes {
            let Ok(size) = u8::try_from(value.len().saturating_add(2)) else { continue };
            match decrypted_key(kind, value) {
                Some(key) => added = added.saturating_add(usize::from(self.add_key(list, &key))),
                None => {
                    octets.extend([kind, size]);
                    octets.extend(value);
                }
            }
        }
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let (taken, read) = self.decode(list, rest);
            added = added.saturating_add(read);
            rest = rest.get(taken..).unwrap_or_default();
        }
        added
    }

    /// Decodes the first attribute, with those behind it that are parts of the same. Returns how many octets were read, and how many
    /// pairs were added.
    fn decode(&mut self, list: AttributeList, octets: &[u8]) -> (usize, usize) {
        let own = octets.get(1).map_or(octets.len(), |length| usize::from(*length).max(2));
        let (mut pairs, mut added): (*mut c::VALUE_PAIR, usize) = (ptr::null_mut(), 0);
        // SAFETY: S2; the decoder reads at most as many octets as it is told there are, and makes pairs that belong to the list's
        // parent; each of them is added to the list, or freed. Without an original request it decrypts nothing but what is hidden as
        // a password, for which it takes the vector of the packet; what it has made of that is freed.
        unsafe {
            let parent = self.parent(list);
            let packet = self.reply_packet();
            if packet.is_null() {
                return (octets.len(), 0);
            }
            let taken = c::rad_attr2vp(
                parent,
                packet,
                ptr::null(),
                c"".as_ptr(),
                octets.as_ptr(),
                octets.len(),
                &raw mut pairs,
            );
            while let Some(this) = pairs.as_mut() {
                let mut pair: *mut c::VALUE_PAIR = this;
                pairs = this.next;
                this.next = ptr::null_mut();
                // Also what the decoder has left as it was is known to the dictionary.
                let known = c::dict_attrbyvalue((*this.da).attr, (*this.da).vendor);
                if known.as_ref().is_some_and(|da| da.flags.encrypt != 0) {
                    c::fr_pair_list_free(&raw mut pair);
                } else {
                    this.op = c::T_OP_ADD;
                    c::fr_pair_add(self.head(list), pair);
                    added = added.saturating_add(1);
                }
            }
            let taken = usize::try_from(taken).ok().filter(|taken| *taken > 0);
            (taken.unwrap_or(own), added)
        }
    }

    /// Adds a key, which the server encrypts when it sends it.
    fn add_key(&mut self, list: AttributeList, key: &DecryptedKey<'_>) -> bool {
        // SAFETY: numbers go in; the answer is NULL or an entry of the dictionary (S4).
        let found = unsafe { c::dict_attrbyvalue(key.number.into(), key.vendor) };
        let Some(attribute) = Attribute::new(found) else { return false };
        // SAFETY: the entry is alive (S4); one field is read.
        let is_encrypted = unsafe { (*attribute.as_ptr()).flags.encrypt != 0 };
        // SAFETY: the pair is valid and of this attribute.
        let fill = |pair: NonNull<c::VALUE_PAIR>| unsafe {
            (*pair.as_ptr()).tag = key.tag;
            store_value(pair, attribute, key.value)
        };
        is_encrypted && attribute.is_octets() && self.append_pair(list, attribute, c::T_OP_ADD, fill)
    }

    fn reply_packet(&self) -> *mut c::RADIUS_PACKET {
        // SAFETY: S1; one field is read.
        unsafe { (*self.raw()).reply }
    }
}

/// An attribute that is encrypted on the wire, decrypted.
struct DecryptedKey<'v> {
    number: u8,
    vendor: u32,
    tag: i8,
    value: &'v [u8],
}

/// The key in an attribute that carries one and nothing else, as it came in the clear.
fn decrypted_key(kind: u8, value: &[u8]) -> Option<DecryptedKey<'_>> {
    match kind {
        kind::TUNNEL_PASSWORD => {
            let (tag, value) = value.split_first()?;
            let tag = i8::try_from(*tag).ok().filter(|tag| *tag <= 0x1f).unwrap_or_default();
            Some(DecryptedKey { number: kind::TUNNEL_PASSWORD, vendor: 0, tag, value })
        }
        kind::VENDOR_SPECIFIC => {
            let octets = value.strip_prefix(&microsoft::VENDOR.to_be_bytes())?;
            let (number, value, []) = split_attribute(octets)? else { return None };
            let is_key = microsoft_secret(number) == Some(AttributeSecret::SessionKey);
            is_key.then_some(DecryptedKey { number, vendor: microsoft::VENDOR, tag: 0, value })
        }
        _ => None,
    }
}
