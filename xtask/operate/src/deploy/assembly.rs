//! A cloud assembly: the folder of templates that CDK makes of its app for one environment. It is
//! kept with each release, so that a rollback does not need the sources.

use crate::certificates;
use crate::deploy::{guards, stacks};
use crate::secrets;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask_aws_api::names::Concern;
use xtask_core::context::Context;
use xtask_machine::cdk;

/// Files for people and for the next synthesis, which are not deployed.
const NOT_DEPLOYED: [&str; 2] = ["tree.json", "validation-report.json"];

/// A cloud assembly on disk.
#[derive(Debug, Clone)]
pub struct Assembly {
    folder: PathBuf,
}

impl Assembly {
    /// Synthesises the app of the environment with these images, by name of the manifest.
    ///
    /// # Errors
    /// The app or one of its checks fails; its output is passed on.
    pub fn synthesise(
        context: &Context,
        images: &BTreeMap<String, String>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        guards::closed_to_strangers(context)?;
        clear(folder)?;
        let of_images = images
            .iter()
            .map(|(name, reference)| format!("images.{name}={reference}"));
        // In base64, because CDK ends a value at the first line feed.
        let certificates = certificates::extra(context)?
            .map(|pem| format!("extraCertificates={}", STANDARD.encode(pem)));
        // The names of keys, which are in the templates; no value is.
        let keys = secrets::present(context)?;
        let keys = keys
            .iter()
            .map(|(secret, keys)| format!("secretKeys.{secret}={}", keys.join(",")));
        let arguments: Vec<String> = [format!("env={}", context.environment)]
            .into_iter()
            .chain(of_images)
            .chain(keys)
            .chain(certificates)
            .flat_map(|value| ["--context".to_owned(), value])
            .collect();
        cdk::synthesise(context, folder, &arguments)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Writes an assembly that was [packed](Self::pack) into a folder.
    ///
    /// # Errors
    /// The packed assembly is damaged, or the folder cannot be written.
    pub fn unpack(packed: &Value, folder: &Path) -> anyhow::Result<Self> {
        clear(folder)?;
        let files = packed
            .as_object()
            .context("the assembly is not a JSON object")?;
        for (name, content) in files {
            anyhow::ensure!(
                Path::new(name)
                    .file_name()
                    .is_some_and(|last| last == name.as_str()),
                "the assembly names a file `{name}` outside its folder"
            );
            let text = content
                .as_str()
                .with_context(|| format!("file {name} of the assembly is not text"))?;
            std::fs::write(folder.join(name), text)
                .with_context(|| format!("failed to write {}", folder.join(name).display()))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The assembly as one JSON object that maps each file name to its text.
    ///
    /// # Errors
    /// The folder cannot be read, or contains something other than text files.
    pub fn pack(&self) -> anyhow::Result<Value> {
        let mut files = serde_json::Map::new();
        for item in std::fs::read_dir(&self.folder)? {
            let path = item?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .with_context(|| format!("the name of {} is not UTF-8", path.display()))?;
            if NOT_DEPLOYED.contains(&name) {
                continue;
            }
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("failed to read {}", path.display()))?;
            files.insert(name.to_owned(), Value::String(text));
        }
        Ok(Value::Object(files))
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A literal property of the only resource of a type in the stack of a concern. The templates
    /// contain physical names, so they are known before a stack exists.
    ///
    /// # Errors
    /// The stack has no such resource, or the cloud computes the property.
    pub fn property(
        &self,
        context: &Context,
        concern: Concern,
        resource_type: &str,
        property: &str,
    ) -> anyhow::Result<String> {
        self.properties(context, concern, resource_type, property)?
            .into_iter()
            .next()
            .with_context(|| {
                format!("stack {concern} has no {resource_type} with a literal {property}")
            })
    }

    /// Like [`property`](Self::property), but for all resources of the type.
    ///
    /// # Errors
    /// The template cannot be read.
    pub fn properties(
        &self,
        context: &Context,
        concern: Concern,
        resource_type: &str,
        property: &str,
    ) -> anyhow::Result<Vec<String>> {
        let values = self.values(context, concern, resource_type, property)?;
        let texts = values.iter().filter_map(Value::as_str);
        Ok(texts.map(str::to_owned).collect())
    }

    /// Like [`properties`](Self::properties), but whatever the property is.
    fn values(
        &self,
        context: &Context,
        concern: Concern,
        resource_type: &str,
        property: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let stack = stacks::name(context, concern);
        let path = self.folder.join(format!("{stack}.template.json"));
        let bytes =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let template: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        Ok(template["Resources"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, resource)| resource["Type"] == resource_type)
            .map(|(_, resource)| resource["Properties"][property].clone())
            .collect())
    }

    /// Whether everybody on the internet may use what it describes: the load balancer is open, and
    /// the orchestrator asks nobody for a login.
    ///
    /// # Errors
    /// A template cannot be read.
    pub fn lets_everybody_in(&self, context: &Context) -> anyhow::Result<bool> {
        let group = "AWS::EC2::SecurityGroup";
        let rules = self.values(context, Concern::Network, group, "SecurityGroupIngress")?;
        let is_open = rules
            .iter()
            .flat_map(|rules| rules.as_array().into_iter().flatten())
            .any(|rule| rule["CidrIp"] == "0.0.0.0/0" || rule["CidrIpv6"] == "::/0");
        let task = "AWS::ECS::TaskDefinition";
        let containers = self.values(context, Concern::Service, task, "ContainerDefinitions")?;
        let asks_for_login = containers
            .iter()
            .flat_map(|containers| containers.as_array().into_iter().flatten())
            .flat_map(|container| container["Environment"].as_array().into_iter().flatten())
            .any(|variable| variable["Name"] == "AUTH_MODE" && variable["Value"] != "none");
        Ok(is_open && !asks_for_login)
    }
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("failed to remove {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use xtask_core::report::{Report, Verbosity};

    #[test]
    fn an_open_load_balancer_needs_a_login_behind_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        let context = Context::at(root.to_owned(), "dev", true, report).unwrap();
        for (block, mode, expected) in [
            ("0.0.0.0/0", "none", true),
            ("0.0.0.0/0", "login", false),
            ("203.0.113.0/24", "none", false),
        ] {
            let template = |resource_type: &str, property: &str, value: Value| {
                let properties = json!({ property: value });
                json!({ "Resources": { "R": { "Type": resource_type, "Properties": properties } } })
                    .to_string()
            };
            let rules = json!([{ "CidrIp": block, "FromPort": 80 }]);
            let containers = json!([{ "Environment": [{ "Name": "AUTH_MODE", "Value": mode }] }]);
            let packed = json!({
                "AppGenNetwork-dev.template.json":
                    template("AWS::EC2::SecurityGroup", "SecurityGroupIngress", rules),
                "AppGenService-dev.template.json":
                    template("AWS::ECS::TaskDefinition", "ContainerDefinitions", containers),
            });
            let folder = tempfile::tempdir().unwrap();
            let assembly = Assembly::unpack(&packed, &folder.path().join("assembly")).unwrap();
            let found = assembly.lets_everybody_in(&context).unwrap();
            assert_eq!(found, expected, "{block} {mode}");
        }
    }
}
