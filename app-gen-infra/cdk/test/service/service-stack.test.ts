import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Match, Template } from "aws-cdk-lib/assertions";
import { loadPlatform } from "../../lib/platform.ts";
import { AWS_ENVIRONMENTS, createApp, DIGEST, images, template } from "../support.ts";

const dev = template("dev", "service");

test("the old task serves until the new one is healthy, and a deployment that fails is rolled back", () => {
  dev.hasResourceProperties("AWS::ECS::Service", {
    ServiceName: "app-gen-saas-app",
    DesiredCount: 1,
    DeploymentConfiguration: {
      MinimumHealthyPercent: 100,
      MaximumPercent: 200,
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
    },
    HealthCheckGracePeriodSeconds: 60,
    NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: "ENABLED" } },
  });
});

test("the load balancer asks the health path", () => {
  dev.hasResourceProperties("AWS::ElasticLoadBalancingV2::TargetGroup", {
    Port: 5013,
    TargetType: "ip",
    HealthCheckPath: "/health",
    Matcher: { HttpCode: "200" },
    HealthCheckIntervalSeconds: 10,
    HealthyThresholdCount: 2,
    UnhealthyThresholdCount: 3,
  });
});

/** The health check of a family's container. */
function healthCheck(family: string): { Command: string[] } | undefined {
  const [definition] = Object.values(dev.findResources("AWS::ECS::TaskDefinition", { Properties: { Family: family } }));
  return definition?.["Properties"]["ContainerDefinitions"][0]["HealthCheck"];
}

/** The exit code of a health check that asks this port instead. */
async function checked(command: string[], port: number): Promise<number | null> {
  const [program, ...words] = command.slice(1).map((word) => word.replace("/5013", `/${port}`));
  const child = spawn(program!, words, { stdio: "ignore", timeout: 10_000 });
  return new Promise((resolve) => child.on("close", resolve));
}

test("ECS knows whether the orchestrator still answers, whatever it answers", async () => {
  const check = healthCheck("app-gen-saas-app");
  assert.equal(check?.Command[0], "CMD");
  for (const status of [200, 503]) {
    const server = createServer((_, response) => response.writeHead(status).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    assert.equal(await checked(check.Command, port), 0, `${status}`);
    await new Promise((resolve) => server.close(resolve));
    assert.notEqual(await checked(check.Command, port), 0, "nothing listens");
  }
  // Nobody can reach a generator, and its events are its sign of life.
  assert.equal(healthCheck("app-generator"), undefined);
});

test("the orchestrator answers to the load balancer's name", () => {
  const [loadBalancer] = Object.keys(dev.findResources("AWS::ElasticLoadBalancingV2::LoadBalancer"));
  dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-gen-saas-app",
    ContainerDefinitions: [
      Match.objectLike({
        Environment: Match.arrayWith([
          { Name: "ALLOWED_HOSTS", Value: { "Fn::GetAtt": [loadBalancer, "DNSName"] } },
          // Without it, all clients would be one: the load balancer.
          { Name: "TRUSTED_PROXIES", Value: "1" },
        ]),
      }),
    ],
  });
});

test("the orchestrator keeps keys of tenants below a name of its environment", () => {
  for (const environment of ["dev", "prod"]) {
    template(environment, "service").hasResourceProperties("AWS::ECS::TaskDefinition", {
      Family: "app-gen-saas-app",
      ContainerDefinitions: [
        Match.objectLike({
          Environment: Match.arrayWith([
            { Name: "MODEL_KEYS_URI", Value: `secretsmanager://app-gen-saas/${environment}/tenants` },
          ]),
        }),
      ],
    });
  }
});

test("images are given by digest alone", () => {
  const given = Object.values(dev.findResources("AWS::ECS::TaskDefinition")).flatMap((definition) =>
    definition["Properties"]["ContainerDefinitions"].map((container: { Image: string }) => container.Image),
  );
  const registry = "000000000001.dkr.ecr.us-east-1.amazonaws.com";
  assert.deepEqual(given.sort(), [
    `${registry}/app-gen-saas-app@${DIGEST}`,
    // Of the generator and of the preview.
    `${registry}/app-gen-saas-generator@${DIGEST}`,
    `${registry}/app-gen-saas-generator@${DIGEST}`,
    `${registry}/app-gen-saas-generator@${DIGEST}`,
  ]);
});

test("sizes are those of platform.toml", () => {
  for (const [environment, family, cpu, memory] of [
    ["dev", "app-gen-saas-app", "256", "512"],
    ["prod", "app-gen-saas-app", "1024", "2048"],
    ["dev", "app-generator", "1024", "2048"],
    ["prod", "app-generator", "4096", "8192"],
    ["prod", "app-preview", "512", "1024"],
  ] as const) {
    template(environment, "service").hasResourceProperties("AWS::ECS::TaskDefinition", {
      Family: family,
      Cpu: cpu,
      Memory: memory,
      RequiresCompatibilities: ["FARGATE"],
    });
  }
});

test("the generator runs on Fargate and on Fargate Spot", () => {
  dev.hasResourceProperties("AWS::ECS::ClusterCapacityProviderAssociations", {
    CapacityProviders: ["FARGATE", "FARGATE_SPOT"],
  });
});

test("secrets are injected by name and key", () => {
  dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-gen-saas-app",
    ContainerDefinitions: [
      Match.objectLike({
        Secrets: [
          {
            Name: "DATABASE_URL",
            ValueFrom: "arn:aws:secretsmanager:us-east-1:000000000001:secret:app-gen-saas/orchestrator:DATABASE_URL::",
          },
        ],
      }),
    ],
  });
  dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-generator",
    ContainerDefinitions: [Match.objectLike({ Secrets: Match.absent() })],
  });
});

test("no event of a generator is dropped, and no slow log holds up the orchestrator", () => {
  for (const [family, mode] of [
    ["app-generator", "blocking"],
    ["app-gen-saas-app", "non-blocking"],
  ]) {
    dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
      Family: family,
      ContainerDefinitions: [
        Match.objectLike({
          LogConfiguration: {
            LogDriver: "awslogs",
            Options: Match.objectLike({ "awslogs-group": `/ecs/${family}`, "awslogs-stream-prefix": "ecs", mode }),
          },
        }),
      ],
    });
  }
});

/** What the orchestrator's container may do, and how commands come into it. */
function entry(environment: string): object {
  const found = template(environment, "service");
  const properties = (type: string, more: object = {}) =>
    Object.values(found.findResources(type, { Properties: more }))[0]?.["Properties"];
  const definition = properties("AWS::ECS::TaskDefinition", { Family: "app-gen-saas-app" });
  const [container] = definition.ContainerDefinitions;
  return {
    enabled: properties("AWS::ECS::Service").EnableExecuteCommand,
    recorded: properties("AWS::ECS::Cluster").Configuration,
    volumes: definition.Volumes,
    mounts: container.MountPoints,
    readOnly: container.ReadonlyRootFilesystem,
    linux: container.LinuxParameters,
  };
}

test("commands come into the orchestrator where nothing is protected, and its own files stay read-only", () => {
  const hardened = { readOnly: true, linux: { Capabilities: { Drop: ["ALL"] }, InitProcessEnabled: true } };
  for (const environment of ["dev", "staging"]) {
    assert.deepEqual(entry(environment), {
      ...hardened,
      enabled: true,
      recorded: { ExecuteCommandConfiguration: { Logging: "NONE" } },
      volumes: [{ Name: "exec-agent" }, { Name: "exec-state" }, { Name: "exec-log" }],
      mounts: [
        { ContainerPath: "/managed-agents", ReadOnly: false, SourceVolume: "exec-agent" },
        { ContainerPath: "/var/lib/amazon/ssm", ReadOnly: false, SourceVolume: "exec-state" },
        { ContainerPath: "/var/log/amazon/ssm", ReadOnly: false, SourceVolume: "exec-log" },
      ],
    });
  }
  for (const environment of ["local", "prod"]) {
    const nothing = { recorded: undefined, volumes: undefined, mounts: undefined };
    // Said, because a service keeps what nobody says.
    assert.deepEqual(entry(environment), { ...hardened, ...nothing, enabled: false });
  }
});

/** What a container that keeps cages may do, in an environment. */
function powers(environment: string, family: string): object {
  const families = { Properties: { Family: family } };
  const [definition] = Object.values(template(environment, "service").findResources("AWS::ECS::TaskDefinition", families));
  const [container] = definition?.["Properties"].ContainerDefinitions;
  return {
    user: container.User,
    privileged: container.Privileged,
    readOnly: container.ReadonlyRootFilesystem,
    linux: container.LinuxParameters,
    volumes: definition?.["Properties"].Volumes,
    mounts: container.MountPoints,
  };
}

test("generator and preview are root with five capabilities, write to two folders, and take no commands", () => {
  // What Docker gives a container that asks for nothing.
  const usual = [
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
  ];
  const kept = ["CHOWN", "KILL", "SETGID", "SETPCAP", "SETUID"];
  const families = ["app-generator", "app-generator-deliverer", "app-preview"];
  const all = ["local", ...AWS_ENVIRONMENTS].flatMap((name) => families.map((family) => [name, family] as const));
  for (const [environment, family] of all) {
    assert.deepEqual(powers(environment, family), {
      user: undefined,
      privileged: undefined,
      readOnly: true,
      linux: {
        Capabilities: { Drop: usual.filter((name) => !kept.includes(name)) },
        InitProcessEnabled: false,
      },
      volumes: [{ Name: "state" }, { Name: "tmp" }],
      mounts: [
        { ContainerPath: "/state", ReadOnly: false, SourceVolume: "state" },
        { ContainerPath: "/tmp", ReadOnly: false, SourceVolume: "tmp" },
      ],
    });
  }
});

/** The generator's container, or that of another family, where this context is given beside the images. */
function generator(more: Record<string, string>, family = "app-generator"): {
  Environment?: { Name: string; Value: string }[];
  Secrets?: { Name: string; ValueFrom: string }[];
} {
  const made = Template.fromStack(createApp("dev", { context: { ...images("dev"), ...more } }).service);
  const [definition] = Object.values(
    made.findResources("AWS::ECS::TaskDefinition", { Properties: { Family: family } }),
  );
  return definition?.["Properties"].ContainerDefinitions[0];
}

/** The environment of the generator's container, where these certificates are given. */
function variables(certificates: string | undefined): { Name: string; Value: string }[] {
  return generator(certificates === undefined ? {} : { extraCertificates: certificates }).Environment ?? [];
}

test("generators trust the certificates that are given, and nothing but certificates is taken", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const named = { Name: "EXTRA_CA_CERTIFICATES", Value: pem };
  assert.deepEqual(variables(base64(pem)).filter(({ Name }) => Name === named.Name), [named]);
  assert.deepEqual(variables(undefined).filter(({ Name }) => Name === named.Name), []);
  const key = "-----BEGIN PRIVATE KEY-----\nTUlJ\n-----END PRIVATE KEY-----\n";
  for (const refused of [pem, base64(key), base64(pem + key)]) {
    assert.throws(() => variables(refused), /extraCertificates must be base64 of certificates/);
  }
});

test("keys of providers are injected where the secret has them", () => {
  const secret = "arn:aws:secretsmanager:us-east-1:000000000001:secret:app-gen-saas/generator";
  assert.deepEqual(generator({ "secretKeys.generator": "OPENAI_API_KEY,ANTHROPIC_API_KEY" }).Secrets, [
    { Name: "ANTHROPIC_API_KEY", ValueFrom: `${secret}:ANTHROPIC_API_KEY::` },
    { Name: "OPENAI_API_KEY", ValueFrom: `${secret}:OPENAI_API_KEY::` },
  ]);
  assert.equal(generator({ "secretKeys.generator": "" }).Secrets, undefined);
  for (const unknown of ["NO_SUCH_KEY", "GITHUB_BOT_TOKEN"]) {
    assert.throws(() => generator({ "secretKeys.generator": unknown }), new RegExp(`names ${unknown}, which is no key`));
  }
});

/** The variables of previews that the orchestrator of `dev` is given, with this host of previews. */
function previewVariables(previewHost: string | undefined): string[] {
  const committed = loadPlatform();
  const environments = { ...committed.environments, dev: { ...committed.environments["dev"]!, previewHost } };
  const made = Template.fromStack(createApp("dev", { platform: { ...committed, environments } }).service);
  const [definition] = Object.values(
    made.findResources("AWS::ECS::TaskDefinition", { Properties: { Family: "app-gen-saas-app" } }),
  );
  const given: { Name: string }[] = definition?.["Properties"].ContainerDefinitions[0].Environment;
  return given.map(({ Name }) => Name).filter((name) => name.startsWith("PREVIEW_")).sort();
}

test("there are previews on AWS where a name leads to them, and they have no rights and no secret", () => {
  assert.deepEqual(previewVariables(undefined), []);
  assert.deepEqual(previewVariables("preview.app.example.com"), [
    "PREVIEW_CONTAINER",
    "PREVIEW_CONTROL_PORT",
    "PREVIEW_HOST",
    "PREVIEW_MAX",
    "PREVIEW_PORT",
    "PREVIEW_SECURITY_GROUPS",
    "PREVIEW_TASK_DEFINITION",
    "PREVIEW_TIME_TO_LIVE_SECS",
  ]);
  dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-preview",
    TaskRoleArn: Match.absent(),
    ContainerDefinitions: [
      Match.objectLike({
        Secrets: Match.absent(),
        PortMappings: [
          { ContainerPort: 5080, Protocol: "tcp" },
          { ContainerPort: 5081, Protocol: "tcp" },
        ],
      }),
    ],
  });
});

test("tokens that deliver are injected into tasks that deliver, and into no other", () => {
  const secret = "arn:aws:secretsmanager:us-east-1:000000000001:secret:app-gen-saas/deliverer";
  const both = {
    "secretKeys.deliverer": "GITHUB_BOT_TOKEN,FLY_API_TOKEN",
    "secretKeys.generator": "OPENAI_API_KEY",
  };
  const names = (family: string) => generator(both, family).Secrets?.map(({ Name }) => Name);
  assert.deepEqual(generator(both, "app-generator-deliverer").Secrets, [
    { Name: "FLY_API_TOKEN", ValueFrom: `${secret}:FLY_API_TOKEN::` },
    { Name: "GITHUB_BOT_TOKEN", ValueFrom: `${secret}:GITHUB_BOT_TOKEN::` },
  ]);
  assert.deepEqual(names("app-generator"), ["OPENAI_API_KEY"]);
  assert.deepEqual(names("app-gen-saas-app"), ["DATABASE_URL"]);
  const variables = generator(both, "app-generator-deliverer").Environment?.map(({ Name }) => Name);
  assert.ok(variables?.includes("FLY_BASE_IMAGE"));
  // Their log is where the orchestrator reads events.
  dev.hasResourceProperties("AWS::ECS::TaskDefinition", {
    Family: "app-generator-deliverer",
    ContainerDefinitions: [
      Match.objectLike({
        Name: "app-generator",
        LogConfiguration: Match.objectLike({ Options: Match.objectLike({ "awslogs-group": "/ecs/app-generator" }) }),
      }),
    ],
  });
});

test("without a certificate the load balancer speaks HTTP", () => {
  dev.resourceCountIs("AWS::ElasticLoadBalancingV2::Listener", 1);
  dev.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
    Port: 80,
    DefaultActions: [Match.objectLike({ Type: "forward" })],
  });
});

test("with one it speaks HTTPS, and HTTP redirects", () => {
  const committed = loadPlatform();
  const certificateArn = "arn:aws:acm:us-east-1:000000000001:certificate/c";
  const environments = { ...committed.environments, dev: { ...committed.environments["dev"]!, certificateArn } };
  const secured = Template.fromStack(createApp("dev", { platform: { ...committed, environments } }).service);
  secured.resourceCountIs("AWS::ElasticLoadBalancingV2::Listener", 2);
  secured.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
    Port: 443,
    Protocol: "HTTPS",
    Certificates: [{ CertificateArn: certificateArn }],
    SslPolicy: Match.stringLikeRegexp("TLS13"),
    DefaultActions: [Match.objectLike({ Type: "forward" })],
  });
  secured.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
    Port: 80,
    DefaultActions: [
      { Type: "redirect", RedirectConfig: { Protocol: "HTTPS", Port: "443", StatusCode: "HTTP_301" } },
    ],
  });
});

test("a protected load balancer cannot be deleted by accident", () => {
  for (const [environment, value] of [
    ["prod", "true"],
    ["dev", "false"],
  ] as const) {
    template(environment, "service").hasResourceProperties("AWS::ElasticLoadBalancingV2::LoadBalancer", {
      Scheme: "internet-facing",
      LoadBalancerAttributes: Match.arrayWith([{ Key: "deletion_protection.enabled", Value: value }]),
    });
  }
});
