//! `hermes`: everything is in the library.

use std::process::ExitCode;

/// A chat's memory is taken by the thread that serves and given back by the one that writes: of the allocators that were
/// measured, this one does that in the least time for the memory that it holds (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hermes_gateway::cli::main()
}
