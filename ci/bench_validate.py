#!/usr/bin/env python3
"""What a validate with nothing changed costs, beside what it replaces.

Prints medians and the ratio of
  - the built xtask binary and `cargo xtask`, validate with nothing changed, and
  - two cached `docker buildx build --push` with registry cache of the same images,
one after the other, as the shell scripts did that this build system replaces.

Run it after `cargo xtask validate`:  python3 ci/bench_validate.py [RUNS]
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
XTASK = ROOT / "target/debug/xtask"
BENCH_TAG = "bench"
BENCH_CACHE_TAG = "bench-cache"


def run(command, **options):
    """Runs a command to its end; its output is shown only where it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def median_seconds(action, runs):
    """Median of the wall time of `runs` calls, after one that is not counted."""
    action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)



def contexts(platform, folder):
    """Docker contexts of the images as a plain `docker buildx build` wants them."""
    prebuilt = ROOT / "target/xtask/prebuilt"
    result = {}
    for name, image in platform["images"].items():
        context = folder / name
        binary = max(
            prebuilt.glob(f"rust/*/{image['rust']['binary']}"), key=lambda path: path.stat().st_mtime
        )
        to = context / image["rust"]["to"]
        to.parent.mkdir(parents=True)
        shutil.copy2(binary, to)
        if "npm" in image:
            pages = [path for path in (prebuilt / "npm").iterdir() if not path.suffix]
            page = max(pages, key=lambda path: path.stat().st_mtime)
            shutil.copytree(page / image["npm"]["output"], context / image["npm"]["to"])
        shutil.copy2(ROOT / image["dockerfile"], context / "Dockerfile")
        result[f"localhost:{platform['local']['registry_port']}/{image['repository']}"] = context
    return result


def push_both(images):
    for repository, context in images.items():
        cache = f"type=registry,ref={repository}:{BENCH_CACHE_TAG}"
        run(
            ["docker", "buildx", "build", context, "--platform", "linux/amd64", "--push",
             "--provenance=false", "--tag", f"{repository}:{BENCH_TAG}",
             "--cache-from", cache, "--cache-to", f"{cache},mode=max"]
        )


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    platform = tomllib.loads((ROOT / "app-gen-infra/platform.toml").read_text())
    state = json.loads(run([XTASK, "validate", "--json"]))["state"]
    if state != "unchanged":
        print("validated now; what follows is with nothing changed")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        images = contexts(platform, Path(folder))
        binary = median_seconds(lambda: run([XTASK, "validate", "--json"]), runs)
        cargo = median_seconds(lambda: run(["cargo", "xtask", "validate", "--json"]), runs)
        pushes = median_seconds(lambda: push_both(images), runs)
    for name, seconds in [
        ("xtask validate, nothing changed (the built binary)", binary),
        ("cargo xtask validate, nothing changed", cargo),
        ("two cached docker buildx build --push", pushes),
    ]:
        rows.append((name, f"{seconds * 1000:.0f} ms", f"{pushes / seconds:.1f} ×"))
    print(f"medians of {runs} runs; the last column says how much faster than the two pushes")
    for name, time_text, ratio in rows:
        print(f"{name:<55} {time_text:>9} {ratio:>8}")


if __name__ == "__main__":
    main()
