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
  first byte   GET / over a new connection each: through the orchestrator, at the container, and here; they take
               turns, so that whatever else the machine does meets all alike

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


def api(url, path, method="GET"):
    """The answer of the API; None where it has no body."""
    request = urllib.request.Request(url + path, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read()
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
        raise SystemExit(f"{len(ids)} previews run in place of one: end the others first")
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


def previewed(url, path):
    """Starts the preview; its address, and the seconds that each step took."""
    try:
        api(url, path, "DELETE")
        deadline = time.monotonic() + 120
        while api(url, path)["stopped_at"] is None and time.monotonic() < deadline:
            time.sleep(0.5)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
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
    steps[phase] = time.monotonic() - last
    if preview["state"] != "ready":
        raise SystemExit(f"the preview is {preview['state']}: {preview['reason']}")
    return preview["url"], time.monotonic() - started, steps


def started_here(url, path, folder):
    """The application as a process of this machine: its group, its port, and the seconds of its steps."""
    with urllib.request.urlopen(f"{url}{path}/download", timeout=60) as answer:
        zipfile.ZipFile(io.BytesIO(answer.read())).extractall(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    steps = {}
    for name, line in [
        ("installing", ["npm", "ci", "--no-audit", "--no-fund"]),
        ("building", ["npm", "run", "build"]),
    ]:
        began = time.monotonic()
        subprocess.run(line, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_SECS)
        steps[name] = time.monotonic() - began
    began = time.monotonic()
    environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "NODE_ENV": "production"}
    process = subprocess.Popen(
        ["npm", "start"],
        cwd=folder,
        env=environment,
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
                raise SystemExit("the application does not start here") from None
            time.sleep(0.02)
    steps["starting"] = time.monotonic() - began
    return process, port, steps


def told(seconds, steps):
    parts = ", ".join(f"{name} {value:.1f}" for name, value in steps.items())
    return f"{seconds:6.1f} s  ({parts})"


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    url, project = sys.argv[1].rstrip("/"), sys.argv[2]
    version = sys.argv[3] if len(sys.argv) > 3 else api(url, f"/api/projects/{project}")["newest_version"]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 200
    path = f"/api/projects/{project}/versions/{version}"
    address, seconds, steps = previewed(url, f"{path}/preview")
    print(f"start      preview {told(seconds, steps)}", flush=True)
    named = urllib.parse.urlsplit(address)
    with tempfile.TemporaryDirectory() as folder:
        process, port, steps = started_here(url, path, folder)
        try:
            print(f"start      here    {told(sum(steps.values()), steps)}", flush=True)
            name, ip = container()
            ways = {
                "through": (("127.0.0.1", named.port or 80), named.netloc),
                "straight": ((ip, PORT), named.netloc),
                "here": (("127.0.0.1", port), f"127.0.0.1:{port}"),
            }
            taken = {way: [] for way in ways}
            for number in range(rounds + 10):
                # Who is first changes, because the second finds caches warm.
                order = list(ways) if number % 2 else list(reversed(ways))
                for way in order:
                    millis = first_byte(*ways[way]) * 1000
                    if number >= 10:
                        taken[way].append(millis)
            for way, millis in taken.items():
                millis.sort()
                late = millis[int(len(millis) * 0.99) - 1]
                print(f"first byte {way:8} median {statistics.median(millis):7.2f} ms   99 % {late:7.2f} ms")
            print(f"memory     preview {container_memory(name) / 1e6:7.1f} MB   here {process_memory(process.pid) / 1e6:7.1f} MB")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
            api(url, f"{path}/preview", "DELETE")


if __name__ == "__main__":
    main()
