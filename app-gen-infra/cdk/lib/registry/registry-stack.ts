/** ECR repositories, one for each image of the manifest. */

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { ImageTagMutabilityExclusionFilter, Repository, TagMutability, TagStatus } from "aws-cdk-lib/aws-ecr";
import type { Construct } from "constructs";
import { ConcernStack } from "../stack.ts";
import type { Target } from "../target.ts";

/**
 * Tags that move: BuildKit's layer cache, what runs in each environment, what proved good.
 * All others, the image keys, stay where they were put. ECR takes at most five patterns.
 */
export const MOVING_TAGS = ["cache", "dev", "staging", "prod", "stable"] as const;

/** How long an image without a tag is kept: a superseded cache, or a push that broke off. */
const UNTAGGED_DAYS = 14;

/** The repositories. */
export class RegistryStack extends ConcernStack {
  constructor(scope: Construct, target: Target) {
    super(scope, "Registry", "image repositories", target);
    for (const [image, { repository }] of Object.entries(target.platform.images)) {
      this.createRepository(image, repository);
    }
  }

  private createRepository(image: string, name: string): void {
    const keep = this.target.environment.protected;
    new Repository(this, `${image}-repository`, {
      repositoryName: name,
      imageTagMutability: TagMutability.IMMUTABLE_WITH_EXCLUSION,
      imageTagMutabilityExclusionFilters: MOVING_TAGS.map((tag) => ImageTagMutabilityExclusionFilter.wildcard(tag)),
      imageScanOnPush: true,
      removalPolicy: keep ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      emptyOnDelete: !keep,
      // A service pins a digest, and ECR does not know which. Expiry by age or number could
      // therefore take the image of a running service, whose next task would not start. Only
      // what has no tag expires: an image that was ever deployed carries its key as a tag, and
      // no push can take an immutable tag away from it.
      lifecycleRules: [
        {
          description: `Untagged images go after ${UNTAGGED_DAYS} days; nothing that has a tag ever does`,
          tagStatus: TagStatus.UNTAGGED,
          maxImageAge: Duration.days(UNTAGGED_DAYS),
        },
      ],
    });
  }
}
