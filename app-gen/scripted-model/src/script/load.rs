//! Reads a script with its files, and refuses what could not be played.

use crate::script::{Action, Fault, FaultKind, Script, Turn};
use hyper::header::{HeaderName, HeaderValue};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Bytes of a script, and of everything that it writes in one action.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Files that one action writes.
const MAX_FILES: usize = 1000;
/// What npm and builds leave in a folder that a developer has tried.
const LEFT_OUT: [&str; 3] = ["node_modules", "dist", "data"];

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A file cannot be read.
    #[error("failed to read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a script.
    #[error("{0}")]
    Form(#[from] toml::de::Error),
    /// Something in it could not be played.
    #[error("{place}: {problem}")]
    Content {
        /// Part and turn, counted from 1.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

impl Script {
    /// The script in `path`, with the files that it names, which are beside it.
    ///
    /// # Errors
    /// A file cannot be read, or says what cannot be played.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = read(path)?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(".")))
    }

    /// The script `text`, whose files are in `folder`.
    ///
    /// # Errors
    /// As [`Script::load`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ScriptError> {
        let mut script: Self = toml::from_str(text)?;
        if script.parts.is_empty() {
            return Err(content("parts", "there are none"));
        }
        let mut others = Vec::new();
        for name in &script.with {
            let other: Self = toml::from_str(&read(&beside(folder, name, "with")?)?)?;
            if !other.with.is_empty() || other.parts.iter().any(|part| part.role.is_none()) {
                let problem = format!("{name} has parts without a role, or takes others with it");
                return Err(content("with", problem));
            }
            others.extend(other.parts);
        }
        script.parts.splice(..0, others);
        for (index, part) in script.parts.iter_mut().enumerate() {
            let place = format!("part {}", index + 1);
            // Every text holds the empty one, so such a cue would never let turns go on.
            if [&part.cue, &part.cue_result].contains(&&Some(String::new())) {
                return Err(content(&place, "its cue is empty"));
            }
            if part.turns.is_empty() {
                return Err(content(&place, "it has no turns"));
            }
            for (index, turn) in part.turns.iter_mut().enumerate() {
                let place = format!("{place}, turn {}", index + 1);
                complete(turn, folder, &place)?;
            }
        }
        if script.roles.values().any(String::is_empty) {
            return Err(content("roles", "the text that shows a role is empty"));
        }
        Ok(script)
    }
}

fn content(place: &str, problem: impl Into<String>) -> ScriptError {
    ScriptError::Content {
        place: place.to_owned(),
        problem: problem.into(),
    }
}

fn read(path: &Path) -> Result<String, ScriptError> {
    let file = |source| ScriptError::File {
        path: path.to_owned(),
        source,
    };
    let size = fs::metadata(path).map_err(file)?.len();
    if size > MAX_BYTES as u64 {
        let place = path.display().to_string();
        return Err(content(
            &place,
            format!("it has more than {MAX_BYTES} bytes"),
        ));
    }
    fs::read_to_string(path).map_err(file)
}

/// Checks a turn, and puts the content of files into its actions.
fn complete(turn: &mut Turn, folder: &Path, place: &str) -> Result<(), ScriptError> {
    let mut actions = Vec::new();
    for action in turn.actions.drain(..) {
        match action {
            Action::WriteFolder { from, to } => {
                let below = beside(folder, &from, place)?;
                let mut files = Vec::new();
                list(&below, &to, &mut files)?;
                if files.is_empty() || files.len() > MAX_FILES {
                    let problem = format!("{from} has {} files, not 1 to {MAX_FILES}", files.len());
                    return Err(content(place, problem));
                }
                files.sort();
                for (path, source) in files {
                    actions.push(written(path, read(&source)?));
                }
            }
            Action::Write {
                path,
                content: None,
                from: Some(from),
                repeat,
                replace,
            } => {
                let text = read(&beside(folder, &from, place)?)?;
                actions.push(Action::Write {
                    path,
                    content: Some(text),
                    from: None,
                    repeat,
                    replace,
                });
            }
            other => actions.push(other),
        }
    }
    turn.actions = actions;
    turn.actions
        .iter()
        .try_for_each(|action| check_action(action, place))?;
    turn.fault
        .as_ref()
        .map_or(Ok(()), |fault| check_fault(fault, place))
}

fn written(path: String, text: String) -> Action {
    Action::Write {
        path,
        content: Some(text),
        from: None,
        repeat: 1,
        replace: false,
    }
}

/// The path of a file or a folder that a script names.
fn beside(folder: &Path, name: &str, place: &str) -> Result<PathBuf, ScriptError> {
    let is_below = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match is_below && !name.is_empty() {
        true => Ok(folder.join(name)),
        false => Err(content(place, format!("{name:?} is not beside the script"))),
    }
}

/// The files below a folder with their paths in the workspace.
fn list(folder: &Path, to: &str, files: &mut Vec<(String, PathBuf)>) -> Result<(), ScriptError> {
    let error = |source| ScriptError::File {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = match to {
            "" => name.clone(),
            to => format!("{to}/{name}"),
        };
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() && !LEFT_OUT.contains(&&*name) {
            list(&entry.path(), &path, files)?;
        } else if kind.is_file() {
            files.push((path, entry.path()));
        }
    }
    Ok(())
}

fn check_action(action: &Action, place: &str) -> Result<(), ScriptError> {
    let path = match action {
        Action::Write {
            path,
            content: text,
            from,
            repeat,
            ..
        } => {
            let (Some(text), None) = (text, from) else {
                let problem =
                    format!("the write of {path} needs `content` or `from`, and not both");
                return Err(content(place, problem));
            };
            if text.len().saturating_mul(*repeat) > MAX_BYTES {
                let problem = format!("the write of {path} has more than {MAX_BYTES} bytes");
                return Err(content(place, problem));
            }
            path
        }
        Action::Edit { path, .. } | Action::Read { path } => path,
        Action::WriteFolder { .. } | Action::Run { .. } | Action::Call { .. } => return Ok(()),
    };
    // A patch has its path on one line.
    match path.is_empty() || path.contains(char::is_control) {
        true => Err(content(place, format!("{path:?} is no path"))),
        false => Ok(()),
    }
}

fn check_fault(fault: &Fault, place: &str) -> Result<(), ScriptError> {
    if fault.times.is_some() && fault.for_seconds.is_some() {
        return Err(content(
            place,
            "its fault has both `times` and `for_seconds`",
        ));
    }
    match &fault.kind {
        FaultKind::Status {
            status,
            headers,
            message,
            ..
        } => {
            if !(400..600).contains(status) {
                return Err(content(place, format!("{status} is no status of an error")));
            }
            let texts = headers.values().chain([message]);
            if fault.for_seconds.is_none() && texts.into_iter().any(|text| has_time(text)) {
                return Err(content(place, "a time of a reset needs `for_seconds`"));
            }
            for (name, value) in headers {
                let is_header = HeaderName::try_from(name).is_ok()
                    && HeaderValue::try_from(value).is_ok()
                    && !SET_BY_SERVER.contains(&&*name.to_lowercase());
                if !is_header {
                    return Err(content(
                        place,
                        format!("{name}: {value} cannot be a header"),
                    ));
                }
            }
            Ok(())
        }
        FaultKind::Garbage { bytes, .. } if *bytes > MAX_BYTES => Err(content(
            place,
            format!("more than {MAX_BYTES} bytes of garbage"),
        )),
        _ => Ok(()),
    }
}

/// Headers that follow from the answer; others would make it another one.
const SET_BY_SERVER: [&str; 5] = [
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "upgrade",
];

fn has_time(text: &str) -> bool {
    ["{seconds_left}", "{reset_epoch}", "{reset_time}"]
        .iter()
        .any(|time| text.contains(time))
}
