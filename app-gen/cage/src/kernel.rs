//! What the kernel offers and no crate has in a safe form. All unsafe code of the project is here.
#![expect(
    unsafe_code,
    reason = "seccomp's notifications and the strings of the environment have no safe form"
)]

use rustix::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use seccompiler::sock_filter;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::ptr;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// `IP_LOCAL_PORT_RANGE` of `linux/in.h`, since Linux 6.3.
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

fn answer(value: libc::c_long) -> io::Result<libc::c_long> {
    match value {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// Whether this process has one thread only.
pub(crate) fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Takes variables out of the environment and overwrites where they were: `/proc/PID/environ` shows the
/// memory in which a process got them, for as long as it lives.
///
/// Values that are not UTF-8 are overwritten and not returned.
///
/// # Errors
///
/// If this process has other threads, since these may read the environment meanwhile.
pub(crate) fn take_environment(names: &[&str]) -> io::Result<BTreeMap<String, String>> {
    if !is_single_threaded() {
        return Err(io::Error::other(
            "the environment is read before threads start",
        ));
    }
    let mut taken = BTreeMap::new();
    // SAFETY: `environ` is an array of C strings in memory of this process that ends with a null pointer;
    // the C standard lets a program write to it, and no other thread reads it.
    unsafe {
        let mut from = environ;
        let mut to = environ;
        while !from.is_null() && !(*from).is_null() {
            let variable = *from;
            let bytes = CStr::from_ptr(variable).to_bytes();
            let name = names.iter().find(|name| {
                let rest = bytes.strip_prefix(name.as_bytes());
                rest.is_some_and(|rest| rest.starts_with(b"="))
            });
            match name {
                Some(name) => {
                    if let Ok(value) = String::from_utf8(bytes[name.len() + 1..].to_vec()) {
                        taken.insert((*name).to_owned(), value);
                    }
                    let length = bytes.len();
                    // The compiler may leave out a write that nobody reads, unless it is volatile.
                    for place in 0..length {
                        ptr::write_volatile(variable.add(place), 0);
                    }
                }
                None => {
                    *to = variable;
                    to = to.add(1);
                }
            }
            from = from.add(1);
        }
        if !to.is_null() {
            *to = ptr::null_mut();
        }
    }
    Ok(taken)
}

/// A descriptor that this process got from the one that started it, which says its number.
///
/// # Errors
///
/// If the number is one of the three standard ones, which have an owner, or is not open.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: `fcntl` takes any number, and says if it is not open.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    answer(flags.into())?;
    // SAFETY: it is open, and the caller is the first thing that this process does.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Marks every descriptor but the three standard ones to be closed when this process becomes another
/// program.
///
/// # Errors
///
/// If the kernel refuses.
pub(crate) fn close_on_exec() -> io::Result<()> {
    // SAFETY: only a flag of descriptors changes, and each stays what it is.
    let marked = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if answer(marked).is_ok() {
        return Ok(());
    }
    // Linux 5.10 has the call and not its flag.
    let open = fs::read_dir("/proc/self/fd")?.collect::<io::Result<Vec<_>>>()?;
    let numbers = open
        .iter()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for number in numbers.filter(|number: &RawFd| *number > 2) {
        // SAFETY: as above. One that is closed by now, which is that of the list, is no fault.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Has this thread, and what it starts from now on, ask before the system calls that `program` picks. The
/// descriptor is for the one who answers.
///
/// # Errors
///
/// If the kernel has no notifications, or forbids them.
pub(crate) fn notify(program: &[sock_filter]) -> io::Result<OwnedFd> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        // The kernel only reads it. Both crates describe the same structure.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: the kernel copies the program, which lives until it has returned.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    let listener = RawFd::try_from(answer(listener)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it, for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

/// A system call that waits for an answer.
#[derive(Debug)]
pub(crate) struct Call {
    id: u64,
    /// Copies of its registers: they do not change any more.
    pub(crate) arguments: [u64; 6],
}

/// Waits for the next call.
///
/// # Errors
///
/// If nobody is left to ask. Calls whose process has ended are skipped.
pub(crate) fn next_call(listener: BorrowedFd<'_>) -> io::Result<Call> {
    loop {
        // SAFETY: integers may all be zero, and the kernel wants them so.
        let mut call: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the structure is the one that this number names.
        let got = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV as _,
                &raw mut call,
            )
        };
        match answer(got.into()) {
            Ok(_) => {
                return Ok(Call {
                    id: call.id,
                    arguments: call.data.args,
                });
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::EINTR) => {}
                _ => return Err(error),
            },
        }
    }
}

/// Lets a call return a descriptor: a copy of `file` in the process that called.
///
/// # Errors
///
/// If it has ended, or has no room for one.
pub(crate) fn give(
    listener: BorrowedFd<'_>,
    call: &Call,
    file: BorrowedFd<'_>,
    close_on_exec: bool,
) -> io::Result<()> {
    let mut copy = libc::seccomp_notif_addfd {
        id: call.id,
        flags: u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).map_err(io::Error::other)?,
        srcfd: u32::try_from(file.as_raw_fd()).map_err(io::Error::other)?,
        newfd: 0,
        newfd_flags: match close_on_exec {
            true => libc::O_CLOEXEC.cast_unsigned(),
            false => 0,
        },
    };
    let add = |copy: &libc::seccomp_notif_addfd| {
        // SAFETY: the structure is the one that this number names.
        let number = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ADDFD as _,
                ptr::from_ref(copy),
            )
        };
        answer(number.into())
    };
    match add(&copy) {
        Ok(_) => Ok(()),
        // Linux before 5.14 adds and answers in two steps. A call that is interrupted between them
        // leaves a socket without a number that its process knows.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            copy.flags = 0;
            let number = add(&copy)?;
            respond(listener, call, number, 0)
        }
        Err(error) => Err(error),
    }
}

/// Lets a call fail with the number of an error.
///
/// # Errors
///
/// If its process has ended.
pub(crate) fn refuse(listener: BorrowedFd<'_>, call: &Call, error: i32) -> io::Result<()> {
    respond(listener, call, 0, -error)
}

fn respond(listener: BorrowedFd<'_>, call: &Call, value: i64, error: i32) -> io::Result<()> {
    let mut response = libc::seccomp_notif_resp {
        id: call.id,
        val: value,
        error,
        flags: 0,
    };
    // SAFETY: the structure is the one that this number names.
    let sent = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND as _,
            &raw mut response,
        )
    };
    answer(sent.into()).map(drop)
}

/// From which ports the kernel chooses one for a socket that asks for any.
///
/// # Errors
///
/// If the kernel is older than Linux 6.3.
pub(crate) fn choose_ports(socket: BorrowedFd<'_>, ports: &RangeInclusive<u16>) -> io::Result<()> {
    let value = u32::from(*ports.end()) << 16 | u32::from(*ports.start());
    // SAFETY: the value and its size belong together.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_LOCAL_PORT_RANGE,
            (&raw const value).cast(),
            4,
        )
    };
    answer(set.into()).map(drop)
}

/// Tries a system call with two numbers and no pointer, and returns the number of its error, or 0.
///
/// For the trial of what the cage refuses: a call that it refuses does nothing, and one that it does not
/// refuse fails because something that it needs is missing.
pub(crate) fn attempt(number: libc::c_long, first: libc::c_long, second: libc::c_long) -> i32 {
    // SAFETY: no pointer is given, so nothing of this process can be read or changed; the numbers are
    // those of calls that do not end, copy or map it.
    let value = unsafe { libc::syscall(number, first, second, 0, 0, 0, 0) };
    match answer(value) {
        Ok(_) => 0,
        Err(error) => error.raw_os_error().unwrap_or_default(),
    }
}
