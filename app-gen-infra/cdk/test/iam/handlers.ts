/**
 * What CloudFormation calls to create, read, update, delete and tag what the templates
 * make, by resource type.
 *
 * The registry of CloudFormation says which rights the handlers of a type use; the pinned
 * cfn-lint carries a copy of it. It names all that a handler can do, also for features that
 * nothing here uses: those stand below with their reason, as do the few rights that it
 * does not name.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Resource } from "../support.ts";

/** Rights by the reason why they are not needed; for a type, or for all. */
type Exceptions = Readonly<Record<string, readonly string[]>>;

/** What the registry names and nothing here uses. */
const UNUSED: Readonly<Record<string, Exceptions>> = {
  "AWS::EC2::Subnet": {
    "no IPv6": ["ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"],
  },
  "AWS::EC2::VPC": {
    "no encryption control, and the tenancy is the default": [
      "ec2:CreateVpcEncryptionControl",
      "ec2:ModifyVpcTenancy",
    ],
  },
  "AWS::EC2::VPCEndpoint": {
    "a gateway endpoint of this region": [
      "vpc-lattice:CreateServiceNetworkVpcEndpointAssociation",
      "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation",
      "vpce:AllowMultiRegion",
    ],
  },
  "AWS::EC2::VPCGatewayAttachment": {
    "no VPN": ["ec2:AttachVpnGateway", "ec2:DetachVpnGateway"],
  },
  "AWS::ECR::Repository": {
    "ECR encrypts with its own key": ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"],
    "no policy of its own": ["ecr:DeleteRepositoryPolicy", "ecr:SetRepositoryPolicy"],
  },
  "AWS::ECS::Cluster": {
    "nothing is encrypted with a key of ours": ["kms:DescribeKey"],
    "a setting of the account, not of a cluster": ["ecs:PutAccountSetting", "ecs:PutAccountSettingDefault"],
  },
  "AWS::ECS::Service": {
    "ECS reaches the load balancer by its service-linked role": ["iam:PassRole"],
  },
  "AWS::ElasticLoadBalancingV2::Listener": {
    "nobody logs in at the load balancer": ["cognito-idp:DescribeUserPoolClient"],
  },
  "AWS::ElasticLoadBalancingV2::LoadBalancer": {
    "no reserved capacity": ["elasticloadbalancing:ModifyCapacityReservation"],
    "addresses are Amazon's, IPv4": [
      "ec2:DescribeIpamPools",
      "elasticloadbalancing:ModifyIpPools",
      "elasticloadbalancing:SetIpAddressType",
    ],
  },
  "AWS::ElasticLoadBalancingV2::TargetGroup": {
    "ECS registers its tasks": ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"],
  },
  "AWS::Events::Rule": {
    "a log group as target takes no role": ["iam:PassRole"],
  },
  "AWS::IAM::Role": {
    "rights stand in the role itself": ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
    "the boundary stays, and CloudFormation must not take it off": ["iam:DeleteRolePermissionsBoundary"],
  },
  "AWS::Logs::LogGroup": {
    "no delivery elsewhere": ["firehose:TagDeliveryStream", "logs:CreateLogDelivery", "s3:REST.PUT.OBJECT"],
    "no key, no index, no masking, no protection": [
      "logs:AssociateKmsKey",
      "logs:DeleteIndexPolicy",
      "logs:DisassociateKmsKey",
      "logs:PutBearerTokenAuthentication",
      "logs:PutDataProtectionPolicy",
      "logs:PutIndexPolicy",
      "logs:PutLogGroupDeletionProtection",
    ],
    "policies are resources of their own": ["logs:DeleteResourcePolicy", "logs:PutResourcePolicy"],
  },
  "AWS::S3::Bucket": {
    "no such configuration": [
      "s3:PutAccelerateConfiguration",
      "s3:PutAnalyticsConfiguration",
      "s3:PutBucketAbac",
      "s3:PutBucketCORS",
      "s3:PutBucketNotification",
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketVersioning",
      "s3:PutBucketWebsite",
      "s3:PutIntelligentTieringConfiguration",
      "s3:PutInventoryConfiguration",
      "s3:PutMetricsConfiguration",
      "s3:PutObjectLockConfiguration",
      "s3:PutReplicationConfiguration",
    ],
    "no metadata tables": [
      "s3:CreateBucketMetadataTableConfiguration",
      "s3:DeleteBucketMetadataTableConfiguration",
      "s3:UpdateBucketMetadataAnnotationTableConfiguration",
      "s3:UpdateBucketMetadataInventoryTableConfiguration",
      "s3:UpdateBucketMetadataJournalTableConfiguration",
      "s3tables:CreateNamespace",
      "s3tables:CreateTable",
      "s3tables:CreateTableBucket",
      "s3tables:GetTable",
      "s3tables:GetTableMetadataLocation",
      "s3tables:PutTableBucketPolicy",
      "s3tables:PutTableEncryption",
      "s3tables:PutTablePolicy",
      "s3tables:UpdateTableMetadataLocation",
    ],
    "access lists are off": ["s3:PutBucketAcl", "s3:PutObjectAcl"],
    "what is in a bucket is not CloudFormation's": ["s3:DeleteObject"],
    "nothing is replicated": ["iam:PassRole"],
    "no right of IAM has that name: the one to put it also takes it away": [
      "s3:DeleteBucketAnalyticsConfiguration",
      "s3:DeleteBucketCors",
      "s3:DeleteBucketEncryption",
      "s3:DeleteBucketLifecycle",
      "s3:DeleteBucketMetricsConfiguration",
      "s3:DeleteBucketReplication",
      "s3:DeleteBucketTagging",
      "s3:PutBucketReplication",
    ],
    "the bucket has no site": ["s3:DeleteBucketWebsite"],
  },
  "AWS::DynamoDB::Table": {
    "items are the orchestrator's": [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "dynamodb:UpdateItem",
    ],
    "no replica, no policy of its own": [
      "dynamodb:AssociateTableReplica",
      "dynamodb:CreateTableReplica",
      "dynamodb:DeleteResourcePolicy",
      "dynamodb:PutResourcePolicy",
    ],
    "nothing is imported or streamed, no key is ours, nothing is told of its keys": [
      "dynamodb:DescribeImport",
      "dynamodb:DisableKinesisStreamingDestination",
      "dynamodb:EnableKinesisStreamingDestination",
      "dynamodb:ImportTable",
      "dynamodb:UpdateContributorInsights",
      "dynamodb:UpdateKinesisStreamingDestination",
      "iam:CreateServiceLinkedRole",
      "kinesis:DescribeStream",
      "kinesis:PutRecords",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:ListAliases",
      "kms:RevokeGrant",
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
      "logs:PutRetentionPolicy",
      "s3:GetObject",
      "s3:GetObjectMetadata",
      "s3:ListBucket",
    ],
  },
  "AWS::SNS::Subscription": { "mail takes no role": ["iam:GetRole", "iam:PassRole"] },
  "AWS::SNS::Topic": {
    "no delivery log, so no role": ["iam:GetRole", "iam:PassRole"],
    "no masking": ["sns:PutDataProtectionPolicy"],
    "subscriptions are resources of their own": ["sns:Subscribe", "sns:Unsubscribe"],
  },
};

/** What a template needs and the registry does not name with a type. */
const ADDED: Readonly<Record<string, Exceptions>> = {
  "AWS::EC2::Subnet": {
    "`Fn::GetAZs` asks for the account's zones": ["ec2:DescribeAccountAttributes", "ec2:DescribeAvailabilityZones"],
  },
  "AWS::ECS::Service": {
    "`Fn::GetStackOutput` reads the network's stack": ["cloudformation:DescribeStacks"],
  },
  "AWS::ElasticLoadBalancingV2::LoadBalancer": {
    "an account's first load balancer brings the role of its service": ["iam:CreateServiceLinkedRole"],
  },
  // Any resource will do: each template has the parameter.
  "AWS::EC2::VPC": {
    "CDK's templates take the version of the bootstrap as a parameter": ["ssm:GetParameters"],
  },
};

/** A right, and the resources that it is needed on. */
export interface Need {
  readonly type: string;
  readonly action: string;
  /** The resources that the action may be asked for; on which of them, differs by action. */
  readonly resources: readonly string[];
}

/** The rights that the resource needs for its whole life, by the registry in `venv`. */
export function needs(venv: string, place: Place, resource: Resource): Need[] {
  const { Type: type } = resource;
  const resources = RESOURCES[type]?.(place, name(resource));
  if (resources === undefined) {
    throw new Error(`no ARNs are known for ${type}: add it to RESOURCES in test/iam/handlers.ts`);
  }
  const unused = flat(UNUSED[type]);
  const actions = [...new Set([...registered(venv, type), ...flat(ADDED[type])])];
  return actions.filter((action) => !unused.includes(action)).map((action) => ({ type, action, resources }));
}

/** Exceptions of the type that the registry does not know, or knows already. */
export function idleExceptions(venv: string, types: readonly string[]): string[] {
  const idle = (exceptions: typeof UNUSED, isIdle: (type: string, action: string) => boolean) =>
    Object.entries(exceptions).flatMap(([type, byReason]) =>
      flat(byReason)
        .filter((action) => !types.includes(type) || isIdle(type, action))
        .map((action) => `${type} ${action}`),
    );
  return [
    ...idle(UNUSED, (type, action) => !registered(venv, type).includes(action)),
    ...idle(ADDED, (type, action) => registered(venv, type).includes(action)),
  ];
}

function flat(exceptions: Exceptions = {}): string[] {
  return Object.values(exceptions).flat();
}

interface Schema {
  readonly handlers?: Readonly<Record<string, { readonly permissions: readonly string[] }>>;
  readonly tagging?: { readonly permissions?: readonly string[] };
}

/** What the registry says that the handlers of a type use. A deployment lists nothing. */
function registered(venv: string, type: string): string[] {
  const { handlers, tagging } = schema(venv, type);
  if (handlers === undefined) {
    throw new Error(`the registry has no handlers of ${type}`);
  }
  const used = ["create", "read", "update", "delete"].flatMap((verb) => handlers[verb]?.permissions ?? []);
  return [...new Set([...used, ...(tagging?.permissions ?? [])])];
}

function schema(venv: string, type: string): Schema {
  const python = readdirSync(join(venv, "lib")).find((folder) => folder.startsWith("python")) ?? "";
  const folder = join(venv, "lib", python, "site-packages/cfnlint/data/schemas");
  const file = JSON.parse(readFileSync(join(folder, "providers/us-east-1.json"), "utf8"))[type];
  return JSON.parse(readFileSync(join(folder, `resources/${file}.json`), "utf8"));
}

/** Account and region. */
export interface Place {
  readonly account: string;
  readonly region: string;
}

/** Properties that hold a resource's name. */
const NAMES = [
  "AlarmName",
  "BucketName",
  "ClusterName",
  "DashboardName",
  "Family",
  "LogGroupName",
  "Name",
  "PolicyName",
  "QueueName",
  "RepositoryName",
  "RoleName",
  "ServiceName",
  "TableName",
  "TopicName",
];

/** The name that the template gives; CloudFormation makes one up from stack and id where there is none. */
function name({ Properties: properties }: Resource): string {
  const budget = properties["Budget"] as { BudgetName?: string } | undefined;
  const given = NAMES.map((key) => properties[key]).find((value) => typeof value === "string");
  return budget?.BudgetName ?? (given as string | undefined) ?? "AppGe-Entra-1A2B3C4D5E6F";
}

type Arns = (place: Place, name: string) => string[];

function regional(service: string, ...resources: ((name: string) => string)[]): Arns {
  return ({ account, region }, name) =>
    resources.map((resource) => `arn:aws:${service}:${region}:${account}:${resource(name)}`);
}

const CLUSTER = "app-gen-saas-cluster";
const ID = "0123456789abcdef0";
const bucket: Arns = (_, name) => [`arn:aws:s3:::${name}`];
const ec2 = (kind: string): Arns => regional("ec2", () => `${kind}/${kind}-${ID}`);
const logGroup = regional(
  "logs",
  (name) => `log-group:${name}`,
  (name) => `log-group:${name}:*`,
);
const loadBalancer = regional(
  "elasticloadbalancing",
  () => `loadbalancer/app/app-gen-saas/${ID}`,
  () => `listener/app/app-gen-saas/${ID}/${ID}`,
);
const topic = regional(
  "sns",
  () => "app-gen-saas-alarms",
  () => `app-gen-saas-alarms:${ID}`,
);

function both(...arns: Arns[]): Arns {
  return (place, name) => arns.flatMap((of) => of(place, name));
}

function role(path: string): Arns {
  return ({ account }) => [`arn:aws:iam::${account}:role/${path}`];
}

/** The roles that a task definition is given. */
function rolesOfFamily(place: Place, family: string): string[] {
  const execution = role(`${family}-execution-role`);
  return (family === "app-gen-saas-app" ? both(role("app-gen-saas-task-role"), execution) : execution)(place, family);
}

/** The ARNs that a type's handlers ask for rights on. */
const RESOURCES: Readonly<Record<string, Arns>> = {
  "AWS::Budgets::Budget": ({ account }, name) => [`arn:aws:budgets::${account}:budget/${name}`],
  "AWS::CloudWatch::Alarm": regional("cloudwatch", (name) => `alarm:${name}`),
  "AWS::CloudWatch::Dashboard": ({ account }, name) => [`arn:aws:cloudwatch::${account}:dashboard/${name}`],
  "AWS::DynamoDB::Table": regional("dynamodb", (name) => `table/${name}`),
  "AWS::EC2::InternetGateway": ec2("internet-gateway"),
  "AWS::EC2::Route": ec2("route-table"),
  "AWS::EC2::RouteTable": ec2("route-table"),
  "AWS::EC2::SecurityGroup": ec2("security-group"),
  "AWS::EC2::SecurityGroupEgress": ec2("security-group"),
  "AWS::EC2::SecurityGroupIngress": ec2("security-group"),
  "AWS::EC2::Subnet": ec2("subnet"),
  "AWS::EC2::SubnetRouteTableAssociation": ec2("route-table"),
  "AWS::EC2::VPC": both(ec2("vpc"), regional("ssm", () => "parameter/cdk-bootstrap/appgen/version")),
  "AWS::EC2::VPCEndpoint": ec2("vpc-endpoint"),
  "AWS::EC2::VPCGatewayAttachment": ec2("internet-gateway"),
  "AWS::ECR::Repository": regional("ecr", (name) => `repository/${name}`),
  "AWS::ECS::Cluster": both(
    regional("ecs", (name) => `cluster/${name}`),
    role("aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"),
  ),
  "AWS::ECS::ClusterCapacityProviderAssociations": regional("ecs", () => `cluster/${CLUSTER}`),
  "AWS::ECS::Service": both(
    regional(
      "ecs",
      (name) => `service/${CLUSTER}/${name}`,
      (name) => `service-deployment/${CLUSTER}/${name}/${ID}`,
    ),
    regional("cloudformation", () => `stack/AppGenNetwork-dev/${ID}`),
  ),
  "AWS::ECS::TaskDefinition": both(
    regional("ecs", (name) => `task-definition/${name}:1`),
    rolesOfFamily,
  ),
  "AWS::ElasticLoadBalancingV2::Listener": loadBalancer,
  "AWS::ElasticLoadBalancingV2::LoadBalancer": both(
    loadBalancer,
    role("aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"),
  ),
  "AWS::ElasticLoadBalancingV2::TargetGroup": regional("elasticloadbalancing", (name) => `targetgroup/${name}/${ID}`),
  "AWS::Events::Rule": regional("events", (name) => `rule/${name}`),
  "AWS::IAM::Role": ({ account }, name) => [`arn:aws:iam::${account}:role/${name}`],
  "AWS::Logs::LogGroup": logGroup,
  "AWS::Logs::MetricFilter": regional("logs", () => "log-group:/ecs/app-gen-saas-app"),
  "AWS::Logs::ResourcePolicy": logGroup,
  "AWS::S3::Bucket": bucket,
  "AWS::S3::BucketPolicy": ({ account }) => [`arn:aws:s3:::app-gen-saas-generated-apps-${account}`],
  "AWS::SNS::Subscription": topic,
  "AWS::SNS::Topic": topic,
  "AWS::SNS::TopicPolicy": topic,
  "AWS::SQS::Queue": regional("sqs", (name) => name),
  "AWS::SQS::QueuePolicy": regional("sqs", () => "app-gen-saas-jobs"),
};
