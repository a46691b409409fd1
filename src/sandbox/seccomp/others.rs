//! Calls that name another process, or something that all processes of a user share, by a number.
//!
//! At level `strict` such numbers mean nothing outside: namespaces of process ids and of IPC objects see to that. At level
//! `landlock` there is one set of them for the machine, and Landlock has no say: whoever has the gateway's uid could take
//! its right to open files, give it the lowest priority, or read its shared memory.

use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

type Rules = Vec<(libc::c_long, Vec<SeccompRule>)>;

/// System V's and POSIX' objects with names.
const SHARED: &[libc::c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// How a process is scheduled; the first argument says which one, 0 is the caller.
const SCHEDULED: &[libc::c_long] = &[
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
];

/// Refused, with the arguments that make them so; none: always.
pub fn refused() -> Result<Rules, BackendError> {
    const IOPRIO_WHO_PROCESS: u64 = 1;
    let mut rules: Rules = SHARED.iter().map(|&number| (number, Vec::new())).collect();
    for &number in SCHEDULED {
        rules.push((number, vec![rule([not(0, 0)])?]));
    }
    // To ask for another's limits is harmless; the third argument is what to set them to.
    let set = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0);
    rules.push((libc::SYS_prlimit64, vec![rule([not(0, 0), set])?]));
    // Of one process, a group or a user; then which one.
    let (process, itself) = (u64::from(libc::PRIO_PROCESS), rule([not(1, 0)])?);
    rules.push((libc::SYS_setpriority, vec![rule([not(0, process)])?, itself]));
    rules.push((libc::SYS_ioprio_set, vec![rule([not(0, IOPRIO_WHO_PROCESS)])?, rule([not(1, 0)])?]));
    Ok(rules)
}

type Condition = Result<SeccompCondition, BackendError>;

/// The kernel takes these arguments as `int`.
fn not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

/// Refuses when all conditions hold.
fn rule(conditions: impl IntoIterator<Item = Condition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}
