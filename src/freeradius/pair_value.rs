//! The value of a pair: read and stored as octets, and read from text as the dictionary has its type.

use super::bindings as c;
use super::dictionary::Attribute;
use super::text::CText;
use std::net::IpAddr;
use std::ptr::NonNull;

/// Octets of a value in a packet (RFC 2865, section 5).
const MAX_VALUE: usize = 253;

/// The value of a pair of text or octets; empty for any other type.
///
/// # Safety
///
/// `pair` is valid and of this attribute, and neither it nor its value is changed or freed during `'a`.
pub(super) unsafe fn borrow_octets<'a>(pair: NonNull<c::VALUE_PAIR>, attribute: Attribute) -> &'a [u8] {
    // SAFETY: as the caller promises; strings and octets are a pointer to `length` octets, NULL only if there are none.
    unsafe {
        let pair = pair.as_ptr();
        let octets = (*pair).data.octets;
        if !attribute.is_octets() || octets.is_null() {
            return &[];
        }
        std::slice::from_raw_parts(octets, (*pair).length)
    }
}

/// A copy of a pair's value: text, octets, or the four octets of an integer in network order; empty for any other type.
///
/// # Safety
///
/// `pair` is valid and of this attribute.
pub(super) unsafe fn copy_value(pair: NonNull<c::VALUE_PAIR>, attribute: Attribute) -> Vec<u8> {
    // SAFETY: as the caller promises; an integer is in place.
    unsafe {
        match attribute.data_type() {
            c::PW_TYPE_INTEGER => (*pair.as_ptr()).data.integer.to_be_bytes().to_vec(),
            _ => borrow_octets(pair, attribute).to_vec(),
        }
    }
}

/// Puts a copy of `value` into a pair: text, octets, or the four octets of an integer in network order. `false` if the attribute has
/// another type, or the value another length: the pair is then as it was.
///
/// # Safety
///
/// `pair` is valid and of this attribute.
#[must_use]
pub(super) unsafe fn store_value(pair: NonNull<c::VALUE_PAIR>, attribute: Attribute, value: &[u8]) -> bool {
    let pair = pair.as_ptr();
    // An empty slice need not point to memory.
    let octets = if value.is_empty() { c"".as_ptr().cast() } else { value.as_ptr() };
    // SAFETY: both functions copy `len` octets into memory that the pair owns, and free what it owned before; an integer is
    // in place and its length is 4.
    unsafe {
        match (attribute.data_type(), <[u8; 4]>::try_from(value)) {
            (c::PW_TYPE_STRING, _) => c::fr_pair_value_bstrncpy(pair, octets.cast(), value.len()),
            (c::PW_TYPE_OCTETS, _) => c::fr_pair_value_memcpy(pair, octets, value.len()),
            (c::PW_TYPE_INTEGER, Ok(number)) => {
                (*pair).data.integer = u32::from_be_bytes(number);
                (*pair).length = 4;
            }
            _ => return false,
        }
        (*pair).type_ = c::VT_DATA;
    }
    true
}

/// A text that can become the value of a pair.
pub(super) enum ValueText<'t> {
    /// Stored as it is, cut to what a packet takes.
    Octets(&'t [u8]),
    /// Read by the server as the attribute's type has it.
    Parsed(CText),
}

impl<'t> ValueText<'t> {
    /// `None` if the text is certainly no value of this attribute: too long, or the name of a host where an address is due,
    /// for which the server could ask the DNS (`hostname_lookups`).
    pub(super) fn new(attribute: Attribute, octets: &'t [u8]) -> Option<Self> {
        if attribute.is_octets() {
            return Some(Self::Octets(cut_value(octets)));
        }
        let is_address_type = matches!(
            attribute.data_type(),
            c::PW_TYPE_IPV4_ADDR
                | c::PW_TYPE_IPV4_PREFIX
                | c::PW_TYPE_IPV6_ADDR
                | c::PW_TYPE_IPV6_PREFIX
                | c::PW_TYPE_COMBO_IP_ADDR
                | c::PW_TYPE_COMBO_IP_PREFIX
        );
        if octets.len() > MAX_VALUE || (is_address_type && !is_address(octets)) {
            return None;
        }
        CText::new(octets).ok().map(Self::Parsed)
    }

    /// Puts it into a pair. `false` if it is no value of this attribute.
    ///
    /// # Safety
    ///
    /// `pair` is valid and of this attribute.
    #[must_use]
    pub(super) unsafe fn store(&self, pair: NonNull<c::VALUE_PAIR>, attribute: Attribute) -> bool {
        // SAFETY: as the caller promises; the server reads as many octets of the CText as are told.
        unsafe {
            match self {
                Self::Octets(octets) => store_value(pair, attribute, octets),
                Self::Parsed(text) => {
                    c::fr_pair_value_from_str(pair.as_ptr(), text.as_ptr(), text.len()) >= 0
                }
            }
        }
    }
}

impl Attribute {
    /// Whether its values are octets: text or binary.
    pub(super) fn is_octets(self) -> bool {
        matches!(self.data_type(), c::PW_TYPE_STRING | c::PW_TYPE_OCTETS)
    }

    /// Whether [`Request::add_text`](super::Request::add_text) can make a value of this text.
    pub fn accepts_text(self, text: &str) -> bool {
        match ValueText::new(self, text.as_bytes()) {
            None => false,
            Some(ValueText::Octets(_)) => true,
            Some(value) => {
                // SAFETY: the entry is alive (S4). The pair belongs to no list, nothing points to it, and it is freed here.
                unsafe {
                    let mut pair = c::fr_pair_afrom_da(std::ptr::null_mut(), self.as_ptr());
                    let is_stored = NonNull::new(pair).is_some_and(|pair| value.store(pair, self));
                    c::fr_pair_list_free(&raw mut pair);
                    is_stored
                }
            }
        }
    }
}

/// The octets that fit into an attribute of a packet; no character of a text is cut in two.
fn cut_value(octets: &[u8]) -> &[u8] {
    let end = std::str::from_utf8(octets).map_or(MAX_VALUE, |text| text.floor_char_boundary(MAX_VALUE));
    octets.get(..end).unwrap_or(octets)
}

fn is_address(octets: &[u8]) -> bool {
    let text = std::str::from_utf8(octets).unwrap_or_default();
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok()
}
