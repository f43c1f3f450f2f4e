import { test } from "node:test";
import { template } from "../support.ts";

test("logs are kept as long as platform.toml says, and go with the stack unless it is protected", () => {
  for (const [environment, days, policy] of [
    ["dev", 7, "Delete"],
    ["staging", 14, "Delete"],
    ["prod", 30, "Retain"],
  ] as const) {
    const logs = template(environment, "logs");
    logs.resourceCountIs("AWS::Logs::LogGroup", 4);
    const ours = ["/ecs/app-gen-saas-app", "/ecs/app-generator", "/ecs/app-preview"];
    for (const name of [...ours, "/aws/events/app-gen-saas-task-failures"]) {
      logs.hasResource("AWS::Logs::LogGroup", {
        Properties: { LogGroupName: name, RetentionInDays: days },
        DeletionPolicy: policy,
      });
    }
  }
});
