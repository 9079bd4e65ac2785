//! `reply { }`: what clients are told of users who are let in, by their groups.

use super::naming::Template;
use super::policy::Group;

/// One of `reply { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the administrator calls it.
    pub name: String,
    /// `group`: who is in one of them. None: everybody.
    pub groups: Vec<Group>,
    /// `attribute`: what is put into the reply.
    pub attributes: Vec<(String, Template)>,
}
