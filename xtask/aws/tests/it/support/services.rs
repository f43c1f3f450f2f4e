//! A service of one task in the local cloud, removed with its test.

use crate::support::images::Pushed;
use crate::support::sdk::Sdk;
use crate::support::{Answer, Space, answer, local};
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, Compatibility, ContainerDefinition, DeploymentCircuitBreaker,
    DeploymentConfiguration, KeyValuePair, LaunchType, LoadBalancer, LogConfiguration, LogDriver,
    NetworkConfiguration, NetworkMode, Secret,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::{Duration, Instant};
use xtask_aws_api::calls::services::{FollowService, RedefineService, ShowService};

/// Runs until it is stopped, or ends at once as `EXIT` says.
const PROBE: &str = r#"FROM debian:trixie-slim
ENTRYPOINT ["/bin/sh", "-c", "echo this is ${WORD:-nothing}; test -n \"$EXIT\" && exit $EXIT; trap 'exit 0' TERM; sleep 600 & wait"]
"#;

/// An image whose entry point is a binary for another machine.
const FOREIGN: &str = "FROM scratch\nCOPY --chmod=755 app /app\nENTRYPOINT [\"/app\"]\n";

/// Cluster, service, log group and images of one test.
pub(crate) struct TestService {
    pub(crate) space: Space,
    pub(crate) sdk: Sdk,
    /// Removed after the service, which would start again what is removed with them.
    images: Vec<Pushed>,
    secret_arn: Option<String>,
    cluster: String,
    service: String,
    log_group: String,
}

impl TestService {
    pub(crate) fn new(test: &str) -> Self {
        let space = Space::new(test);
        let name = space.name.clone();
        Self::named(space, name.clone(), name.clone(), name)
    }

    /// A service that the binary takes for the orchestrator of the platform, and whose log it
    /// takes for that of the generator.
    pub(crate) fn deployed(test: &str) -> Self {
        let space = Space::new(test);
        let cluster = format!("{}-cluster", space.name);
        let (service, log_group) = (
            format!("{}-app", space.name),
            format!("/ecs/{}", space.name),
        );
        Self::named(space, cluster, service, log_group)
    }

    fn named(space: Space, cluster: String, service: String, log_group: String) -> Self {
        let made = Self {
            space,
            cluster,
            service,
            log_group,
            sdk: Sdk::new(),
            images: Vec::new(),
            secret_arn: None,
        };
        let (ecs, logs) = (made.sdk.ecs(), made.sdk.logs());
        made.sdk
            .run(ecs.create_cluster().cluster_name(&made.cluster).send())
            .expect("a cluster");
        made.sdk
            .run(
                logs.create_log_group()
                    .log_group_name(&made.log_group)
                    .send(),
            )
            .expect("a log group");
        made
    }

    /// Of the secret, and of cluster, service and log group where they are the test's own.
    pub(crate) fn name(&self) -> &str {
        &self.space.name
    }

    pub(crate) fn set_secret(&mut self, value: &Value) {
        let made = self.sdk.run(
            self.sdk
                .secrets()
                .create_secret()
                .name(self.name())
                .secret_string(value.to_string())
                .send(),
        );
        self.secret_arn = made.expect("a secret").arn;
    }

    /// Pushes an image that runs until it is stopped, or ends as `EXIT` says.
    pub(crate) fn push_probe(&mut self) -> String {
        self.push("probe", PROBE, None)
    }

    /// Pushes an image for another machine.
    pub(crate) fn push_foreign(&mut self) -> String {
        // An ELF header for AArch64 is all that the kernel reads before it refuses.
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        header[16] = 2;
        header[18] = 183;
        self.push("foreign", FOREIGN, Some(&header))
    }

    pub(crate) fn cluster(&self) -> &str {
        &self.cluster
    }

    pub(crate) fn log_group(&self) -> &str {
        &self.log_group
    }

    pub(crate) fn push(&mut self, name: &str, dockerfile: &str, app: Option<&[u8]>) -> String {
        let context = self.space.path(name);
        std::fs::create_dir(&context).expect("folder");
        std::fs::write(context.join("Dockerfile"), dockerfile).expect("Dockerfile");
        if let Some(app) = app {
            std::fs::write(context.join("app"), app).expect("app");
        }
        let repository = format!("xtask-aws-test/{name}");
        let image = Pushed::new(&self.space, &local().registry(), &repository, &context);
        self.images.push(image);
        self.images[self.images.len() - 1].by_digest.clone()
    }

    /// Registers a definition, with a key of the test's secret; returns its ARN.
    pub(crate) fn define(
        &self,
        image: &str,
        environment: &[(&str, &str)],
        secret_key: Option<&str>,
    ) -> String {
        let logs = LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .options("awslogs-group", &self.log_group)
            .options("awslogs-region", "us-east-1")
            .options("awslogs-stream-prefix", "ecs")
            .build()
            .expect("log configuration");
        let mut container = ContainerDefinition::builder()
            .name("main")
            .image(image)
            .essential(true)
            .log_configuration(logs);
        for (name, value) in environment {
            let pair = KeyValuePair::builder().name(*name).value(*value).build();
            container = container.environment(pair);
        }
        if let Some(key) = secret_key {
            let arn = self.secret_arn.as_deref().expect("a secret");
            let secret = Secret::builder()
                .name("SECRET")
                .value_from(format!("{arn}:{key}::"))
                .build();
            container = container.secrets(secret.expect("a secret"));
        }
        let registered = self.sdk.run(
            self.sdk
                .ecs()
                .register_task_definition()
                // The family whose containers the images remove.
                .family(format!("validate-{}", self.name()))
                .requires_compatibilities(Compatibility::Fargate)
                .network_mode(NetworkMode::Awsvpc)
                .cpu("256")
                .memory("512")
                .container_definitions(container.build())
                .send(),
        );
        let registered = registered.expect("registered").task_definition;
        registered
            .and_then(|definition| definition.task_definition_arn)
            .expect("an ARN")
    }

    pub(crate) fn create(&self, definition: &str) {
        let breaker = DeploymentCircuitBreaker::builder()
            .enable(true)
            .rollback(true);
        let network = AwsVpcConfiguration::builder()
            .subnets("subnet-test")
            .build()
            .expect("a network");
        self.sdk
            .run(
                self.sdk
                    .ecs()
                    .create_service()
                    .cluster(&self.cluster)
                    .service_name(&self.service)
                    .task_definition(definition)
                    .desired_count(1)
                    .launch_type(LaunchType::Fargate)
                    .deployment_configuration(
                        DeploymentConfiguration::builder()
                            .deployment_circuit_breaker(breaker.build())
                            .maximum_percent(200)
                            .minimum_healthy_percent(100)
                            .build(),
                    )
                    .network_configuration(
                        NetworkConfiguration::builder()
                            .awsvpc_configuration(network)
                            .build(),
                    )
                    .send(),
            )
            .expect("a service");
    }

    pub(crate) fn update(&self, definition: &str) {
        let request = self.sdk.ecs().update_service();
        let request = request.cluster(&self.cluster).service(&self.service);
        self.sdk
            .run(request.task_definition(definition).send())
            .expect("updated");
    }

    /// Puts the service behind a load balancer.
    pub(crate) fn balance(&self, balancer: LoadBalancer) {
        let request = self.sdk.ecs().update_service();
        let request = request.cluster(&self.cluster).service(&self.service);
        self.sdk
            .run(request.load_balancers(balancer).send())
            .expect("updated");
    }

    pub(crate) fn show(&self) -> Value {
        let show = ShowService {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
        };
        self.space.ok(show)["service"].clone()
    }

    /// A request to follow the next deployment of another definition than this one.
    pub(crate) fn follow_request(&self, not_definition: Option<&str>) -> FollowService {
        FollowService {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            not_definition: not_definition.map(str::to_owned),
            timeout_secs: 600,
            appear_secs: 300,
        }
    }

    /// A request to go back to this definition.
    pub(crate) fn redefine_request(&self, definition: &str) -> RedefineService {
        RedefineService {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            definition: definition.to_owned(),
        }
    }

    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let begin = Instant::now();
        loop {
            let service = self.show();
            if holds(&service) {
                return;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "not {what}: {service}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Starts to follow, and returns when what runs now has been seen.
    pub(crate) fn follow(&self, not_definition: Option<&str>) -> Following {
        self.start(self.follow_request(not_definition))
    }

    /// As [`follow`](Self::follow), with this request.
    pub(crate) fn start(&self, request: FollowService) -> Following {
        let mut child = self.space.command(request).spawn().expect("started");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let mut said = String::new();
        stderr.read_line(&mut said).expect("a first line");
        Following {
            child,
            stderr: Box::new(stderr),
            said,
            begin: Instant::now(),
        }
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        // In a failing test some of this does not exist.
        let Self {
            space,
            sdk,
            cluster,
            service,
            log_group,
            ..
        } = self;
        let (ecs, name) = (sdk.ecs(), &space.name);
        sdk.run(async {
            let _ = ecs
                .delete_service()
                .cluster(cluster.as_str())
                .service(service.as_str())
                .force(true)
                .send()
                .await;
            let listed = ecs
                .list_task_definitions()
                .family_prefix(format!("validate-{name}"))
                .send()
                .await;
            for arn in listed
                .iter()
                .flat_map(|listed| listed.task_definition_arns())
            {
                let request = ecs.deregister_task_definition().task_definition(arn);
                let _ = request.send().await;
            }
            let _ = ecs.delete_cluster().cluster(cluster.as_str()).send().await;
            let _ = sdk
                .logs()
                .delete_log_group()
                .log_group_name(log_group.as_str())
                .send()
                .await;
            let secret = sdk.secrets().delete_secret().secret_id(name);
            let _ = secret.force_delete_without_recovery(true).send().await;
        });
    }
}

/// A call that follows a service, and runs.
pub(crate) struct Following {
    child: Child,
    stderr: Box<dyn Read>,
    said: String,
    begin: Instant,
}

impl Following {
    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits for its end; returns how long that took, too.
    pub(crate) fn end(mut self) -> (Answer, Duration) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("UTF-8");
        let output = self.child.wait_with_output().expect("ended");
        let took = self.begin.elapsed();
        let mut answer = answer(&output);
        answer.stderr = self.said + &rest;
        (answer, took)
    }
}

/// The state of an answer, and its error's parts.
pub(crate) fn verdict(answer: &Answer) -> Value {
    let json = &answer.json;
    json!([answer.exit_code, json["state"], json["error"]["message"]])
}
