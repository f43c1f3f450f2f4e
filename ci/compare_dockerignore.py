#!/usr/bin/env python3
"""Compares our reading of `.dockerignore` with the real engine's, on thousands of trees.

Random trees with random ignore files go through `docker buildx build`; what arrives
(paths, kinds, execute bits, contents, link targets) is compared with what the walk of
xtask says. Where Docker refuses, xtask must refuse, and the other way round. A tree
that makes a difference is made smaller and kept in xtask/docker/tests/dockerignore/kept.

The last line has the count and the seed; the same seed makes the same trees. On two
busy cores 5,000 took 27 to 37 minutes. The builder keeps two records of each tree for an hour:

    python3 ci/compare_dockerignore.py [TREES [SEED]]
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREES = 5_000
TEST = ["cargo", "test", "--quiet", "--package", "xtask-docker", "--test", "dockerignore"]


def main():
    trees = int(sys.argv[1]) if len(sys.argv) > 1 else TREES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"{trees} random trees from seed {seed}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [*TEST, "the_walk_is_dockers", "--", "--nocapture"],
        cwd=ROOT,
        env=os.environ | {"DOCKERIGNORE_TREES": str(trees), "DOCKERIGNORE_SEED": str(seed)},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nseed {seed}: there are differences")
    [compared] = [line for line in done.stdout.splitlines() if f"from seed {seed}" in line]
    print(f"{compared}; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
