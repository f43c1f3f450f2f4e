#!/usr/bin/env python3
"""What a preview costs: its start, its memory and the time to the first byte, against the same application that
is started directly.

  python3 ci/bench_previews.py URL PROJECT [VERSION] [ROUNDS]

URL is an orchestrator whose previews are containers of this machine: that of `cargo xtask dev --provider codex
--model scripted:create`, or http://127.0.0.1:4566/_alb/app-gen-saas after `cargo xtask deploy`. PROJECT has a
version, made by the provider `template` for example. The application is also downloaded, installed, built and
started here, by the npm of this machine.

  start        from the request for a preview, or from the command, until the first answer
  memory       of the container with all its processes (its cgroup), and of the process and its children
  first byte   GET / over a new connection each: through the orchestrator (and its load balancer, where URL is that
               of `deploy`), at the container, and here; they take turns, so that whatever else the machine does
               meets all alike

Prints medians, and exits with 1 where a preview does not become ready.
"""

import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

CONTAINER = "app-preview"
PORT = 5081
PATIENCE_SECS = 600
END_SECS = 120
WARM_UP = 12


# Everything is on this machine, which no proxy of the environment reaches.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetched(url, path, method="GET", missing_ok=False):
    """The bytes of an answer of the API; nothing where there is none and that is well."""
    request = urllib.request.Request(url + path, method=method)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if missing_ok and error.code == 404:
            return b""
        body = error.read(2000).decode(errors="replace")
        raise SystemExit(f"{method} {url}{path} answered {error.code}: {body}") from None
    except OSError as error:
        raise SystemExit(f"{method} {url}{path} has no answer: {error}") from None


def api(url, path, method="GET", missing_ok=False):
    """The answer of the API; None where it has no body."""
    body = fetched(url, path, method, missing_ok)
    return json.loads(body) if body else None


def first_byte(address, host):
    """Seconds to the first byte of the page, over a new connection."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request("GET", "/", headers={"host": host, "accept": "text/html"})
    answer = connection.getresponse()
    seconds = time.perf_counter() - started
    body = answer.read()
    connection.close()
    if answer.status != 200 or b"<!doctype html>" not in body.lower():
        raise SystemExit(f"{host} answered {answer.status}: {body[:300]!r}")
    return seconds


def docker(*arguments):
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def container():
    """The id and the address of the only preview that runs."""
    label = f"label=com.amazonaws.ecs.container-name={CONTAINER}"
    ids = docker("ps", "--quiet", "--filter", label).split()
    if len(ids) != 1:
        raise SystemExit(
            f"{len(ids)} containers of previews run in place of one: end the others first; where there is none, "
            "DOCKER_HOST has to name the engine that runs them"
        )
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return ids[0], docker("inspect", "--format", form, ids[0]).split()[0]


def container_memory(name):
    """Bytes of all its processes without what the kernel could drop."""
    lines = docker("exec", name, "cat", "/sys/fs/cgroup/memory.stat").splitlines()
    values = dict(line.split() for line in lines)
    return int(values["anon"]) + int(values["kernel"])


def process_memory(group):
    """Bytes of the processes of a group, shared pages once for each of them."""
    total = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getpgid(int(entry.name)) == group:
                status = (entry / "status").read_text()
                lines = [line for line in status.splitlines() if line.startswith("RssAnon:")]
                total += sum(int(line.split()[1]) * 1024 for line in lines)
        except (OSError, ProcessLookupError):
            continue
    return total


def end(url, path):
    """Ends the preview of a version, if it has one, and waits until nothing of it runs."""
    api(url, path, "DELETE", missing_ok=True)
    deadline = time.monotonic() + END_SECS
    while True:
        preview = api(url, path, missing_ok=True)
        if preview is None or preview["stopped_at"] is not None:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"the task of preview {preview['id']} does not end")
        time.sleep(0.5)


def place_of(address):
    """Where a preview is reached, and under which name: names below localhost are this machine."""
    named = urllib.parse.urlsplit(address)
    return ("127.0.0.1", named.port or 80), named.netloc


def previewed(url, path):
    """Starts the preview; its address, and the seconds that each step took."""
    end(url, path)
    started = last = time.monotonic()
    steps, phase = {}, "request"
    preview = api(url, path, "POST")
    while preview["state"] == "starting" and time.monotonic() - started < PATIENCE_SECS:
        now = preview["phase"] or "pending"
        if now != phase:
            steps[phase] = time.monotonic() - last
            phase, last = now, time.monotonic()
        time.sleep(0.1)
        preview = api(url, path)
    if preview["state"] != "ready":
        raise SystemExit(f"the preview is {preview['state']}: {preview['reason']}")
    first_byte(*place_of(preview["url"]))
    steps[phase] = time.monotonic() - last
    return preview["url"], time.monotonic() - started, steps


def run_npm(arguments, folder, environment):
    """The seconds of a command of npm."""
    began = time.monotonic()
    ended = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECS,
    )
    if ended.returncode != 0:
        output = (ended.stdout + ended.stderr)[-2000:]
        raise SystemExit(f"npm {' '.join(arguments)} ended with exit code {ended.returncode} here:\n{output}")
    return time.monotonic() - began


def started_here(url, path, folder):
    """The application as a process of this machine: its group, its port, and the seconds of its steps."""
    zipfile.ZipFile(io.BytesIO(fetched(url, f"{path}/download"))).extractall(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # With NODE_ENV of a user, npm would leave out what the build needs.
    environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    steps = {
        "installing": run_npm(["ci", "--no-audit", "--no-fund"], folder, environment),
        "building": run_npm(["run", "build", "--if-present"], folder, environment),
    }
    began = time.monotonic()
    process = subprocess.Popen(
        ["npm", "start"],
        cwd=folder,
        env={**environment, "PORT": str(port), "HOST": "127.0.0.1", "NODE_ENV": "production"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            if process.poll() is not None or time.monotonic() - began > 60:
                end_here(process)
                raise SystemExit("the application does not start here: npm start does not listen") from None
            time.sleep(0.02)
    try:
        first_byte(("127.0.0.1", port), f"127.0.0.1:{port}")
    except BaseException:
        end_here(process)
        raise
    steps["starting"] = time.monotonic() - began
    return process, port, steps


def end_here(process):
    """Ends a process with all that it started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(timeout=30)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def told(seconds, steps):
    parts = ", ".join(f"{name} {value:.1f}" for name, value in steps.items())
    return f"{seconds:6.1f} s  ({parts})"


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    url, project = sys.argv[1].rstrip("/"), sys.argv[2]
    version = sys.argv[3] if len(sys.argv) > 3 else api(url, f"/api/projects/{project}")["newest_version"]
    if version is None:
        raise SystemExit(f"project {project} has no version yet")
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 200
    path = f"/api/projects/{project}/versions/{version}"
    try:
        compare(url, path, rounds)
    finally:
        end(url, f"{path}/preview")


def compare(url, path, rounds):
    address, seconds, steps = previewed(url, f"{path}/preview")
    print(f"start      preview {told(seconds, steps)}", flush=True)
    through, host = place_of(address)
    name, ip = container()
    with tempfile.TemporaryDirectory() as folder:
        process, port, steps = started_here(url, path, folder)
        try:
            print(f"start      here    {told(sum(steps.values()), steps)}", flush=True)
            ways = {
                "through": (through, host),
                "straight": ((ip, PORT), host),
                "here": (("127.0.0.1", port), f"127.0.0.1:{port}"),
            }
            taken = {way: [] for way in ways}
            for number in range(rounds + WARM_UP):
                # Each of them is first as often as the others, because the second finds caches warm.
                first = number % len(ways)
                order = [*list(ways)[first:], *list(ways)[:first]]
                for way in order:
                    millis = first_byte(*ways[way]) * 1000
                    if number >= WARM_UP:
                        taken[way].append(millis)
            for way, millis in taken.items():
                millis.sort()
                late = millis[int(len(millis) * 0.99) - 1]
                print(f"first byte {way:8} median {statistics.median(millis):7.2f} ms   99 % {late:7.2f} ms")
            print(f"memory     preview {container_memory(name) / 1e6:7.1f} MB   here {process_memory(process.pid) / 1e6:7.1f} MB")
        finally:
            end_here(process)


if __name__ == "__main__":
    main()
