//! `reply { }`: what clients are told of users who are let in, by their groups.

use super::name_template::NameTemplate;
use super::policy::GroupName;

/// One of `reply { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRule {
    /// What the administrator calls it.
    pub name: String,
    /// `group`: who is in one of them. None: everybody.
    pub groups: Vec<GroupName>,
    /// `attribute`: what is put into the reply.
    pub attributes: Vec<(String, NameTemplate)>,
}
