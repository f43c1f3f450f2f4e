//! What a run in GitHub Actions shows in addition: groups that fold, annotations, and the result on
//! the page of the run.

use std::io::{self, Write};
use std::path::PathBuf;

/// GitHub drops a summary of more than 1 MiB for all the steps of a job.
const SUMMARY_LIMIT_BYTES: usize = 64 * 1024;

/// Whether this process runs in a workflow.
pub(super) fn runs_us() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The text in the form that a workflow command takes, which must be one line.
pub(super) fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The line that ends an open group, because groups do not nest.
pub(super) fn end_of_group(open: bool) -> &'static str {
    if open { "::endgroup::\n" } else { "" }
}

/// The file whose Markdown GitHub shows on the page of the run.
#[derive(Debug, Clone)]
pub(super) struct Summary(PathBuf);

impl Summary {
    /// The summary of the workflow step that runs this process; `None` outside a workflow.
    pub(super) fn of_this_step() -> Option<Self> {
        let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())?;
        runs_us().then(|| Self(path.into()))
    }

    /// Writes the text to `output`, and its beginning as a block of code to the summary. An error
    /// of the summary is ignored.
    pub(super) fn copy_of(
        &self,
        output: &mut dyn Write,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut copying = Copying {
            output,
            kept: Vec::new(),
            cut: false,
        };
        let written = text(&mut copying);
        let block = block(&String::from_utf8_lossy(&copying.kept), copying.cut);
        let _ = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.0)
            .and_then(|mut file| file.write_all(block.as_bytes()));
        written
    }
}

/// Passes on everything that is written and keeps the beginning.
struct Copying<'a> {
    output: &'a mut dyn Write,
    kept: Vec<u8>,
    cut: bool,
}

impl Write for Copying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        let room = SUMMARY_LIMIT_BYTES - self.kept.len();
        self.kept.extend_from_slice(&bytes[..count.min(room)]);
        self.cut |= count > room;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// A block of code whose fence is longer than every run of backticks within it.
fn block(text: &str, cut: bool) -> String {
    let longest = text
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    let mark = if cut { "\n…" } else { "" };
    format!("{fence}text\n{}{mark}\n{fence}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_the_workflow_stays_on_its_line() {
        assert_eq!(escaped("50 %\r\n::stop"), "50 %25%0D%0A::stop");
    }

    #[test]
    fn a_fence_in_the_text_does_not_end_the_block() {
        insta::assert_snapshot!(block("one\n```\ntwo\n", true), @r"
        ````text
        one
        ```
        two
        …
        ````
        ");
    }

    #[test]
    fn everything_is_passed_on_and_the_summary_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary.md");
        let mut output = Vec::new();
        let text = "x".repeat(3 * SUMMARY_LIMIT_BYTES);
        for _ in 0..2 {
            Summary(file.clone())
                .copy_of(&mut output, |output| output.write_all(text.as_bytes()))
                .unwrap();
        }
        assert_eq!(output.len(), 2 * text.len());
        let summary = std::fs::read_to_string(&file).unwrap();
        assert_eq!(summary.matches("```text\n").count(), 2);
        assert!(summary.len() < 2 * SUMMARY_LIMIT_BYTES + 100);

        // A folder cannot be written to as a file.
        Summary(folder.path().to_owned())
            .copy_of(&mut output, |output| output.write_all(b"more"))
            .unwrap();
        assert!(output.ends_with(b"more"));
    }
}
