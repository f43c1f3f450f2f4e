#!/usr/bin/env python3
"""What keys, an unchanged validate and verbs that only read cost, beside what they stand on.

  python3 ci/bench.py keys [ROUNDS]       this repository, and trees of about 2,000 and 57,000 files
  python3 ci/bench.py validate [ROUNDS]   a validate with nothing changed
  python3 ci/bench.py verbs [ROUNDS]      verbs that only read, against a deployed platform
  python3 ci/bench.py [ROUNDS]            all

Prints medians. The competitors of one table run in turn, round by round, so that
whatever else the machine does meets them all alike.

The trees are unpacked packages of the npm registry, kept in `target/bench`. Run
`cargo xtask validate` once before; it leaves the images that are pushed again here. For
`verbs`, `cargo xtask deploy` too.
"""

import json
import os
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
BENCH = ROOT / "target/bench"
# Trees by name: the packages unpacked into each.
TREES = {
    "small": ["rxjs@7.8.2"],
    "large": ["rxjs@7.8.2", "date-fns@4.1.0", "aws-cdk-lib@2.219.0", "@mui/icons-material@7.3.4"],
}
DOCKERFILE = "FROM scratch\nCOPY . /\n"
BENCH_TAG = "bench"
BENCH_CACHE_TAG = "bench-cache"


class Command:
    """One competitor: what it runs, and what must be done before each run."""

    def __init__(self, line, folder=ROOT, before=None, stdin=None, environment=None):
        self.line = [str(part) for part in line]
        self.folder = folder
        self.environment = {**os.environ, **(environment or {})}
        self.before = before
        self.stdin = stdin
        self.seconds = []
        self.peak_kib = 0

    def run(self):
        """Runs it to its end; its output is shown only where it fails."""
        if self.before:
            self.before()
        with tempfile.TemporaryFile() as output:
            source = open(self.stdin, "rb") if self.stdin else subprocess.DEVNULL
            started = time.perf_counter()
            process = subprocess.Popen(
                self.line, cwd=self.folder, env=self.environment,
                stdin=source, stdout=output, stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                sys.exit(
                    f"{' '.join(self.line)} ended with {process.returncode}:\n"
                    f"{output.read().decode(errors='replace')}"
                )
        self.seconds.append(seconds)
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)

    def median(self):
        """Median of the counted runs, in seconds."""
        return statistics.median(self.seconds)


class Commands:
    """Several commands that count as one run."""

    def __init__(self, commands):
        self.commands = commands
        self.seconds = []

    def run(self):
        for command in self.commands:
            command.run()
        self.seconds.append(sum(command.seconds[-1] for command in self.commands))

    def median(self):
        return statistics.median(self.seconds)


def compete(rows, rounds):
    """One round that is not counted, then the counted ones, each competitor in turn."""
    for number in range(rounds + 1):
        for competitor in rows.values():
            competitor.run()
        if number == 0:
            for competitor in rows.values():
                competitor.seconds.clear()


def output_of(line, folder=ROOT):
    """Standard output of a command that must succeed."""
    return subprocess.run(
        [str(part) for part in line], cwd=folder, check=True, capture_output=True, text=True, timeout=600
    ).stdout


def milliseconds(competitor):
    """The median, for a table."""
    return f"{competitor.median() * 1000:.0f} ms"


def print_table(title, heading, rows):
    """Columns under a heading."""
    widths = [max(len(row[column]) for row in [heading, *rows]) for column in range(len(heading))]
    print(f"\n{title}")
    for row in [heading, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


# --- Keys --------------------------------------------------------------------

# A key keeps the digests of files that were left alone for a minute.
SETTLED_SECS = 61


def tree(name):
    """A folder of the unpacked packages, under git, with a Dockerfile; made once."""
    folder = BENCH / "trees" / name
    done = folder / ".git" / "bench-done"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    for package in TREES[name]:
        to = folder / package.rpartition("@")[0].replace("/", "-")
        to.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as download:
            archive = output_of(["npm", "pack", "--silent", package], download).strip().splitlines()[-1]
            output_of(["tar", "--extract", "--file", Path(download) / archive, "--strip-components=1",
                       "--no-same-owner"], to)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    # The packages' own ignore files would hide files from git.
    for ignore in folder.rglob(".gitignore"):
        ignore.unlink()
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "-c", "gc.auto=0"]
    output_of([*git, "init", "--quiet"], folder)
    output_of([*git, "add", "--all", "--force"], folder)
    output_of([*git, "commit", "--quiet", "--message", "bench"], folder)
    done.touch()
    return folder


def files_of(folder):
    """What git tracks, which in these trees is every file."""
    return output_of(["git", "ls-files", "-z"], folder).split("\0")[:-1]


def bench_tree(title, folder, inputs, dockerfile, rounds, scratch):
    """Our key of one folder beside the others; `inputs` are the arguments of ours."""
    files = files_of(folder)
    listing = scratch / "files"
    listing.write_text("".join(f"{name}\n" for name in files))
    ours = [XTASK, "inputs", *inputs, "--key", "--quiet"]
    # Digests that are kept between keys; without them a key is a cold one.
    state = scratch / "state"
    environment = {"XDG_STATE_HOME": str(state)}
    rows = {
        "our key, cold": Command(
            ours, before=lambda: shutil.rmtree(state, ignore_errors=True), environment=environment
        ),
        "our key, warm": Command(ours, environment=environment),
        "our key, warm, all entries listed": Command(
            [XTASK, "inputs", *inputs, "--json", "--quiet"], environment=environment
        ),
        "git status": Command(["git", "status", "--porcelain"], folder),
        "git hash-object of all files": Command(["git", "hash-object", "--stdin-paths"], folder, stdin=listing),
        "find, which stats each file": Command(["find", ".", "-not", "-path", "./.git/*", "-printf", "%s %T@ %p\\n"], folder),
        "docker buildx build, nothing changed": Command(
            ["docker", "buildx", "build", "--quiet", "--output", "type=cacheonly", "--file", dockerfile, folder]
        ),
    }
    compete(rows, rounds)
    cold, warm = rows["our key, cold"], rows["our key, warm"]
    print_table(
        f"{title}: {len(files)} files, median of {rounds}",
        ["what", "median", "÷ our cold", "÷ our warm", "peak memory"],
        [
            [name, milliseconds(row), f"{row.median() / cold.median():.2f}",
             f"{row.median() / warm.median():.2f}", f"{row.peak_kib / 1024:.0f} MiB"]
            for name, row in rows.items()
        ],
    )


def bench_keys(rounds):
    """The tables of the trees and of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        dockerfile = scratch / "Dockerfile"
        dockerfile.write_text(DOCKERFILE)
        # All that git tracks, as one context: more than any image of ours reads.
        repository = scratch / "repository"
        output_of(["git", "clone", "--quiet", ROOT, repository])
        trees = [("this repository", repository), *((name, tree(name)) for name in TREES)]
        print(f"waiting {SETTLED_SECS} s: no digest of a file is kept before", flush=True)
        time.sleep(SETTLED_SECS)
        for title, path in trees:
            # What git keeps of the tree is not of the tree.
            Path(f"{dockerfile}.dockerignore").write_text(".git\n")
            inputs = ["--context", path, "--file", dockerfile]
            bench_tree(title, path, inputs, dockerfile, rounds, scratch)


# --- Validate ----------------------------------------------------------------


def contexts(platform, folder):
    """Docker contexts of the images as a plain `docker buildx build` wants them."""
    prebuilt = ROOT / "target/xtask/prebuilt"
    result = {}
    for name, image in platform["images"].items():
        context = folder / name
        binaries = list(prebuilt.glob(f"rust/*/{image['rust']['binary']}"))
        if not binaries:
            sys.exit(f"no binary of image {name} was kept here; after its next build there is one")
        binary = max(binaries, key=lambda path: path.stat().st_mtime)
        to = context / image["rust"]["to"]
        to.parent.mkdir(parents=True)
        shutil.copy2(binary, to)
        if "npm" in image:
            pages = [path for path in (prebuilt / "npm").iterdir() if (path / image["npm"]["output"]).is_dir()]
            page = max(pages, key=lambda path: path.stat().st_mtime)
            shutil.copytree(page / image["npm"]["output"], context / image["npm"]["to"])
        shutil.copy2(ROOT / image["dockerfile"], context / "Dockerfile")
        result[f"localhost:{platform['local']['registry_port']}/{image['repository']}"] = context
    return result


def push(repository, context):
    """A cached push, as the shell scripts did that this build system replaces."""
    cache = f"type=registry,ref={repository}:{BENCH_CACHE_TAG}"
    return Command(
        ["docker", "buildx", "build", context, "--platform", "linux/amd64", "--push",
         "--provenance=false", "--tag", f"{repository}:{BENCH_TAG}",
         "--cache-from", cache, "--cache-to", f"{cache},mode=max"]
    )


def empty_member(folder):
    """This workspace with one more member that does nothing: what cargo itself costs."""
    for name in output_of(["git", "ls-files"]).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    manifest = folder / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("members = [\n", 'members = [\n  "empty",\n', 1))
    (folder / "empty/src").mkdir(parents=True)
    (folder / "empty/src/main.rs").write_text("fn main() {}\n")
    (folder / "empty/Cargo.toml").write_text('[package]\nname = "empty"\nversion = "0.1.0"\nedition = "2024"\n')
    return Command(["cargo", "run", "--quiet", "--offline", "--package", "empty"], folder)


def bench_validate(rounds):
    """The table of a validate with nothing changed."""
    platform = tomllib.loads((ROOT / "app-gen-infra/platform.toml").read_text())
    state = json.loads(output_of([XTASK, "validate", "--json"]))["state"]
    if state != "unchanged":
        print("validated now; what follows is with nothing changed")
    with tempfile.TemporaryDirectory() as folder:
        images = contexts(platform, Path(folder))
        floor = Path(folder) / "workspace"
        rows = {
            "xtask validate, the built binary": Command([XTASK, "validate", "--json"]),
            "cargo xtask validate": Command(["cargo", "xtask", "validate", "--json"]),
            "cargo run of an empty member": empty_member(floor),
            "two cached docker buildx build --push": Commands([push(*image) for image in images.items()]),
        }
        compete(rows, rounds)
    pushes = rows["two cached docker buildx build --push"].median()
    print_table(
        f"validate, nothing changed, median of {rounds}",
        ["what", "median", "pushes ÷ it"],
        [[name, milliseconds(row), f"{pushes / row.median():.1f}"] for name, row in rows.items()],
    )


# --- Verbs -------------------------------------------------------------------

# Verbs that only read, and the calls to the cloud that each waits for.
READING = {
    "tasks": [["tasks"]],
    "outputs": [["stack", "show", *(f"AppGen{part}-local" for part in ("Network", "Service"))]],
    "secrets list": [["secrets", "list"]],
}


def bench_verbs(rounds):
    """What a verb costs beyond cargo's own check and the calls that it makes."""
    manifest = ROOT / "app-gen-infra/platform.toml"
    port = tomllib.loads(manifest.read_text())["local"]["cloud_port"]
    cloud = ROOT / "target/debug/xtask-aws"
    output_of(["cargo", "build", "--quiet", "--package", "xtask-aws"])
    to_local = ["--env", "local", "--endpoint", f"http://127.0.0.1:{port}", "--manifest", manifest]
    rows = {}
    for verb, calls in READING.items():
        # Its own question to cargo, whether xtask-aws is up to date, is cargo's check.
        rows[verb] = Command([XTASK, *verb.split(), "--json"], environment={"APP_GEN_XTASK_AWS": str(cloud)})
        rows[f"{verb}: its calls"] = Commands([Command([cloud, *to_local, *call]) for call in calls])
    compete(rows, rounds)
    print_table(
        f"verbs that only read, median of {rounds}",
        ["verb", "median", "its calls", "beyond them"],
        [
            [
                verb,
                milliseconds(rows[verb]),
                milliseconds(rows[f"{verb}: its calls"]),
                f"{(rows[verb].median() - rows[f'{verb}: its calls'].median()) * 1000:.0f} ms",
            ]
            for verb in READING
        ],
    )


def main():
    words = [word for word in sys.argv[1:] if not word.isdigit()]
    rounds = next((int(word) for word in sys.argv[1:] if word.isdigit()), 11)
    benches = {"keys": bench_keys, "validate": bench_validate, "verbs": bench_verbs}
    if not set(words) <= set(benches):
        sys.exit(__doc__)
    output_of(["cargo", "build", "--quiet", "--package", "xtask"])
    for name, bench in benches.items():
        if not words or name in words:
            bench(rounds)


if __name__ == "__main__":
    main()
