import assert from "node:assert/strict";
import { test } from "node:test";
import { MOVING_TAGS } from "../../lib/registry/registry-stack.ts";
import { template } from "../support.ts";

interface Rule {
  readonly rulePriority: number;
  readonly selection: {
    readonly tagStatus: "untagged" | "tagged" | "any";
    readonly countType: string;
    readonly countNumber: number;
  };
}

/** The lifecycle rules of every repository. */
function lifecycleRules(): Rule[][] {
  return Object.values(template("prod", "registry").findResources("AWS::ECR::Repository")).map(
    (repository) => JSON.parse(repository["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]).rules,
  );
}

/** Whether a rule can ever remove an image with these tags, whatever its age and the number of others. */
function canRemove({ selection }: Rule, tags: readonly string[]): boolean {
  switch (selection.tagStatus) {
    case "any":
      return true;
    case "untagged":
      return tags.length === 0;
    case "tagged":
      return tags.length > 0;
  }
}

test("no rule can remove what is deployed, stable or the cache", () => {
  const key = `key-${"0".repeat(64)}`;
  for (const rules of lifecycleRules()) {
    for (const rule of rules) {
      // Deployed once, then superseded: `:dev` has moved on, and the service may still run it.
      assert.equal(canRemove(rule, [key]), false, "a digest in use");
      for (const tag of MOVING_TAGS) {
        assert.equal(canRemove(rule, [tag]), false, tag);
      }
    }
  }
});

test("superseded caches and broken pushes go", () => {
  for (const rules of lifecycleRules()) {
    assert.equal(rules.some((rule) => canRemove(rule, [])), true);
  }
});

test("image keys cannot be moved, and the tags for people can", () => {
  const registry = template("dev", "registry");
  registry.resourceCountIs("AWS::ECR::Repository", 2);
  registry.allResourcesProperties("AWS::ECR::Repository", {
    ImageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    ImageTagMutabilityExclusionFilters: ["cache", "dev", "staging", "prod", "stable"].map((tag) => ({
      ImageTagMutabilityExclusionFilterType: "WILDCARD",
      ImageTagMutabilityExclusionFilterValue: tag,
    })),
    ImageScanningConfiguration: { ScanOnPush: true },
  });
});

test("images outlive the stack where the environment is protected", () => {
  template("prod", "registry").allResources("AWS::ECR::Repository", { DeletionPolicy: "Retain" });
  template("dev", "registry").allResources("AWS::ECR::Repository", { DeletionPolicy: "Delete" });
});
