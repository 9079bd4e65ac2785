//! Attributes of the server's dictionary.

use super::bindings as c;
use super::error::{Error, MissingAttribute};
use super::text::CText;
use std::ffi::CStr;
use std::ptr::NonNull;

/// An attribute of the dictionary, looked up once.
#[derive(Clone, Copy, Debug)]
pub struct Attribute(NonNull<c::DICT_ATTR>);

// SAFETY: dictionary entries are never written after they were made (S4).
unsafe impl Send for Attribute {}
// SAFETY: shared references only read the entry, which no thread writes (S4).
unsafe impl Sync for Attribute {}

/// The data type of an attribute that a module registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// Text.
    String,
    /// Octets.
    Octets,
    /// 32 bits, with names for its values.
    Integer,
}

impl Attribute {
    /// From what the dictionary answers: NULL, or an entry of it (S4).
    pub(super) fn new(entry: *const c::DICT_ATTR) -> Option<Self> {
        NonNull::new(entry.cast_mut()).map(Self)
    }

    pub(super) fn as_ptr(self) -> *const c::DICT_ATTR {
        self.0.as_ptr()
    }

    pub(super) fn data_type(self) -> c::PW_TYPE {
        // SAFETY: the entry is alive (S4); one field is read through the raw pointer.
        unsafe { (*self.0.as_ptr()).type_ }
    }

    /// Whether its values can be written as text. Those of an attribute that holds other attributes cannot.
    pub fn has_text(self) -> bool {
        matches!(
            self.data_type(),
            c::PW_TYPE_STRING
                | c::PW_TYPE_OCTETS
                | c::PW_TYPE_INTEGER
                | c::PW_TYPE_INTEGER64
                | c::PW_TYPE_SIGNED
                | c::PW_TYPE_SHORT
                | c::PW_TYPE_BYTE
                | c::PW_TYPE_DATE
                | c::PW_TYPE_ABINARY
                | c::PW_TYPE_IFID
                | c::PW_TYPE_ETHERNET
                | c::PW_TYPE_IPV4_ADDR
                | c::PW_TYPE_IPV4_PREFIX
                | c::PW_TYPE_IPV6_ADDR
                | c::PW_TYPE_IPV6_PREFIX
                | c::PW_TYPE_COMBO_IP_ADDR
        )
    }

    /// The number that the dictionary gives to a named value of this attribute.
    pub fn value(self, name: &str) -> Option<u32> {
        let name = CText::new(name).ok()?;
        // SAFETY: entry and name are alive; the answer is NULL or an entry of the dictionary (S4).
        unsafe {
            let entry = self.0.as_ptr();
            let found = c::dict_valbyname((*entry).attr, (*entry).vendor, name.as_ptr());
            found.as_ref().and_then(|value| u32::try_from(value.value).ok())
        }
    }
}

/// The attribute of that name.
pub fn find_attribute(name: &str) -> Result<Attribute, MissingAttribute> {
    let missing = || MissingAttribute(name.to_owned());
    let text = CText::new(name).map_err(|_| missing())?;
    // SAFETY: the name ends in NUL; the answer is NULL or an entry of the dictionary (S4).
    let found = unsafe { c::dict_attrbyname(text.as_ptr()) };
    Attribute::new(found).ok_or_else(missing)
}

/// The attribute of that number, of no vendor.
pub fn attribute_by_number(number: u8) -> Result<Attribute, MissingAttribute> {
    // SAFETY: numbers go in; the answer is NULL or an entry of the dictionary (S4).
    let found = unsafe { c::dict_attrbyvalue(number.into(), 0) };
    Attribute::new(found).ok_or_else(|| MissingAttribute(number.to_string()))
}

/// Registers an attribute that never leaves the server: it gets a free number from 3900 to 3999. The dictionary leaves these to the
/// site, and the encoder never sends them. An attribute that exists with the same type is returned as it is.
///
/// # Errors
///
/// The name is taken by an attribute of another type, no number is free, or the server does not take it.
pub fn register_attribute(name: &str, kind: AttributeKind) -> Result<Attribute, Error> {
    let wanted = match kind {
        AttributeKind::String => c::PW_TYPE_STRING,
        AttributeKind::Octets => c::PW_TYPE_OCTETS,
        AttributeKind::Integer => c::PW_TYPE_INTEGER,
    };
    if let Ok(known) = find_attribute(name) {
        return if known.data_type() == wanted {
            Ok(known)
        } else {
            Err(Error::AttributeType(name.to_owned()))
        };
    }
    let text = CText::new(name).map_err(|why| Error::BadText { what: format!("attribute {name:?}"), why })?;
    // SAFETY: numbers go in, a pointer to an entry or NULL comes out.
    let free = (3900..4000).find(|number| unsafe { c::dict_attrbyvalue(*number, 0) }.is_null());
    let number = free.and_then(|number| i32::try_from(number).ok()).ok_or(Error::NoFreeNumber)?;
    // SAFETY: flags are a plain struct for which zeroes mean "none"; the name ends in NUL and is copied.
    let added = unsafe { c::dict_addattr(text.as_ptr(), number, 0, wanted, std::mem::zeroed()) };
    if added < 0 {
        return Err(Error::AttributeRefused { name: name.to_owned(), reason: last_error() });
    }
    Ok(find_attribute(name)?)
}

/// Gives a name to a value of an integer attribute.
///
/// # Errors
///
/// The server does not take it: the attribute is not known, or the name stands for another value.
pub fn register_value(attribute: &str, name: &str, value: u16) -> Result<(), Error> {
    let text = |text: &str| {
        let what = || format!("value {name:?} of {attribute:?}: {text:?}");
        CText::new(text).map_err(|why| Error::BadText { what: what(), why })
    };
    let (of, value_name) = (text(attribute)?, text(name)?);
    // SAFETY: both strings end in NUL and are copied.
    match unsafe { c::dict_addvalue(value_name.as_ptr(), of.as_ptr(), i32::from(value)) } {
        0 => Ok(()),
        _ => Err(Error::ValueRefused {
            attribute: attribute.to_owned(),
            name: name.to_owned(),
            reason: last_error(),
        }),
    }
}

fn last_error() -> String {
    // SAFETY: the library answers a string of its own that lives until the next call on this thread.
    unsafe {
        let text = c::fr_strerror();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    }
}
