//! Which logins the server can accept without asking `mfa`.
//!
//! Searched when the server starts, and by `mfa doctor`. A virtual server whose `post-auth` runs `mfa` on every login
//! is safe: there the module refuses an accept that it did not decide. Of any other, each way around is named; and
//! what keeps `post-auth` from running, in any; where no push can be sent ([`push`]), and where passwords that this
//! module verifies go elsewhere ([`own`]); which logins no section takes ([`auth_types`]); and which clients `policy
//! { }` names in vain ([`policy`]). What only the data says (an `Auth-Type` in a users file, a database or a
//! directory) cannot be seen here: one more reason for the guard.

mod auth_types;
mod confirming;
mod finding;
mod own;
mod policy;
mod push;
mod server_config;
mod ways_around;

pub use confirming::{telling, unconfirmed};
pub use finding::{CoverageFinding, FindingConcern};
pub use ways_around::{check, conversing_servers, first_in};
