//! Tests of the store as a whole.

mod crash;
mod housekeeping;
mod log;
mod records;
mod trouble;
