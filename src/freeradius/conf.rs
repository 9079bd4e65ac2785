//! The server's configuration, copied into a [`Section`].

use super::bindings as c;
use crate::config::tree::{ConfigPair, ConfigPlace, Section, SectionItem};
use std::ffi::{CStr, c_char};
use std::sync::Arc;

/// Copies a section with all that is in it.
///
/// # Safety
///
/// `section` is a valid CONF_SECTION that is not changed meanwhile.
pub(super) unsafe fn copy_section(section: *const c::CONF_SECTION) -> Section {
    let mut file = Arc::default();
    // SAFETY: as the caller promises.
    unsafe { copy_items(section, &mut file) }
}

/// The section at the root of the tree that `section` stands in.
///
/// # Safety
///
/// As for [`copy_section`].
pub(super) unsafe fn root_section(section: *mut c::CONF_SECTION) -> *mut c::CONF_SECTION {
    // SAFETY: as the caller promises; the answer is a section of the same tree.
    unsafe { c::cf_top_section(section) }
}

unsafe fn copy_items(section: *const c::CONF_SECTION, file: &mut Arc<str>) -> Section {
    // SAFETY: the accessors take a valid section and answer NULL or strings and items that live as long as it; an item is
    // converted only after it was asked what it is.
    unsafe {
        let at = config_place(c::cf_section_filename(section), c::cf_section_lineno(section), file);
        let name = copy_text(c::cf_section_name1(section)).unwrap_or_default();
        let mut copied = Section::new(name, copy_text(c::cf_section_name2(section)).as_deref(), at);
        let mut item = c::cf_item_find_next(section, std::ptr::null());
        while !item.is_null() {
            if c::cf_item_is_section(item) {
                copied.items.push(SectionItem::Section(copy_items(c::cf_item_to_section(item), file)));
            } else if c::cf_item_is_pair(item) {
                let pair = c::cf_item_to_pair(item);
                let at = config_place(c::cf_pair_filename(pair), c::cf_pair_lineno(pair), file);
                let value = copy_text(c::cf_pair_value(pair));
                let operator = if value.is_some() { operator_text(c::cf_pair_operator(pair)) } else { "" };
                copied.items.push(SectionItem::Pair(ConfigPair::new(
                    copy_text(c::cf_pair_attr(pair)).unwrap_or_default(),
                    operator,
                    value.as_deref(),
                    at,
                )));
            }
            item = c::cf_item_find_next(section, item);
        }
        copied
    }
}

/// A place whose file name is shared with the one before, since most are the same.
unsafe fn config_place(name: *const c_char, line: i32, last: &mut Arc<str>) -> ConfigPlace {
    // SAFETY: the caller got the name from an accessor.
    let name = unsafe { copy_text(name) }.unwrap_or_default();
    if **last != *name {
        *last = name.into();
    }
    ConfigPlace { file: Arc::clone(last), line: u32::try_from(line).unwrap_or_default() }
}

/// A copy of a C string; `None` for NULL.
unsafe fn copy_text(string: *const c_char) -> Option<String> {
    // SAFETY: NULL, or a string that ends in NUL, as the caller got it from an accessor.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

fn operator_text(token: c::FR_TOKEN) -> &'static str {
    match token {
        c::T_OP_EQ => "=",
        c::T_OP_SET => ":=",
        c::T_OP_ADD => "+=",
        c::T_OP_SUB => "-=",
        #[cfg(has_op_prepend)]
        c::T_OP_PREPEND => "^=",
        c::T_OP_CMP_EQ => "==",
        c::T_OP_CMP_FALSE => "!*",
        c::T_OP_CMP_TRUE => "=*",
        c::T_OP_NE => "!=",
        c::T_OP_REG_EQ => "=~",
        c::T_OP_REG_NE => "!~",
        c::T_OP_GE => ">=",
        c::T_OP_GT => ">",
        c::T_OP_LE => "<=",
        c::T_OP_LT => "<",
        _ => "?",
    }
}
