//! HTTP behaviour, seen from outside: a real gateway, a real (scripted) upstream, real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, clippy::wildcard_enum_match_arm)]

mod approvals;
mod busy;
mod chat;
mod chat_contract;
mod client_tools;
mod delegation;
mod discovery;
mod faults;
mod hardening;
mod http_contract;
mod idempotency;
mod ids;
mod isolation;
mod keys;
mod mind;
mod model;
mod neighbour;
mod network;
mod processes;
mod redaction;
mod reference_faults;
mod relay;
mod responses;
mod runs;
mod selection;
mod sessions;
mod shared;
mod steer;
mod support;
mod surface;
mod tenancy;
mod tls;
mod toolsets;
mod transcripts;
mod vision;
