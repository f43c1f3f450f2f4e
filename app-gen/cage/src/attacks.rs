//! What an agent could try, tried: the trial that a generator makes in a cage before it starts an agent
//! in one.
//!
//! What succeeds is a hole in this machine's walls. Tests run all attacks outside of a cage too, where each
//! succeeds: one that fails everywhere would prove nothing.

use crate::cage::{Cage, Ended};
use crate::roles::Role;
use crate::{filter, kernel, walls};
use procfs::process::Process;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, getppid, getrlimit, pidfd_getfd,
    pidfd_open, prlimit, setpriority_process, setrlimit, test_kill_process,
};
use rustix::thread::{Uid, set_thread_res_uid};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

/// Which addresses an attack asks that are not in the container: those at which ECS and EC2 give
/// credentials to who asks, and one that belongs to nobody.
const OUTSIDE: [Ipv4Addr; 3] = [
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(192, 0, 2, 1),
];

/// What is attacked.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Target {
    /// The generator's process.
    generator: i32,
    /// A folder of root's, with a file `secret`.
    private: PathBuf,
    /// Where the attacker may write.
    own: PathBuf,
    /// The ports at which something of the generator listens: the gateway, the mirror of packages.
    served: Vec<u16>,
    /// A port that the application may use.
    port: u16,
    /// The version of Landlock: some attacks are refused by nothing else.
    landlock: u8,
}

/// An attack that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The attack.
    pub attack: String,
    /// What it got.
    pub got: String,
}

/// What this machine's kernel has for cages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// The version of Landlock; 0 for none.
    pub landlock: u8,
}

impl Platform {
    /// What agents can do here that they could not elsewhere, in sentences.
    #[must_use]
    pub fn lacks(&self) -> &'static [&'static str] {
        match self.landlock {
            0 => &[
                "the kernel has no Landlock: an agent may write to folders that everybody may write to, reach every port of loopback, and change a workspace that it should only read",
            ],
            1..=3 => &[
                "Landlock of this kernel knows no ports: an agent may reach every port of loopback",
            ],
            _ => &[],
        }
    }
}

/// Why a job is refused.
#[derive(Debug, thiserror::Error)]
pub enum Unsafe {
    /// Attacks succeeded.
    #[error("an agent could leave its cage on this machine: {}", names(.0))]
    Holes(Vec<Hole>),
    /// The trial did not come to its end.
    #[error("the trial of the cage cannot be made ({0:?}): {1}")]
    Trial(Ended, String),
    /// It could not be started.
    #[error("the trial of the cage cannot be made")]
    Start(#[from] io::Error),
}

fn names(holes: &[Hole]) -> String {
    let holes = holes
        .iter()
        .map(|hole| format!("{} ({})", hole.attack, hole.got));
    holes.collect::<Vec<_>>().join(", ")
}

/// Tries to get out of the cage in every way that is known. Something has to listen on 127.0.0.1 at the
/// port of the gateway, and at that of packages if there is one. `private` is [`crate::Folders::private`].
///
/// # Errors
///
/// If an attack succeeds, or the cage cannot be built: no agent may then be started.
pub fn try_attacks(cage: &Cage, private: &Path) -> Result<Platform, Unsafe> {
    let landlock = walls::landlock_version();
    fs::write(private.join("secret"), "a secret")?;
    let target = Target {
        generator: std::process::id().cast_signed(),
        private: private.to_owned(),
        own: cage.own.clone(),
        served: cage.ports.served().collect(),
        port: *cage.ports.named.start(),
        landlock,
    };
    let target = serde_json::to_string(&target).map_err(io::Error::other)?;
    let output = cage
        .part(Role::Attack)?
        .arg(target)
        .stdin(Stdio::null())
        .output()?;
    let failed = |ended, error: &dyn std::fmt::Display| {
        let said = String::from_utf8_lossy(&output.stderr);
        Unsafe::Trial(ended, format!("{error} {said}").trim().to_owned())
    };
    match Ended::of(output.status) {
        Ended::Code(0) => {}
        ended => return Err(failed(ended, &"")),
    }
    let holes: Vec<Hole> =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(Ended::Code(0), &error))?;
    match holes.is_empty() {
        true => Ok(Platform { landlock }),
        false => Err(Unsafe::Holes(holes)),
    }
}

/// The work of [`Role::Attack`]. Its argument is the target.
pub(crate) fn attack(arguments: &[OsString]) -> ExitCode {
    let target = arguments.first().and_then(|target| target.to_str());
    let target = target.and_then(|target| serde_json::from_str(target).ok());
    let Some(target) = target else {
        return ExitCode::FAILURE;
    };
    let holes = holes(&target);
    let told = serde_json::to_vec(&holes).map_err(io::Error::other);
    match told.and_then(|told| io::stdout().write_all(&told)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What an attack got; nothing if it was refused.
type Got = Option<String>;

/// An attack with its name.
type Attack = (&'static str, fn(&Target) -> Got);

const ATTACKS: [Attack; 20] = [
    ("environment", environment),
    ("memory", memory),
    ("descriptors", descriptors),
    ("root-folder", root_folder),
    ("tracing", tracing),
    ("taking-descriptors", taking_descriptors),
    ("signals", signals),
    ("limits", limits),
    ("secrets", secrets),
    ("user", user),
    ("capabilities", capabilities),
    ("forbidden-calls", forbidden_calls),
    ("namespaces", namespaces),
    ("set-user-files", set_user_files),
    ("devices", devices),
    ("outside", outside),
    ("strange-sockets", strange_sockets),
    ("fast-open", fast_open),
    ("ports", ports),
    ("writing", writing),
];

/// Those that succeed.
fn holes(target: &Target) -> Vec<Hole> {
    let tried = ATTACKS.iter().filter_map(|(name, attack)| {
        attack(target).map(|got| Hole {
            attack: (*name).to_owned(),
            got,
        })
    });
    tried.collect()
}

fn pid(target: &Target) -> Option<Pid> {
    Pid::from_raw(target.generator)
}

/// The generator, the keeper, and the first process of the container.
fn processes(target: &Target) -> Vec<i32> {
    let keeper = getppid().map(|keeper| keeper.as_raw_nonzero().get());
    let mut processes = vec![1, target.generator];
    processes.extend(keeper);
    processes
}

fn environment(target: &Target) -> Got {
    processes(target).into_iter().find_map(|process| {
        let path = format!("/proc/{process}/environ");
        fs::read(&path).is_ok().then_some(path)
    })
}

fn memory(target: &Target) -> Got {
    processes(target).into_iter().find_map(|process| {
        let path = format!("/proc/{process}/mem");
        File::open(&path).is_ok().then_some(path)
    })
}

fn descriptors(target: &Target) -> Got {
    let own = fs::read_dir("/proc/self/fd").ok()?;
    // Three, and the one by which this is read.
    let inherited = own.count().checked_sub(4).filter(|more| *more > 0);
    if let Some(more) = inherited {
        return Some(format!("{more} that were left open"));
    }
    processes(target).into_iter().find_map(|process| {
        let path = format!("/proc/{process}/fd");
        fs::read_dir(&path).is_ok().then_some(path)
    })
}

fn root_folder(target: &Target) -> Got {
    let names = ["root", "cwd"];
    let mut paths = processes(target)
        .into_iter()
        .flat_map(|process| names.map(|name| format!("/proc/{process}/{name}")));
    paths.find(|path| fs::read_dir(path).is_ok())
}

fn tracing(target: &Target) -> Got {
    let seize = libc::PTRACE_SEIZE.into();
    let error = kernel::attempt(libc::SYS_ptrace, seize, target.generator.into());
    (error == 0).then(|| "ptrace".to_owned())
}

fn taking_descriptors(target: &Target) -> Got {
    let handle = pidfd_open(pid(target)?, PidfdFlags::empty()).ok()?;
    let got = pidfd_getfd(handle, 0, PidfdGetfdFlags::empty());
    got.is_ok().then(|| "standard input".to_owned())
}

fn signals(target: &Target) -> Got {
    let keeper = getppid();
    let processes = [pid(target), keeper].into_iter().flatten();
    let mut reached = processes.filter(|process| test_kill_process(*process).is_ok());
    reached.next().map(|process| format!("{process:?}"))
}

fn limits(target: &Target) -> Got {
    let generator = pid(target)?;
    let files = Rlimit {
        current: Some(10_000),
        maximum: Some(10_000),
    };
    if prlimit(Some(generator), Resource::Nofile, files).is_ok() {
        return Some("limits of the generator".to_owned());
    }
    if setpriority_process(Some(generator), 19).is_ok() {
        return Some("the priority of the generator".to_owned());
    }
    let core = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    if getrlimit(Resource::Core).maximum != Some(0) || setrlimit(Resource::Core, core).is_ok() {
        return Some("dumps of memory".to_owned());
    }
    let processes = getrlimit(Resource::Nproc).maximum;
    processes
        .is_none()
        .then(|| "any number of processes".to_owned())
}

fn secrets(target: &Target) -> Got {
    let secret = target.private.join("secret");
    if fs::read(&secret).is_ok() || fs::read_dir(&target.private).is_ok() {
        return Some(secret.display().to_string());
    }
    let link = target.own.join("link");
    let linked = fs::hard_link(&secret, &link).is_ok();
    let _ = fs::remove_file(link);
    linked.then(|| "a link to it".to_owned())
}

fn user(_: &Target) -> Got {
    let became = set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT);
    became.is_ok().then(|| "root".to_owned())
}

fn capabilities(_: &Target) -> Got {
    let status = Process::myself()
        .and_then(|process| process.status())
        .ok()?;
    let capabilities = status.capeff | status.capprm | status.capinh | status.capamb.unwrap_or(0);
    let is_bound = capabilities == 0 && status.nonewprivs == Some(1) && status.groups.is_empty();
    (!is_bound).then(|| {
        let groups = &status.groups;
        let may_gain = status.nonewprivs != Some(1);
        format!("capabilities {capabilities:x}, groups {groups:?}, may gain more: {may_gain}")
    })
}

fn forbidden_calls(_: &Target) -> Got {
    let passes = |number: &&libc::c_long| kernel::attempt(**number, 0, 0) != libc::EPERM;
    let passed: Vec<&libc::c_long> = filter::FORBIDDEN.iter().filter(passes).collect();
    let absent = [filter::ABSENT, filter::NEWEST + 1];
    let exists = |number: &libc::c_long| kernel::attempt(*number, 0, 0) != libc::ENOSYS;
    let exist: Vec<_> = absent.into_iter().filter(exists).collect();
    let is_refused = passed.is_empty() && exist.is_empty();
    (!is_refused).then(|| format!("{passed:?} {exist:?}"))
}

fn namespaces(_: &Target) -> Got {
    // The kernel calls these two together invalid, so no process comes of it.
    let flags = libc::CLONE_NEWUSER | libc::CLONE_FS;
    let error = kernel::attempt(libc::SYS_clone, flags.into(), 0);
    (error != libc::EPERM).then(|| format!("error {error} of clone"))
}

fn set_user_files(target: &Target) -> Got {
    let path = target.own.join("set-user");
    fs::write(&path, "").ok()?;
    let is_set = fs::set_permissions(&path, fs::Permissions::from_mode(0o4_755)).is_ok();
    let _ = fs::remove_file(path);
    is_set.then(|| "a file that runs as its owner".to_owned())
}

fn devices(target: &Target) -> Got {
    let path = target.own.join("device");
    let kind = FileType::CharacterDevice;
    let made = mknodat(CWD, &path, kind, Mode::RWXU, makedev(1, 1)).is_ok();
    let _ = fs::remove_file(path);
    // On an input that is no terminal, one that is not refused fails in another way.
    let typed = kernel::attempt(libc::SYS_ioctl, 0, libc::TIOCSTI.cast_signed()) != libc::EPERM;
    let got = [
        (made, "the machine's memory"),
        (typed, "a terminal's input"),
    ];
    got.iter()
        .find_map(|(got, what)| got.then(|| (*what).to_owned()))
}

/// Whether a packet left, or would have if anybody was there.
fn has_left(result: io::Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) => matches!(
            error.raw_os_error(),
            Some(libc::EINPROGRESS | libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ETIMEDOUT)
        ),
    }
}

fn outside(target: &Target) -> Got {
    // Those of credentials, of the web, and one that Landlock allows.
    let ports = [80, 443, target.port];
    let addresses = OUTSIDE
        .into_iter()
        .flat_map(|address| ports.map(|port| SocketAddr::from((address, port))));
    let mut reached = addresses.filter(|address| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None);
        socket.is_ok_and(|socket| {
            // What a socket of loopback sends anywhere goes nowhere, and nobody answers.
            let is_free = socket.bind_device(None).is_ok();
            let is_bound = socket
                .device()
                .is_ok_and(|device| device.is_some_and(|name| name == b"lo"));
            has_left(socket.connect(&SockAddr::from(*address))) && (is_free || !is_bound)
        })
    });
    reached.next().map(|address| address.to_string())
}

fn strange_sockets(_: &Target) -> Got {
    const MPTCP: i32 = 262;
    const EVENTS: i32 = libc::NETLINK_KOBJECT_UEVENT;
    let kinds = [
        ("UDP", libc::AF_INET, libc::SOCK_DGRAM, 0),
        ("UDP of IPv6", libc::AF_INET6, libc::SOCK_DGRAM, 0),
        ("ICMP", libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
        ("raw IP", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
        ("MPTCP", libc::AF_INET, libc::SOCK_STREAM, MPTCP),
        ("SCTP", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
        ("packets", libc::AF_PACKET, libc::SOCK_DGRAM, 0),
        ("events", libc::AF_NETLINK, libc::SOCK_DGRAM, EVENTS),
        ("virtual machines", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ("cryptography", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
    ];
    let made = kinds.into_iter().filter(|(_, family, kind, protocol)| {
        let protocol = Some(Protocol::from(*protocol));
        Socket::new_raw(Domain::from(*family), Type::from(*kind), protocol).is_ok()
    });
    let made: Vec<&str> = made.map(|(name, ..)| name).collect();
    (!made.is_empty()).then(|| made.join(", "))
}

fn fast_open(target: &Target) -> Got {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).ok()?;
    let outside = SocketAddr::from((OUTSIDE[2], target.port));
    let sent = socket.send_to_with_flags(b"data", &outside.into(), libc::MSG_FASTOPEN);
    let refused = sent.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM));
    (!refused).then(|| outside.to_string())
}

fn listens(address: SocketAddr) -> bool {
    let listen = || -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(1)
    };
    listen().is_ok()
}

fn ports(target: &Target) -> Got {
    let at = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    let mut taken = target.served.iter().map(at);
    if let Some(address) = taken.find(|address| listens(*address)) {
        return Some(address.to_string());
    }
    if target.landlock < 4 {
        return None;
    }
    let beside = |port: &u16| SocketAddr::from((Ipv6Addr::LOCALHOST, *port));
    let mut taken = target.served.iter().map(beside).chain([at(&8_080)]);
    if let Some(address) = taken.find(|address| listens(*address)) {
        return Some(address.to_string());
    }
    // Where Docker's own DNS listens for containers, by which words could be sent anywhere.
    let names = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 11), 53));
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).ok()?;
    has_left(socket.connect(&names.into())).then(|| names.to_string())
}

fn writing(target: &Target) -> Got {
    let by_rights = ["/", "/etc", "/usr/local/bin", "/root"];
    // Anybody may write there, if they exist.
    let by_landlock = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock"];
    let folders = by_rights.into_iter();
    let folders = folders.chain(by_landlock.into_iter().filter(|_| target.landlock > 0));
    let mut written = folders
        .map(|folder| Path::new(folder).join("written-by-an-agent"))
        .filter(|path| {
            let is_written = fs::write(path, "").is_ok();
            let _ = fs::remove_file(path);
            is_written
        });
    written.next().map(|path| path.display().to_string())
}
