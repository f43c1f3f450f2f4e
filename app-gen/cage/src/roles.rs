//! The parts of this crate that are processes of their own: the same program, started again.
//!
//! What happens between a `fork` and an `exec` in a process with threads may not even allocate memory. So
//! a process that is to change itself is first started anew, with one thread and nothing in its memory.

/// This program, wherever its file is.
pub(crate) const OURSELVES: &str = "/proc/self/exe";

/// What a process of this program may be, beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Outside of the cage: starts a command in it, answers for it, ends it.
    Keep,
    /// Goes into the cage and becomes the command.
    Enter,
    /// In the cage: writes the workspace to its standard output.
    Pack,
    /// In the cage: says how many bytes are in its folders.
    Measure,
    /// In the cage: tries to get out.
    Attack,
}

impl Role {
    /// The first argument of such a process.
    pub(crate) const MARK: &str = "in-cage";
    pub(crate) const ALL: [Self; 5] = [
        Self::Keep,
        Self::Enter,
        Self::Pack,
        Self::Measure,
        Self::Attack,
    ];

    /// The second.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Enter => "enter",
            Self::Pack => "pack",
            Self::Measure => "measure",
            Self::Attack => "attack",
        }
    }
}
