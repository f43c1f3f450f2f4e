/**
 * Commands in the orchestrator's tasks (`cargo xtask exec`), where the target admits them.
 *
 * ECS puts an agent of Systems Manager into the container. It runs as root without
 * capabilities, acts with the rights of the task's role, and writes only to folders of
 * its own.
 */

import { PolicyStatement } from "aws-cdk-lib/aws-iam";

/**
 * Where the agent is put and what it writes to, by the name of a volume each. AWS documents
 * none of them and supports no read-only root file system; users found that it works with these
 * (github.com/aws/containers-roadmap/issues/1359, aws-containers/amazon-ecs-exec-checker/issues/71).
 * Volumes are root's, so the orchestrator itself still writes nowhere.
 */
export const AGENT_FOLDERS = {
  "exec-agent": "/managed-agents",
  "exec-state": "/var/lib/amazon/ssm",
  "exec-log": "/var/log/amazon/ssm",
} as const;

/** What the agent does in the name of the task's role. */
export function takeCommands(): PolicyStatement {
  return new PolicyStatement({
    sid: "TakeCommands",
    actions: [
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
    // Channels have no names, so these actions do not take a resource.
    resources: ["*"],
  });
}
