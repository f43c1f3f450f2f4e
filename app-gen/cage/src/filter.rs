//! Which system calls a process in the cage may make: programs for seccomp.
//!
//! It is a list of what is refused and not of what is allowed, because nobody knows what the programs of
//! strangers need. A call that is newer than this list does not exist in the cage.

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::env::consts::ARCH;

/// Calls that fail with EPERM, whatever they ask for.
pub(crate) const FORBIDDEN: &[c_long] = &[
    // Into another process.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Large parts of the kernel that have had many faults and that building an application does not need.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Memory and messages that outlive the processes that share them.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_mq_open,
    // The machine itself.
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// A call that fails with ENOSYS, as on a kernel that does not have it: its flags are in memory, where no
/// filter can read them, and the C library then uses `clone`, whose flags are in a register.
pub(crate) const ABSENT: c_long = libc::SYS_clone3;

/// The newest call that exists in the cage: `removexattrat` of Linux 6.13. The numbers of the x32 interface
/// of x86-64, by which every call could be made under another number, are above it too.
pub(crate) const NEWEST: c_long = 466;

/// The flags of `clone` that make namespaces.
const NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `TIOCLINUX`, by which text is pasted into a terminal of Linux.
const TIOCLINUX: u64 = 0x541c;

/// The filter that refuses. It is the last thing before the program starts.
pub(crate) fn refusals() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = FORBIDDEN
        .iter()
        .map(|number| (*number, Vec::new()))
        .collect();
    let flags = NAMESPACES
        .iter()
        .map(|flag| SeccompRule::new(vec![has(0, *flag)?]))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, flags);

    // What writes into the input of a terminal, as if somebody typed.
    let paste = [libc::TIOCSTI, TIOCLINUX]
        .into_iter()
        .map(|request| SeccompRule::new(vec![is(1, request)?]))
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, paste);

    // A connection that carries data in its first packet asks Landlock nothing.
    let fast_open = libc::MSG_FASTOPEN;
    for (number, argument) in [
        (libc::SYS_sendto, 3),
        (libc::SYS_sendmsg, 2),
        (libc::SYS_sendmmsg, 3),
    ] {
        rules.insert(
            number,
            vec![SeccompRule::new(vec![has(argument, fast_open)?])?],
        );
    }
    let connect = vec![
        is(1, unsigned(libc::IPPROTO_TCP))?,
        is(2, unsigned(libc::TCP_FASTOPEN_CONNECT))?,
    ];
    rules.insert(libc::SYS_setsockopt, vec![SeccompRule::new(connect)?]);

    // Of the families of sockets only these. Those of the internet are asked for; see `sockets.rs`.
    let strange = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ]
    .into_iter()
    .map(|family| is_not(0, unsigned(family)))
    .collect::<Result<_, _>>()?;
    // The C library asks which addresses there are (NETLINK_ROUTE).
    let netlink = vec![
        is(0, unsigned(libc::AF_NETLINK))?,
        is_not(2, unsigned(libc::NETLINK_ROUTE))?,
    ];
    rules.insert(
        libc::SYS_socket,
        vec![SeccompRule::new(strange)?, SeccompRule::new(netlink)?],
    );

    // No file of this user ever becomes one that runs with its rights for somebody else.
    for (number, argument) in [
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_fchmodat2, 2),
    ] {
        let bits = [libc::S_ISUID, libc::S_ISGID]
            .into_iter()
            .map(|bit| SeccompRule::new(vec![has(argument, bit.cast_signed())?]))
            .collect::<Result<_, _>>()?;
        rules.insert(number, bits);
    }
    for (number, argument) in [
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
        (libc::SYS_mknodat, 2),
    ] {
        let devices = [libc::S_IFCHR, libc::S_IFBLK]
            .into_iter()
            .map(|kind| SeccompRule::new(vec![kind_is(argument, kind)?]))
            .collect::<Result<_, _>>()?;
        rules.insert(number, devices);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        TargetArch::try_from(ARCH)?,
    )?;
    filter.try_into()
}

fn unsigned(value: c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

type Condition = Result<SeccompCondition, seccompiler::BackendError>;

fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn has(argument: u8, flag: c_int) -> Condition {
    let flag = unsigned(flag);
    let operator = SeccompCmpOp::MaskedEq(flag);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, flag)
}

fn kind_is(argument: u8, kind: u32) -> Condition {
    let operator = SeccompCmpOp::MaskedEq(u64::from(libc::S_IFMT));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, u64::from(kind))
}

/// The filter that asks for sockets of the internet and says of some calls that they do not exist. The
/// crate has no such action, so it is written here.
pub(crate) fn questions() -> Vec<sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const GREATER: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Of `seccomp_data`: the number, the architecture, and the lower half of the first argument.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const FIRST: u32 = 16;
    #[cfg(target_arch = "x86_64")]
    const OURS: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const OURS: u32 = 0xc000_00b7;
    let number = |call: c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let step = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();
    vec![
        step(LOAD, ARCHITECTURE, 0, 0),
        step(EQUAL, OURS, 0, 9),
        step(LOAD, NUMBER, 0, 0),
        step(GREATER, number(NEWEST), 6, 0),
        step(EQUAL, number(ABSENT), 5, 0),
        step(EQUAL, number(libc::SYS_socket), 0, 3),
        step(LOAD, FIRST, 0, 0),
        step(EQUAL, libc::AF_INET.cast_unsigned(), 4, 0),
        step(EQUAL, libc::AF_INET6.cast_unsigned(), 3, 0),
        step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        step(RETURN, absent, 0, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
        step(RETURN, libc::SECCOMP_RET_USER_NOTIF, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with the program for a call.
    fn judge(number: u32, architecture: u32, first: u32) -> u32 {
        let program = questions();
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            match u32::from(step.code) & 7 {
                libc::BPF_LD => {
                    value = match step.k {
                        0 => number,
                        4 => architecture,
                        16 => first,
                        other => panic!("{other}"),
                    };
                }
                libc::BPF_JMP => {
                    let holds = match u32::from(step.code) & 0xf0 {
                        libc::BPF_JEQ => value == step.k,
                        libc::BPF_JGT => value > step.k,
                        other => panic!("{other}"),
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
                _ => return step.k,
            }
        }
    }

    #[test]
    fn sockets_of_the_internet_are_asked_for_and_nothing_else_is() {
        #[cfg(target_arch = "x86_64")]
        const OURS: u32 = 0xc000_003e;
        #[cfg(target_arch = "aarch64")]
        const OURS: u32 = 0xc000_00b7;
        let socket = libc::SYS_socket as u32;
        let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        for family in [libc::AF_INET, libc::AF_INET6] {
            let verdict = judge(socket, OURS, family as u32);
            assert_eq!(verdict, libc::SECCOMP_RET_USER_NOTIF);
        }
        let unix = libc::AF_UNIX as u32;
        assert_eq!(judge(socket, OURS, unix), libc::SECCOMP_RET_ALLOW);
        let read = libc::SYS_read as u32;
        // Its first argument happens to be the number of a family.
        assert_eq!(judge(read, OURS, 2), libc::SECCOMP_RET_ALLOW);
        assert_eq!(judge(NEWEST as u32, OURS, 0), libc::SECCOMP_RET_ALLOW);
        assert_eq!(judge(NEWEST as u32 + 1, OURS, 0), absent);
        assert_eq!(judge(ABSENT as u32, OURS, 0), absent);
        // The same call by the x32 interface, and by that of 32 bits.
        assert_eq!(judge(0x4000_0000 | socket, OURS, 2), absent);
        assert_eq!(judge(359, 0x4000_0003, 2), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn the_refusals_are_a_program() {
        let program = refusals().unwrap();
        assert!(program.len() > FORBIDDEN.len() && program.len() < 4_096);
    }
}
