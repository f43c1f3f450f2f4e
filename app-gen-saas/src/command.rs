//! What the program is asked to do: to serve, or one thing of an operator, with the same variables.

use app_gen_saas_contract::backup::is_id;

use crate::backup::Target;

/// What is shown to who asks for something else.
pub const USAGE: &str = "app-gen-saas [backup ID | restore ID [--replace] [--sha256 DIGEST]]";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Serve until a signal comes.
    Serve,
    /// Write a backup.
    Backup {
        /// Its id.
        id: String,
    },
    /// Bring a backup back.
    Restore {
        /// Its id.
        id: String,
        /// Where to.
        target: Target,
        /// The SHA-256 of its manifest, where somebody wrote it down.
        digest: Option<String>,
    },
}

impl Command {
    /// What the arguments behind the program's name say; `None` where they say nothing that there is.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let Some(verb) = arguments.next() else {
            return Some(Self::Serve);
        };
        let id = arguments.next().filter(|id| is_id(id))?;
        match verb.as_str() {
            "backup" => arguments.next().is_none().then_some(Self::Backup { id }),
            "restore" => {
                let (mut target, mut digest) = (Target::Empty, None);
                while let Some(option) = arguments.next() {
                    match option.as_str() {
                        "--replace" => target = Target::Replaced,
                        "--sha256" => digest = Some(arguments.next()?),
                        _ => return None,
                    }
                }
                Some(Self::Restore { id, target, digest })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Command> {
        Command::from_arguments(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_arguments_it_serves() {
        assert_eq!(read(""), Some(Command::Serve));
    }

    #[test]
    fn an_operator_asks_for_one_thing() {
        let id = "20261130T181700Z-0a1b2c".to_owned();
        assert_eq!(
            read("backup 20261130T181700Z-0a1b2c"),
            Some(Command::Backup { id: id.clone() })
        );
        assert_eq!(
            read("restore 20261130T181700Z-0a1b2c --replace --sha256 ab"),
            Some(Command::Restore {
                id: id.clone(),
                target: Target::Replaced,
                digest: Some("ab".to_owned()),
            })
        );
        assert_eq!(
            read("restore 20261130T181700Z-0a1b2c"),
            Some(Command::Restore {
                id,
                target: Target::Empty,
                digest: None,
            })
        );
        for wrong in [
            "serve",
            "backup",
            "backup a b",
            "backup ../a",
            "backup a/b",
            "restore",
            "restore a --sha256",
            "restore a --force",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
