//! The server's lists of attributes: what a request's pairs are read and changed by.

use super::bindings as c;
use super::dictionary::Attribute;
use super::pair_value::{ValueText, borrow_octets, copy_value, store_value};
use super::request::Request;
use crate::types::Secret;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Attributes of every tag: `TAG_ANY`, a macro that bindgen cannot evaluate.
const ANY_TAG: i8 = i8::MIN;

/// The server's lists of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeList {
    /// What the client sent.
    Request,
    /// What the client is answered.
    Reply,
    /// What the server keeps to itself for this request.
    Control,
    /// What the server keeps from packet to packet of a conversation.
    SessionState,
    /// What goes to the home server; there only while the request is proxied.
    Proxy,
    /// What came from the home server; there only once it has answered.
    ProxyReply,
}

/// The pairs of a list from one on, in order. The list is borrowed for as long: it does not change meanwhile.
pub(super) struct PairWalk<'r> {
    next: *mut c::VALUE_PAIR,
    list: PhantomData<&'r c::VALUE_PAIR>,
}

impl PairWalk<'_> {
    /// # Safety
    ///
    /// `first` is NULL or a pair of a list that does not change while the walk is used.
    pub(super) unsafe fn starting_at(first: *mut c::VALUE_PAIR) -> Self {
        Self { next: first, list: PhantomData }
    }

    /// Goes on with `next`, which is NULL or a pair of the same list.
    ///
    /// # Safety
    ///
    /// That it is.
    pub(super) unsafe fn continue_at(&mut self, next: *const c::VALUE_PAIR) {
        self.next = next.cast_mut();
    }
}

impl Iterator for PairWalk<'_> {
    type Item = NonNull<c::VALUE_PAIR>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = NonNull::new(self.next)?;
        // SAFETY: who made the walk has promised that the pair is valid, and that the list does not change.
        self.next = unsafe { (*pair.as_ptr()).next };
        Some(pair)
    }
}

impl Request<'_> {
    /// The values of an attribute in a list as octets, in order. Integers are four octets in network order.
    /// For passwords see [`secrets`](Self::secrets).
    pub fn values(&self, list: AttributeList, attribute: Attribute) -> Vec<Vec<u8>> {
        // SAFETY: S2; the walk gives valid pairs of this attribute.
        self.pairs_of(list, attribute).map(|pair| unsafe { copy_value(pair, attribute) }).collect()
    }

    /// The values of an attribute in a list, each wiped when dropped.
    pub fn secrets(&self, list: AttributeList, attribute: Attribute) -> Vec<Secret> {
        // SAFETY: S2; the walk gives valid pairs of this attribute.
        let copy = |pair| Secret::new(unsafe { copy_value(pair, attribute) });
        self.pairs_of(list, attribute).map(copy).collect()
    }

    /// All values of an attribute of text or octets in a list, one behind the other; wiped when dropped.
    pub fn joined_secret(&self, list: AttributeList, attribute: Attribute) -> Secret {
        // SAFETY: S2; the walk gives valid pairs of this attribute, and the slices are used before the list can change.
        let borrow = |pair| unsafe { borrow_octets(pair, attribute) };
        let parts: Vec<&[u8]> = self.pairs_of(list, attribute).map(borrow).collect();
        Secret::new(parts.concat())
    }

    /// How many values of an attribute a list has.
    pub fn value_count(&self, list: AttributeList, attribute: Attribute) -> usize {
        self.pairs_of(list, attribute).count()
    }

    /// Whether a list has the attribute.
    pub fn has_value(&self, list: AttributeList, attribute: Attribute) -> bool {
        self.pairs_of(list, attribute).next().is_some()
    }

    /// The only value of an attribute in a list, as in [`values`](Self::values). `None` if there is none, or several.
    pub fn single_value(&self, list: AttributeList, attribute: Attribute) -> Option<Vec<u8>> {
        let mut values = self.values(list, attribute);
        values.pop().filter(|_| values.is_empty())
    }

    /// The only value of an integer attribute. `None` if there is none, or several.
    pub fn integer(&self, list: AttributeList, attribute: Attribute) -> Option<u32> {
        self.single_value(list, attribute)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Puts one value in place of all that the list has of this attribute. `false` if there is no such list, or the value does
    /// not fit the attribute's type. Not for User-Name and User-Password of the request, which the server points to: see
    /// [`replace`](Self::replace).
    pub fn set(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        self.remove(list, attribute);
        self.append(list, attribute, value, c::T_OP_SET)
    }

    /// Puts one more value behind all that the list has of this attribute. `false` as for [`set`](Self::set).
    pub fn add(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        self.append(list, attribute, value, c::T_OP_ADD)
    }

    /// Puts one more value behind all that the list has of this attribute, from its text as the dictionary's type has it: a name
    /// or a number, an address, and so on. `tag` is that of RFC 2868, 0 for none. `false` if that is no such value. An empty text
    /// is no value at all, and nothing is added.
    pub fn add_text(
        &mut self,
        list: AttributeList,
        attribute: Attribute,
        tag: u8,
        text: impl AsRef<[u8]>,
    ) -> bool {
        let octets = text.as_ref();
        if octets.is_empty() {
            return true;
        }
        let (Some(value), Ok(tag)) = (ValueText::new(attribute, octets), i8::try_from(tag)) else {
            return false;
        };
        // SAFETY: the pair is valid and of this attribute.
        self.append_pair(list, attribute, c::T_OP_ADD, |pair| unsafe {
            (*pair.as_ptr()).tag = tag;
            value.store(pair, attribute)
        })
    }

    /// Makes one value the first attribute of a list, in place of all that the list has of this attribute. Not for User-Name and
    /// User-Password of the request.
    pub fn set_first(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        self.remove(list, attribute);
        // SAFETY: the pair is valid and of this attribute.
        let store = |pair| unsafe { store_value(pair, attribute, value) };
        let Some(pair) = self.make_pair(list, attribute, c::T_OP_SET, store) else { return false };
        // SAFETY: S2; the list is there, as the pair has been made, and the pair is linked in once, before what the list has.
        unsafe {
            let head = self.head(list);
            (*pair.as_ptr()).next = *head;
            *head = pair.as_ptr();
        }
        true
    }

    /// Whether the first attribute of a list is this one, and the list has it once.
    pub fn is_first(&self, list: AttributeList, attribute: Attribute) -> bool {
        let first = self.pairs(list).next();
        first.is_some()
            && first == self.pairs_of(list, attribute).next()
            && self.value_count(list, attribute) == 1
    }

    /// Changes the first value of an attribute in place. `false` if there is none.
    pub fn replace(&mut self, list: AttributeList, attribute: Attribute, value: &[u8]) -> bool {
        let first = self.pairs_of(list, attribute).next();
        // SAFETY: S2; the pair is valid and of this attribute. It stays where it is and gets a copy of the value.
        first.is_some_and(|pair| unsafe { store_value(pair, attribute, value) })
    }

    /// Removes all values of an attribute. User-Name and User-Password of the request stay: the server points to them.
    pub fn remove(&mut self, list: AttributeList, attribute: Attribute) {
        if !self.has_list(list) {
            return;
        }
        // SAFETY: S2; no pair is held over the change. The two cached pairs are compared by their attribute before.
        unsafe {
            let cached = [(*self.raw()).username, (*self.raw()).password];
            let is_cached =
                |pair: &*mut c::VALUE_PAIR| !pair.is_null() && std::ptr::eq((**pair).da, attribute.as_ptr());
            if list == AttributeList::Request && cached.iter().any(is_cached) {
                return;
            }
            let da = attribute.as_ptr();
            c::fr_pair_delete_by_num(self.head(list), (*da).attr, (*da).vendor, ANY_TAG);
        }
    }

    /// Empties the reply.
    pub fn clear_reply(&mut self) {
        self.clear(AttributeList::Reply);
    }

    /// Empties what came from the home server, if anything did.
    pub fn clear_proxy_reply(&mut self) {
        self.clear(AttributeList::ProxyReply);
    }

    /// Empties what goes to the home server, which needs nothing of the login.
    pub fn clear_proxy(&mut self) {
        // SAFETY: S1; pointers are compared. Inside a tunnel the proxied packet is the request's own, into which the server
        // points; that of a request from the network is a copy.
        let is_copy =
            unsafe { (*self.raw()).parent.is_null() && (*self.raw()).proxy != (*self.raw()).packet };
        if is_copy {
            self.clear(AttributeList::Proxy);
        }
    }

    /// Empties a list that nothing points into: one that the server has made for an answer, or a copy.
    fn clear(&mut self, list: AttributeList) {
        if self.has_list(list) {
            // SAFETY: S2; the list is there, no pair is held over the change, and nothing else points into it.
            unsafe { c::fr_pair_list_free(self.head(list)) };
        }
    }

    fn append(
        &mut self,
        list: AttributeList,
        attribute: Attribute,
        value: &[u8],
        operator: c::FR_TOKEN,
    ) -> bool {
        // SAFETY: the pair is valid and of this attribute.
        self.append_pair(list, attribute, operator, |pair| unsafe { store_value(pair, attribute, value) })
    }

    /// Puts a pair that `fill` has filled behind all that the list has. `false` as for [`make_pair`](Self::make_pair).
    pub(super) fn append_pair(
        &mut self,
        list: AttributeList,
        attribute: Attribute,
        operator: c::FR_TOKEN,
        fill: impl FnOnce(NonNull<c::VALUE_PAIR>) -> bool,
    ) -> bool {
        let Some(pair) = self.make_pair(list, attribute, operator, fill) else { return false };
        // SAFETY: S2; the list is there, as the pair has been made for it, and the pair is added once.
        unsafe { c::fr_pair_add(self.head(list), pair.as_ptr()) };
        true
    }

    /// A pair for a list that is not in it yet, filled by `fill`. `None` if there is no such list, no memory, or `fill` returns
    /// `false`.
    fn make_pair(
        &self,
        list: AttributeList,
        attribute: Attribute,
        operator: c::FR_TOKEN,
        fill: impl FnOnce(NonNull<c::VALUE_PAIR>) -> bool,
    ) -> Option<NonNull<c::VALUE_PAIR>> {
        if !self.has_list(list) {
            return None;
        }
        // SAFETY: the list is there, and the parent is the one that the server expects for it (`doc/safety.md`). What `fill`
        // refuses is freed before anything points to it.
        unsafe {
            let mut made = c::fr_pair_afrom_da(self.parent(list), attribute.as_ptr());
            let pair = NonNull::new(made)?;
            (*made).op = operator;
            if fill(pair) {
                return Some(pair);
            }
            c::fr_pair_list_free(&raw mut made);
            None
        }
    }

    /// The pairs of a list; none if the request has no such list.
    pub(super) fn pairs(&self, list: AttributeList) -> PairWalk<'_> {
        let first = match self.has_list(list) {
            // SAFETY: S1; the list is there.
            true => unsafe { *self.head(list) },
            false => std::ptr::null_mut(),
        };
        // SAFETY: S2; a list is changed through `&mut self` only, which the walk's borrow excludes.
        unsafe { PairWalk::starting_at(first) }
    }

    /// The pairs of a list that are of this attribute.
    fn pairs_of(
        &self,
        list: AttributeList,
        attribute: Attribute,
    ) -> impl Iterator<Item = NonNull<c::VALUE_PAIR>> {
        // SAFETY: S2; the walk gives valid pairs, of which one field is read.
        let is_wanted = move |pair: &NonNull<c::VALUE_PAIR>| unsafe {
            std::ptr::eq((*pair.as_ptr()).da, attribute.as_ptr())
        };
        self.pairs(list).filter(is_wanted)
    }

    /// Whether the request has this list at all: the two of proxying come and go.
    pub(super) fn has_list(&self, list: AttributeList) -> bool {
        // SAFETY: S1; pointers are compared with NULL.
        let packet = unsafe {
            match list {
                AttributeList::Request => (*self.raw()).packet,
                AttributeList::Reply => (*self.raw()).reply,
                AttributeList::Proxy => (*self.raw()).proxy,
                AttributeList::ProxyReply => (*self.raw()).proxy_reply,
                AttributeList::Control | AttributeList::SessionState => return true,
            }
        };
        !packet.is_null()
    }

    /// Where the first pair of a list is kept.
    ///
    /// # Safety
    ///
    /// S1; the request has the list; the pointer is used before the next call on this request.
    pub(super) unsafe fn head(&self, list: AttributeList) -> *mut *mut c::VALUE_PAIR {
        // SAFETY: S1; addresses of fields are taken, and the caller has seen that the packet is there.
        unsafe {
            match list {
                AttributeList::Request => &raw mut (*(*self.raw()).packet).vps,
                AttributeList::Reply => &raw mut (*(*self.raw()).reply).vps,
                AttributeList::Control => &raw mut (*self.raw()).config,
                AttributeList::SessionState => &raw mut (*self.raw()).state,
                AttributeList::Proxy => &raw mut (*(*self.raw()).proxy).vps,
                AttributeList::ProxyReply => &raw mut (*(*self.raw()).proxy_reply).vps,
            }
        }
    }

    /// The talloc parent of a list's pairs.
    ///
    /// # Safety
    ///
    /// S1; the parent is used before the next call on this request.
    pub(super) unsafe fn parent(&self, list: AttributeList) -> *mut c::TALLOC_CTX {
        // SAFETY: S1; pointers are read.
        unsafe {
            match list {
                AttributeList::Request => (*self.raw()).packet.cast(),
                AttributeList::Reply => (*self.raw()).reply.cast(),
                AttributeList::Control => self.raw().cast(),
                AttributeList::SessionState => (*self.raw()).state_ctx.cast(),
                AttributeList::Proxy => (*self.raw()).proxy.cast(),
                AttributeList::ProxyReply => (*self.raw()).proxy_reply.cast(),
            }
        }
    }
}
