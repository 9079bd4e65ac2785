//! Composition: opens configuration, engine, factors, backends and store, drives a login on the caller's thread, and lets it wait
//! on its own runtime where an external service or the store takes longer.
//!
//! The module in the server opens one [`App`] for each instance and calls it from all of the server's threads.

pub(crate) mod block_on;
mod decide_login;
mod delivery;
mod dry_run;
mod earlier_decisions;
mod enrol;
mod entropy;
mod login_packet;
mod open;
mod probe;
mod serve;
mod services;
mod sync;
mod wait_task;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;

pub use crate::clock::{elapsed_since, now};
pub use delivery::{DeliveryRefusal, DeliveryResult, ProbedRelay, probe_relays, send};
pub use dry_run::{DryRunReport, DryRunRequest, FakePasswordBackend, RecordedCalls, dry_run};
pub use earlier_decisions::DatagramDigest;
pub use entropy::draw_entropy;
pub use login_packet::{LoginPacket, LoginProgress, WaitMode};
pub use open::OpenError;
pub use probe::{
    LookupError, ProbedHost, ProviderProbe, find_person, probe_directory, probe_entra, probe_provider,
    probe_radius,
};
pub use services::App;
pub use sync::{
    LastSync, SyncChange, SyncEffect, SyncError, SyncExtent, SyncProgress, SyncRun, SyncTotals, SyncWhat,
    last_sync, run_sync,
};
