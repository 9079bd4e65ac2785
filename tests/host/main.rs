//! The real FreeRADIUS with the real module: every test starts its own server, and its name says what it shows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod append;
mod bad_configuration;
mod bad_input;
mod boundary;
mod broken_store;
mod clients;
mod control;
mod conversation;
mod conversation_in_eap;
mod crash;
mod dialogues;
mod digest_push;
mod directory;
mod drain;
mod eap;
mod eap_push;
mod entra;
mod explain;
mod failmode;
mod fields;
mod guard;
mod guessing;
mod joining;
mod keep;
mod last_challenge;
mod limits;
mod listeners;
mod local;
mod metrics;
mod numbers;
mod pam;
mod parking;
mod passcode;
mod policy;
mod prompts;
mod proxy;
mod push;
mod radius;
mod rcodes;
mod remembering;
mod replay;
mod resending;
mod responder;
mod seams;
mod secrets;
mod shipped;
mod signed;
mod stage;
mod stopping;
mod unproven;
mod vectors;
mod verdicts;
mod words;

use mfa_harness as harness;
