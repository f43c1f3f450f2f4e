//! Which of this machine's two local environments a command works with.

use crate::ManifestError;

/// One of the two sets of services, ports and data that a machine has for the environment
/// `local`, so that the tests never meet what a developer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instance {
    /// The developer's own: table `local` of the manifest.
    #[default]
    Developer,
    /// That of the tests: table `local_test`.
    Test,
}

impl Instance {
    /// Names the instance to commands; `cargo xtask test` sets it for whatever it starts.
    pub const VARIABLE: &str = "APP_GEN_LOCAL_INSTANCE";
    /// The variable's value for the tests. Folders of that instance have this name, too.
    pub const TEST: &str = "test";

    /// The instance that our environment names: the developer's where it names none.
    ///
    /// # Errors
    /// The variable has a value that means nothing.
    pub fn from_environment() -> Result<Self, ManifestError> {
        let named = std::env::var_os(Self::VARIABLE).unwrap_or_default();
        match named.to_str() {
            Some("") => Ok(Self::Developer),
            Some(Self::TEST) => Ok(Self::Test),
            _ => Err(ManifestError::of_variable(
                Self::VARIABLE,
                format!(
                    "is {}; it can be `{}`, or unset for the developer's own instance",
                    named.display(),
                    Self::TEST
                ),
            )),
        }
    }

    /// The table of the manifest that has its ports.
    #[must_use]
    pub fn table(self) -> &'static str {
        match self {
            Self::Developer => "local",
            Self::Test => "local_test",
        }
    }

    /// The folder below a shared one that only this instance writes to; the developer's
    /// instance has the shared one itself.
    #[must_use]
    pub fn folder(self) -> Option<&'static str> {
        match self {
            Self::Developer => None,
            Self::Test => Some(Self::TEST),
        }
    }
}
