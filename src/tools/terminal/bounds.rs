//! What a command is told when one of its limits has ended it: what happened, the figure, and whose it is to change.

use crate::{
    sandbox::{Breach, Excess, Limits},
    tools::units::bytes as size,
};

/// Of a process that wrote a file over the limit: `SIGXFSZ`, as a shell reports it.
const FILE_TOO_LARGE: i32 = 128 + 25;

/// One of its own limits.
pub fn breach(breach: Breach, limits: &Limits) -> String {
    match breach {
        Breach::Processes(count) => format!(
            "it ran {count} processes and threads at once, more than {} (terminal.limits.processes), and was killed",
            limits.processes
        ),
        Breach::Memory(bytes) if bytes < limits.memory_bytes => {
            format!("the machine ran out of memory while it took {}, and it was killed", size(bytes))
        }
        Breach::Memory(_) => format!(
            "it took more than {} of memory (terminal.limits.memory) and was killed",
            size(limits.memory_bytes)
        ),
        Breach::MemoryTogether => "all commands of this profile took more memory together than they may \
             (terminal.limits.profile_memory), or the machine had none left, and this one, the largest, was killed"
            .to_owned(),
        Breach::CpuTime(_) => format!(
            "it took more than {} s of processor time (terminal.limits.cpu_time) and was killed",
            limits.cpu_seconds
        ),
        Breach::Disk(free) => format!(
            "it was writing while only {} were left on the disk (terminal.disk_reserve: {}), and was killed; delete \
             what is not needed",
            size(free),
            size(limits.disk_reserve)
        ),
    }
}

/// A limit that it shares with others.
pub fn excess(excess: Excess) -> String {
    match excess {
        Excess::ProfileMemory(bytes) => format!(
            "all commands of this profile took {} of memory together (terminal.limits.profile_memory), and this one, \
             the largest, was killed",
            size(bytes)
        ),
        Excess::ProfileProcesses(count) => format!(
            "all commands of this profile ran {count} processes and threads at once \
             (terminal.limits.profile_processes), and this one, the largest, was killed"
        ),
        Excess::MachineProcesses(count) => format!(
            "all commands on this machine ran {count} processes and threads at once, and this one was killed, the \
             largest of the profile that had most"
        ),
    }
}

/// More output than its limit.
pub fn too_long(most: u64) -> String {
    format!(
        "it printed more than {} (terminal.limits.output) and was killed; send long output to a file",
        size(most)
    )
}

/// What the kernel did to one of its processes, as far as the exit code tells.
pub fn by_kernel(code: i32, limits: &Limits) -> Option<String> {
    (code == FILE_TOO_LARGE).then(|| {
        format!("it wrote a file larger than {} (terminal.limits.file_size)", size(limits.file_bytes))
    })
}
