//! The services that a command works on: some by name, a group of platform.toml, or all.

use xtask_core::context::Context;
use xtask_core::error::{Failure, unknown};

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct Selection {
    /// Services of platform.toml [default: all]
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Select all services of a group of platform.toml
    #[arg(long, value_name = "GROUP", conflicts_with = "services")]
    group: Option<String>,
}

impl Selection {
    /// Whether the command line names any service or group.
    #[must_use]
    pub(crate) fn is_given(&self) -> bool {
        self.group.is_some() || !self.services.is_empty()
    }

    /// The services, each once, in the order of the command line.
    ///
    /// # Errors
    /// [`Code::Usage`](xtask_core::error::Code::Usage) with the known names.
    pub(crate) fn services(&self, context: &Context) -> Result<Vec<String>, Failure> {
        if let Some(group) = &self.group {
            return services_of_group(context, group);
        }
        if self.services.is_empty() {
            return Ok(context.platform.services.keys().cloned().collect());
        }
        let mut services = Vec::new();
        for service in &self.services {
            if !context.platform.services.contains_key(service) {
                return Err(unknown(
                    "service",
                    service,
                    context.platform.services.keys(),
                ));
            }
            if !services.contains(service) {
                services.push(service.clone());
            }
        }
        Ok(services)
    }
}

/// The services of a group.
///
/// # Errors
/// [`Code::Usage`](xtask_core::error::Code::Usage) with the known groups.
pub(crate) fn services_of_group(context: &Context, group: &str) -> Result<Vec<String>, Failure> {
    let groups = &context.platform.groups;
    let services = groups
        .get(group)
        .ok_or_else(|| unknown("group", group, groups.keys()))?;
    Ok(services
        .iter()
        .map(|service| service.get_ref().clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use xtask_core::error::{Code, Rendered};
    use xtask_core::report::{Report, Verbosity};

    fn context() -> Context {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        Context::at(root.to_owned(), "local", false, report).unwrap()
    }

    fn selected(services: &[&str], group: Option<&str>) -> Result<Vec<String>, Rendered> {
        let selection = Selection {
            services: services.iter().map(|&name| name.to_owned()).collect(),
            group: group.map(str::to_owned),
        };
        selection
            .services(&context())
            .map_err(|failure| Rendered::new(&failure.into()))
    }

    #[test]
    fn without_names_all_services_are_selected_and_each_only_once() {
        assert_eq!(selected(&[], None).unwrap(), ["orchestrator"]);
        assert_eq!(
            selected(&["orchestrator", "orchestrator"], None).unwrap(),
            ["orchestrator"]
        );
        assert_eq!(selected(&[], Some("web")).unwrap(), ["orchestrator"]);
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let rendered = selected(&["orchestra"], None).unwrap_err();
        assert_eq!(rendered.exit_code, Code::Usage as u8);
        assert_eq!(
            rendered.hint.as_deref(),
            Some("did you mean `orchestrator`?")
        );
        let rendered = selected(&[], Some("agents")).unwrap_err();
        assert_eq!(rendered.hint.as_deref(), Some("name one of: web"));
    }
}
