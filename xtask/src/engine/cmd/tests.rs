use super::*;

#[test]
fn hidden_arguments_are_not_displayed() {
    let cmd = Cmd::new("tool").arg("a b").hidden_arg("hunter2");
    assert_eq!(cmd.display(), "tool \"a b\" <hidden>");
}

#[test]
fn a_file_is_read_from_where_it_stands() {
    use std::io::{Seek as _, SeekFrom};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"head and tail").unwrap();
    file.seek(SeekFrom::Start(9)).unwrap();
    assert_eq!(Cmd::new("cat").stdin_file(file).read().unwrap(), "tail");
}

#[test]
fn a_run_is_bounded_and_its_group_ends() {
    let started = Instant::now();
    let error = Cmd::new("sh")
        .args(["-c", "sleep 60 & wait"])
        .timeout(Duration::from_millis(200))
        .read()
        .unwrap_err();
    assert!(format!("{error:#}").contains("not done after"), "{error:#}");
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
fn a_child_that_never_falls_silent_is_bounded() {
    let error = Cmd::new("yes")
        .timeout(Duration::from_millis(300))
        .output()
        .unwrap_err();
    assert!(format!("{error:#}").contains("not done after"), "{error:#}");
}
