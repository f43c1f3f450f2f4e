use super::*;
use crate::report::Verbosity;
use std::io::Write as _;
use std::time::Instant;

#[test]
fn a_command_is_displayed_as_it_is_typed() {
    let cmd = Cmd::new("tool").args(["plain", "a b", ""]);
    assert_eq!(cmd.display(), "tool plain \"a b\" \"\"");
}

#[test]
fn a_file_is_read_from_its_current_position() {
    use std::io::{Seek as _, SeekFrom};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"head and tail").unwrap();
    file.seek(SeekFrom::Start(9)).unwrap();
    assert_eq!(Cmd::new("cat").stdin_file(file).read().unwrap(), "tail");
}

#[test]
fn cargo_hears_nothing_of_the_package_that_runs_it() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let command = Cmd {
        program: "env".into(),
        ..Cmd::cargo()
    };
    let variables = command.read().unwrap();
    assert!(variables.contains("PATH="));
    assert!(!variables.contains("CARGO_MANIFEST_DIR="), "{variables}");
}

#[test]
fn a_run_is_bounded_and_its_group_ends() {
    let started = Instant::now();
    let error = Cmd::new("sh")
        .args(["-c", "sleep 60 & wait"])
        .timeout(Duration::from_millis(200))
        .read()
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("did not end within"),
        "{error:#}"
    );
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn an_error_quotes_the_last_lines() {
    let error = Cmd::new("sh")
        .args(["-c", "echo why >&2; exit 3"])
        .read()
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("exit status: 3") && text.contains("    why"),
        "{text}"
    );
}

#[test]
fn standard_input_reaches_the_child() {
    assert_eq!(Cmd::new("cat").stdin("hello").read().unwrap(), "hello");
    assert_eq!(Cmd::new("cat").read().unwrap(), "");
}

#[test]
fn late_output_is_not_lost() {
    // The leader ends at once; what its child writes to the same stream comes later.
    let output = Cmd::new("sh")
        .args(["-c", "(sleep 0.3; echo late) & exit 0"])
        .read()
        .unwrap();
    assert_eq!(output, "late");
}

#[test]
fn a_child_that_never_pauses_is_bounded() {
    let error = Cmd::new("yes")
        .timeout(Duration::from_millis(300))
        .output()
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("did not end within"),
        "{error:#}"
    );
}

#[test]
fn lines_are_handed_over_whole_and_in_order_also_the_last() {
    let mut lines = Vec::new();
    let script =
        "for i in 1 2 3; do printf 'a%s' $i; sleep 0.01; echo b; done; echo >&2 no; printf end";
    let status = Cmd::new("sh")
        .args(["-c", script])
        .lines(&Report::new(false, Verbosity::Quiet), "sh", |line| {
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        })
        .unwrap();
    assert!(status.success());
    assert_eq!(lines, ["a1b", "a2b", "a3b", "end"]);
}

/// The caller may take longer for one line than a child that has ended is waited for.
#[test]
fn nothing_is_lost_where_lines_are_taken_slowly() {
    let mut count = 0;
    Cmd::new("seq")
        .arg("300000")
        .lines(&Report::new(false, Verbosity::Quiet), "seq", |_| {
            if count == 0 {
                std::thread::sleep(Duration::from_secs(6));
            }
            count += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(count, 300_000);
}

#[test]
fn a_line_that_is_refused_ends_the_child() {
    let started = Instant::now();
    let refused = Cmd::new("sh")
        .args(["-c", "while echo more; do :; done"])
        .lines(&Report::new(false, Verbosity::Quiet), "sh", |_| {
            anyhow::bail!("enough")
        });
    assert_eq!(refused.unwrap_err().to_string(), "enough");
    assert!(started.elapsed() < Duration::from_secs(5));
}
