//! Generators as shell scripts, for what the real one will not do on demand.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What every script begins with. A script is given `$folder` (the job's), `$job`, `$attempt`, and these
/// functions. It speaks the version of the contract that its spec has: the release before starts it too.
const PRELUDE: &str = r#"#!/bin/sh
path=${JOB_SPEC_URI#file://}
folder=${path%/*}
job=${folder##*/}
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$path"; }
version=$(field version)
attempt=$(field number)
sequence=$(field after_sequence)
sequence=${sequence:-0}
event() {
  sequence=$((sequence + 1))
  line "$sequence" "$1" "\"body\":$2"
}
line() {
  printf '{"version":%d,"job_id":"%s","sequence":%d,"time":"2026-01-01T00:00:00.000Z","type":"%s",%s}\n' \
    "$version" "$job" "$1" "$2" "$3"
}
started() {
  event started "{\"generator_version\":\"0\",\"attempt\":${attempt:-1},\"providers\":{\"template\":null},\"provider\":\"template\"}"
}
log() { event log "{\"level\":\"info\",\"message\":\"$1\"}"; }
artifact() {
  [ -e "$folder/app.zip" ] || printf 'zip' > "$folder/app.zip"
  event artifact "{\"name\":\"app.zip\",\"uri\":\"file://$folder/app.zip\",\"size_bytes\":$(wc -c < "$folder/app.zip"),\"sha256\":\"$(sha256sum < "$folder/app.zip" | cut -c1-64)\"}"
}
succeeded() { event succeeded '{"summary":"done"}'; }
failed() { event failed "{\"reason\":\"$1\"}"; }
ask() {
  event waiting_approval "{\"point\":\"before_publish\",\"question\":\"$1\",\"artifact_uri\":\"file://$folder/app.zip\"}"
}
limit() { event waiting_limit "{\"provider\":\"claude\",\"until\":$1,\"detail\":\"five hours are used up\"}"; }
interrupted() { event interrupted "{\"reason\":\"$1\"}"; }
checkpoint() { event checkpoint "{\"number\":$1,\"commit\":\"\"}"; }
usage() {
  event usage "{\"role\":\"builder\",\"stage\":\"build\",\"provider\":\"claude\",\"model\":\"m\",\"tokens\":{\"input\":$1,\"cache_read\":0,\"cache_write\":0,\"cache_write_long\":0,\"output\":0,\"thinking\":0},\"micro_usd\":$2}"
}
# Counts how often a job was started, however often that is.
echo started >> "$folder/starts"
"#;

/// Writes a script to `folder`; gives its path.
pub fn script(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("generator.sh");
    // Under another name first: a file that is open for writing cannot be started.
    let draft = folder.join("generator.draft");
    fs::write(&draft, format!("{PRELUDE}\n{body}")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&draft, &path).unwrap();
    path
}

/// How often the job's generator was started.
pub fn starts(artifacts: &Path, job_id: &str) -> usize {
    fs::read_to_string(artifacts.join("jobs").join(job_id).join("starts"))
        .map_or(0, |text| text.lines().count())
}

/// All processes of this machine that work on the job.
pub fn processes_of(job_id: &str) -> Vec<i32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let pid = path.file_name()?.to_str()?.parse().ok()?;
            let environment = fs::read(path.join("environ")).ok()?;
            let text = String::from_utf8_lossy(&environment);
            text.split('\0')
                .any(|variable| variable.starts_with("JOB_SPEC_URI=") && variable.contains(job_id))
                .then_some(pid)
        })
        .collect()
}
