//! Values of attributes that may be there more than once.

/// The value, if there is exactly one.
pub(super) fn single_value(values: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    match <[Vec<u8>; 1]>::try_from(values) {
        Ok([value]) => Some(value),
        Err(_) => None,
    }
}
