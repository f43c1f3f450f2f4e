//! A generator that does nothing but use cages, for the tests: they start it in a container and judge
//! what it reports. It is no part of the product.

use app_gen_cage::{
    Bounds, Cage, Ended, Folders, Limits, Ports, end_all, prepare, read_workspace, run_role,
    try_attacks,
};
use serde_json::{Value, json};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where the generator's folders are.
const STATE: &str = "/state";
/// The variable with a secret.
const SECRET: &str = "GENERATOR_SECRET";
/// The gateway's port.
const GATEWAY: u16 = 8_765;
/// The port of the mirror of packages.
const PACKAGES: u16 = 8_766;
/// One of those that the kernel chooses for who asks for any.
const CHOSEN: u16 = 40_500;
const MEBIBYTE: u64 = 1024 * 1024;

type Shown<T> = Result<T, Box<dyn Error>>;
/// A part of the suite with its name.
type Part = (&'static str, fn(&Cage, &Folders) -> Shown<Value>);

fn main() -> ExitCode {
    if let Some(code) = run_role() {
        return code;
    }
    let said = match std::env::args().nth(1).as_deref() {
        Some("suite") => suite(),
        Some("abandon") => abandon(),
        other => Err(format!("no such trial: {other:?}").into()),
    };
    let (code, line) = match said {
        Ok(report) => (ExitCode::SUCCESS, report.to_string()),
        Err(error) => (ExitCode::FAILURE, format!("{error} {error:?}")),
    };
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn cage(folders: &Folders) -> Cage {
    Cage {
        user: app_gen_cage::USER,
        folder: folders.agent.clone(),
        workspace: folders.agent.join("workspace"),
        writes_workspace: true,
        own: folders.agent.join("builder"),
        readable: Vec::new(),
        ports: Ports::with_gateway(GATEWAY).and_packages(PACKAGES),
        limits: Limits::default(),
    }
}

/// Everything that is tried, by name.
fn suite() -> Shown<Value> {
    let (secrets, folders) = prepare(&[SECRET], Path::new(STATE))?;
    serve(GATEWAY, "the gateway")?;
    serve(PACKAGES, "the packages")?;
    let cage = cage(&folders);
    let attacks = match try_attacks(&cage, &folders.private) {
        Ok(platform) => json!({ "landlock": platform.landlock, "lacks": platform.lacks() }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    let parts: [Part; 14] = [
        ("identity", identity),
        ("loopback", loopback),
        ("endings", endings),
        ("survivors", survivors),
        ("asked", asked),
        ("bomb", bomb),
        ("disk", disk),
        ("limits", limits),
        ("reader", reader),
        ("roles", roles),
        ("lost_keeper", lost_keeper),
        ("workspace", workspace),
        ("race", race),
        ("outside", outside),
    ];
    let mut report = json!({
        "secret": secrets.get(SECRET),
        "environment_of_generator": String::from_utf8_lossy(&fs::read("/proc/self/environ")?),
        "variables_of_generator": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
        "attacks": attacks,
    });
    for (name, part) in parts {
        let began = Instant::now();
        report[name] =
            part(&cage, &folders).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        report["seconds"][name] = began.elapsed().as_secs_f64().into();
    }
    Ok(report)
}

/// Tells everybody who connects the same.
fn serve(port: u16, words: &'static str) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who does not read it has other worries.
            let _ = (&stream).write_all(words.as_bytes());
        }
    });
    Ok(())
}

/// A shell with a script, in the cage.
fn shell(cage: &Cage, script: &str) -> io::Result<Command> {
    let mut command = cage.command("bash")?;
    command
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// What a script wrote, and how it ended.
fn said(cage: &Cage, script: &str) -> io::Result<(String, Ended)> {
    let output = shell(cage, script)?.output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok((text, Ended::of(output.status)))
}

fn text(cage: &Cage, script: &str) -> io::Result<String> {
    Ok(said(cage, script)?.0)
}

/// The processes of the cage's user.
fn left(cage: &Cage) -> io::Result<Vec<String>> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let is_there = line("State:").is_some_and(|state| !state.contains('Z'));
        let user = line("Uid:").and_then(|users| users.split_whitespace().next());
        if is_there && user == Some(&cage.user.to_string()) {
            left.push(line("Name:").unwrap_or_default().trim().to_owned());
        }
    }
    Ok(left)
}

fn identity(cage: &Cage, _: &Folders) -> Shown<Value> {
    Ok(json!({
        "id": text(cage, "id")?,
        "variables": text(cage, "env | sed 's/=.*//' | sort")?,
        "folder": text(cage, "pwd")?,
        "mask": text(cage, "umask")?,
        "session": text(cage, "[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo own")?,
        "descriptors": text(cage, "ls /proc/self/fd | wc -l")?,
        "oom": text(cage, "cat /proc/self/oom_score_adj")?,
    }))
}

fn loopback(cage: &Cage, _: &Folders) -> Shown<Value> {
    let listens = |port: &str| {
        format!(
            "perl -MIO::Socket::INET -e '
            my $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", LocalPort => {port}, Listen => 1) or die \"no: $!\";
            my $c = IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $s->sockport) or die \"none: $!\";
            my $a = $s->accept; print $a \"heard\"; close $a; print <$c>, \" \", $s->sockport'"
        )
    };
    let read = |port: u16| format!("cat < /dev/tcp/127.0.0.1/{port}");
    let mut without = cage.clone();
    without.ports.packages = None;
    // The kernel may have chosen it for the generator before.
    let mut crossed = cage.clone();
    crossed.ports.packages = Some(CHOSEN);
    Ok(json!({
        "gateway": text(cage, &read(GATEWAY))?,
        "packages": text(cage, &read(PACKAGES))?,
        "packages_without": text(&without, &read(PACKAGES))?,
        "named": text(cage, &listens("20000"))?,
        "chosen": text(cage, &listens(&CHOSEN.to_string()))?,
        "chosen_for_packages": text(&crossed, &listens(&CHOSEN.to_string()))?,
        "any": text(cage, &listens("0"))?,
        "other": text(cage, &listens("8080"))?,
    }))
}

fn endings(cage: &Cage, _: &Folders) -> Shown<Value> {
    let ended = |script: &str| -> io::Result<String> { Ok(format!("{:?}", said(cage, script)?.1)) };
    let mut hurried = cage.clone();
    hurried.limits.seconds = 1;
    let late = said(&hurried, "setsid sleep 1000 & sleep 1000")?;
    let missing = cage.command("no-such-program")?.output()?;
    Ok(json!({
        "zero": ended("true")?,
        "seven": ended("exit 7")?,
        "killed": ended("kill -KILL $$")?,
        "ours": ended("exit 125")?,
        "late": format!("{:?}", late.1),
        "late_says": late.0,
        "missing": format!("{:?}", Ended::of(missing.status)),
        "missing_says": String::from_utf8_lossy(&missing.stderr),
    }))
}

/// Starts a script and waits until it has written a line.
fn started(cage: &Cage, script: &str) -> io::Result<Child> {
    let mut child = shell(cage, script)?.spawn()?;
    let mut byte = [0];
    if let Some(output) = &mut child.stdout {
        output.read_exact(&mut byte)?;
    }
    Ok(child)
}

fn stop(child: &mut Child, signal: &str) -> io::Result<(ExitStatus, f64)> {
    let began = Instant::now();
    send(child, signal)?;
    Ok((child.wait()?, began.elapsed().as_secs_f64()))
}

fn send(child: &Child, signal: &str) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a trial's own process")]
    Command::new("bash")
        .args(["-c", &format!("kill -{signal} {}", child.id())])
        .status()?;
    Ok(())
}

fn survivors(cage: &Cage, _: &Folders) -> Shown<Value> {
    let hide =
        "setsid nohup sleep 1000 & (trap '' TERM HUP; exec -a hidden sleep 1000) & disown -a; ";
    let (_, ended) = said(cage, &format!("{hide} sleep 0.1"))?;
    let after_end = left(cage)?;
    let mut child = started(cage, &format!("{hide} echo; sleep 1000"))?;
    let before = left(cage)?.len();
    let (status, seconds) = stop(&mut child, "TERM")?;
    Ok(json!({
        "ended": format!("{ended:?}"),
        "after_end": after_end,
        "before": before,
        "stopped": format!("{:?}", Ended::of(status)),
        "seconds": seconds,
        "after_stop": left(cage)?,
    }))
}

/// A program that is asked to end does so by itself, or does not.
fn asked(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut child = started(
        cage,
        "trap 'exit 5' TERM; sleep 1000 & echo; while :; do wait; done",
    )?;
    let (status, seconds) = stop(&mut child, "USR1")?;
    let left_by_polite = left(cage)?;
    // The program ends at once, and what it started has something to do before it ends.
    let tidy = "trap 'sleep 0.3; touch by-itself; exit' TERM; echo; while :; do sleep 0.05; done";
    let mut shell = started(cage, &format!("({tidy}) & wait"))?;
    let (first, _) = stop(&mut shell, "USR1")?;
    let by_itself = text(cage, "ls by-itself && rm by-itself")?;
    let mut deaf = started(cage, "trap '' TERM; echo; sleep 1000 & wait; sleep 1000")?;
    send(&deaf, "USR1")?;
    thread::sleep(Duration::from_millis(300));
    let stays = deaf.try_wait()?.is_none();
    let (stopped, _) = stop(&mut deaf, "TERM")?;
    Ok(json!({
        "polite": format!("{:?}", Ended::of(status)),
        "seconds": seconds,
        "left_by_polite": left_by_polite,
        "first": format!("{:?}", Ended::of(first)),
        "by_itself": by_itself,
        "deaf_stays": stays,
        "deaf": format!("{:?}", Ended::of(stopped)),
        "left_by_deaf": left(cage)?,
    }))
}

fn bomb(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut cage = cage.clone();
    cage.limits.processes = 200;
    let mut child = started(&cage, "f() { f | f & }; f; echo; sleep 100")?;
    thread::sleep(Duration::from_millis(700));
    let most = left(&cage)?.len();
    let (_, seconds) = stop(&mut child, "TERM")?;
    Ok(json!({ "most": most, "seconds": seconds, "left": left(&cage)? }))
}

fn disk(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut cage = cage.clone();
    cage.limits.written_bytes = 16 * MEBIBYTE;
    let began = Instant::now();
    let (text, ended) = said(
        &cage,
        "for i in {1..16}; do head -c 4M /dev/zero >> big; done; sleep 30",
    )?;
    let seconds = began.elapsed().as_secs_f64();
    let size = text_number(&cage_with_room(&cage), "stat -c %s big; rm big")?;
    // What others write to the same disk is not this cage's.
    let mut child = started(&cage, "echo; sleep 1; exit 3")?;
    let mut file = File::create("/state/private/others")?;
    file.write_all(&vec![1; 64 * 1024 * 1024])?;
    file.sync_all()?;
    let others = Ended::of(child.wait()?);
    fs::remove_file("/state/private/others")?;
    Ok(json!({
        "ended": format!("{ended:?}"), "says": text, "seconds": seconds, "bytes": size,
        "others": format!("{others:?}"),
    }))
}

fn cage_with_room(cage: &Cage) -> Cage {
    let mut cage = cage.clone();
    cage.limits = Limits::default();
    cage
}

fn text_number(cage: &Cage, script: &str) -> Shown<u64> {
    Ok(text(cage, script)?.parse()?)
}

fn limits(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut cage = cage.clone();
    cage.limits.file_bytes = MEBIBYTE;
    cage.limits.memory_bytes = Some(128 * MEBIBYTE);
    cage.limits.files = 100;
    Ok(json!({
        "file": text_number(&cage, "exec 2>/dev/null; head -c 3M /dev/zero > big; stat -c %s big; rm big")?,
        "memory": text(&cage, "perl -e 'my $x = \"a\" x 300_000_000; print length $x' 2>&1 | head -c 40")?,
        "files": text(&cage, "perl -e 'my @f; while (open my $f, q(<), q(/dev/null)) { push @f, $f } print scalar @f'")?,
        "processes": text(&cage, "ulimit -Hu")?,
    }))
}

fn reader(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut reader = cage.clone();
    reader.own = cage.folder.join("reviewer");
    reader.writes_workspace = false;
    text(cage, "echo seen > given; echo private > ~/own")?;
    let own = cage.home().join("own");
    Ok(json!({
        "reads": text(&reader, "cat given")?,
        "writes": text(&reader, "echo > given && echo written")?,
        "home": text(&reader, "echo mine > ~/mine && cat ~/mine")?,
        "of_other_role": text(&reader, &format!("cat {}", own.display()))?,
    }))
}

fn roles(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut other = cage.clone();
    other.own = cage.folder.join("tester");
    // Its end is not the end of the one beside it.
    let mut first = started(cage, "echo; sleep 1000")?;
    let mut second = started(&other, "echo; sleep 1000")?;
    let reach = "for p in /proc/[0-9]*; do n=${p#/proc/}; [ $n != $$ ] && kill -0 $n 2>/dev/null && cat $p/comm; done";
    let reached = text(&other, reach)?;
    let alone = text(cage, reach)?;
    stop(&mut second, "TERM")?;
    let left = left(cage)?;
    stop(&mut first, "TERM")?;
    Ok(json!({ "reached": reached, "alone": alone, "left": left }))
}

fn lost_keeper(cage: &Cage, _: &Folders) -> Shown<Value> {
    let mut child = started(cage, "setsid sleep 1000 & sleep 0.05; echo; sleep 1000")?;
    let (status, _) = stop(&mut child, "KILL")?;
    let is_ended = end_all();
    Ok(json!({
        "ended": format!("{:?}", Ended::of(status)),
        "is_ended": is_ended,
        "left": left(cage)?,
    }))
}

const BOUNDS: Bounds = Bounds {
    entries: 1_000,
    bytes: 10 * MEBIBYTE,
    file_bytes: MEBIBYTE,
    path_bytes: 200,
};

/// Paths and contents of the workspace.
fn files(cage: &Cage) -> Result<Vec<(String, String)>, app_gen_cage::Refused> {
    let mut files = Vec::new();
    read_workspace(cage, &["node_modules", ".git"], &BOUNDS, |file| {
        let mut content = String::new();
        file.content.read_to_string(&mut content)?;
        files.push((file.path.display().to_string(), content));
        Ok(())
    })?;
    Ok(files)
}

fn workspace(cage: &Cage, folders: &Folders) -> Shown<Value> {
    let mut cage = cage.clone();
    cage.workspace = cage.folder.join("made");
    let make = "mkdir -p src node_modules/x .git; echo a > src/a; echo b > node_modules/x/b; echo c > .git/config";
    text(&cage, make)?;
    let plain = files(&cage)?;
    let direct = fs::read_dir(&cage.workspace).is_ok();
    let secret = folders.private.join("secret");
    text(&cage, &format!("ln -s {} link", secret.display()))?;
    let link = files(&cage).err().map(|error| error.to_string());
    text(&cage, "rm link; head -c 2M /dev/zero > big")?;
    let big = files(&cage).err().map(|error| error.to_string());
    text(&cage, "rm big; touch $'a\\nb'")?;
    let name = files(&cage).err().map(|error| error.to_string());
    Ok(json!({ "plain": plain, "direct": direct, "link": link, "big": big, "name": name }))
}

/// A file that becomes a link to a secret and back while it is read.
fn race(cage: &Cage, folders: &Folders) -> Shown<Value> {
    let mut cage = cage.clone();
    cage.workspace = cage.folder.join("raced");
    let secret = folders.private.join("secret");
    let script = format!(
        "echo harmless > plain; ln -s {} secret; echo; while :; do ln -f plain file; ln -sfn {} file; done",
        secret.display(),
        secret.display()
    );
    let mut racer = started(&cage, &script)?;
    let (mut taken, mut leaked) = (0, 0);
    for _ in 0..25 {
        let mut read = 0;
        let done = read_workspace(&cage, &["secret"], &BOUNDS, |file| {
            let mut content = String::new();
            file.content.read_to_string(&mut content)?;
            leaked += usize::from(content.contains("a secret"));
            read += 1;
            Ok(())
        });
        taken += usize::from(done.is_ok() || read > 0);
    }
    stop(&mut racer, "TERM")?;
    Ok(json!({ "taken": taken, "leaked": leaked }))
}

/// Asks somebody who listens outside of the container.
fn outside(cage: &Cage, _: &Folders) -> Shown<Value> {
    let address = std::env::var("OUTSIDE")?;
    let patience = Duration::from_secs(2);
    let by_generator = TcpStream::connect_timeout(&address.parse()?, patience).is_ok();
    let (host, port) = address.split_once(':').ok_or("no port")?;
    let by_cage = said(
        cage,
        &format!("timeout 1 bash -c ': < /dev/tcp/{host}/{port}'"),
    )?;
    Ok(json!({ "by_generator": by_generator, "by_cage": format!("{:?}", by_cage.1) }))
}

/// Ends while a command runs in its cage.
fn abandon() -> Shown<Value> {
    let (_, folders) = prepare(&[SECRET], Path::new(STATE))?;
    let cage = cage(&folders);
    let child = started(&cage, "setsid sleep 1000 & echo; sleep 1000")?;
    Ok(json!({ "keeper": child.id(), "left": left(&cage)?.len() }))
}
