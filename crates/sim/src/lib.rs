//! A Claude to build and test against: pacing, scenarios, faults, journal.
#![forbid(unsafe_code)]

pub mod answer;
pub mod mind;
