#!/usr/bin/env python3
"""What a job's live events cost with many listeners, against thirty lines on Express 5.

  python3 ci/bench_streams.py [LISTENERS ...] [--rounds N] [--seconds N] [--debug]

Default: 100 and 1000 listeners, 3 rounds, 20 seconds with 100 events a second. Both servers start the
same generator and are read by the same client, in turn, round by round. Each listener checks that it gets
every event once and in order; an event's latency is from the generator's write to the client's read.

Prints medians: CPU seconds of the server's process from the first event to the last, its largest memory,
and latencies. The goal is at most half of Express's figures in all three; the exit code is 1 where one is
missed, or an event was lost. Build first: cargo build --release -p app-gen-saas. Express comes from the
registry of npm, into `target/bench/express`.
"""

import argparse
import json
import os
import re
import resource
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "target/bench/express"
EXPRESS = "express@5"
GOAL = 0.5
EVENTS_PER_SECOND = 100
# It writes nothing before all listeners are there. The time in each event is of the clock that all
# processes of a machine share.
GENERATOR = f"""#!/usr/bin/env python3
import json, os, sys, time
job = os.environ["JOB_SPEC_URI"].split("/")[-2]
sequence = 0
def event(kind, body):
    global sequence
    sequence += 1
    line = {{"version": 2, "job_id": job, "sequence": sequence, "time": "2026-01-01T00:00:00.000Z",
            "type": kind, "body": body}}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\\n")
    sys.stdout.flush()
while not os.path.exists(os.environ["BENCH_GO"]):
    time.sleep(0.01)
begun = time.monotonic()
for number in range(int(os.environ["BENCH_EVENTS"])):
    time.sleep(max(0, begun + number / {EVENTS_PER_SECOND} - time.monotonic()))
    event("log", {{"level": "info", "message": str(time.monotonic_ns()), "padding": "x" * 100}})
event("failed", {{"reason": "the measuring is over"}})
"""
LOG = re.compile(rb'id: (\d+)\nevent: log\ndata: [^\n]*?"message":"(\d+)"')


class Server:
    """A server that says on its standard output where it listens."""

    def __init__(self, command, environment, folder):
        environment = {"PATH": os.environ["PATH"], **environment}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        for line in self.process.stdout:
            address = json.loads(line).get("address")
            if address:
                break
        else:
            sys.exit(f"{command[0]} does not listen")
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        # A server whose lines nobody reads would wait for a reader.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def cpu_seconds(self):
        """Of the process itself, without the generator."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def request(self, text):
        """Sends a request and returns the connection."""
        connection = socket.create_connection(self.address, timeout=30)
        connection.sendall(text.encode())
        return connection

    def submit(self):
        body = json.dumps({"description": "a measuring"})
        with self.request(
            "POST /api/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n{body}"
        ) as connection:
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        head, _, rest = answer.partition(b"\r\n\r\n")
        if b" 201 " not in head.split(b"\r\n")[0]:
            sys.exit(f"no job: {answer!r}")
        return json.loads(rest[rest.index(b"{") : rest.rindex(b"}") + 1])["id"]

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Listener:
    """One that keeps the numbers it has seen, and what is not a whole event yet."""

    def __init__(self, connection):
        self.connection = connection
        self.rest = b""
        self.numbers = array("q")

    def read(self, latencies):
        """Takes what has come; whether the stream goes on."""
        try:
            piece = self.connection.recv(1 << 18)
        except BlockingIOError:
            return True
        now = time.monotonic_ns()
        whole, separator, rest = (self.rest + piece).rpartition(b"\n\n")
        self.rest = rest
        for number, written in LOG.findall(whole + separator):
            self.numbers.append(int(number))
            latencies.append(now - int(written))
        return bool(piece) and b"event: failed\n" not in whole


def measure(server, listeners, events, go):
    """One job to its end; gives CPU seconds, MiB, and the latencies in milliseconds, sorted."""
    job = server.submit()
    selector = selectors.DefaultSelector()
    everybody = []
    for _ in range(listeners):
        connection = server.request(
            f"GET /api/jobs/{job}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        )
        listener = Listener(connection)
        # The head of the answer: from here on it listens.
        while b"\n\n" not in listener.rest:
            listener.rest += connection.recv(1 << 16)
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, listener)
        everybody.append(listener)
    latencies = array("q")
    before = server.cpu_seconds()
    go.touch()
    open_streams = listeners
    deadline = time.monotonic() + events / EVENTS_PER_SECOND + 120
    while open_streams and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            if not key.data.read(latencies):
                selector.unregister(key.fileobj)
                key.fileobj.close()
                open_streams -= 1
    cpu = server.cpu_seconds() - before
    check(everybody, events)
    return cpu, server.peak_mib(), sorted(one / 1e6 for one in latencies)


def check(everybody, events):
    """Every listener every event, once and in order."""
    for number, listener in enumerate(everybody):
        numbers = list(listener.numbers)
        first = numbers[0] if numbers else 0
        if numbers != list(range(first, first + events)):
            sys.exit(f"listener {number} got {len(numbers)} of {events} events, or in another order")


def run(name, arguments, listeners):
    """One server, started for this measurement alone."""
    events = arguments.seconds * EVENTS_PER_SECOND
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        generator, go = folder / "generator.py", folder / "go"
        generator.write_text(GENERATOR)
        generator.chmod(0o755)
        bench = {"BENCH_GO": str(go), "BENCH_EVENTS": str(events)}
        if name == "ours":
            profile = "debug" if arguments.debug else "release"
            command = [ROOT / "target" / profile / "app-gen-saas"]
            environment = {
                "PORT": "0",
                "DATABASE_URL": f"sqlite://{folder}/bench.db",
                "ARTIFACT_URI": f"file://{folder}/artifacts",
                "GENERATOR_COMMAND": str(generator),
                "GENERATOR_LOG_DIR": f"{folder}/logs",
                "GENERATOR_ENVIRONMENT": json.dumps(bench),
                "REQUESTS_PER_SECOND": "0",
                "STREAM_LIMIT": str(listeners + 100),
                "STREAM_LIMIT_PER_CLIENT": str(listeners + 100),
            }
            server = Server(command, environment, folder)
        else:
            environment = {"GENERATOR_COMMAND": str(generator), "NODE_ENV": "production", **bench}
            command = [shutil.which("node"), str(BENCH / "server.mjs")]
            server = Server(command, environment, BENCH)
        try:
            return measure(server, listeners, events, go)
        finally:
            server.end()


def install_express():
    """Express, unless it is there, and the program beside it."""
    BENCH.mkdir(parents=True, exist_ok=True)
    if not (BENCH / "node_modules/express").is_dir():
        (BENCH / "package.json").write_text('{"private":true,"type":"module"}')
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", EXPRESS]
        subprocess.run(command, cwd=BENCH, check=True, timeout=600)
    shutil.copy(ROOT / "ci/bench_streams_express.mjs", BENCH / "server.mjs")


def percentile(latencies, share):
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("listeners", nargs="*", type=int, default=[100, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--debug", action="store_true")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    install_express()
    reached = True
    for listeners in arguments.listeners:
        figures = {"ours": [], "express": []}
        for number in range(arguments.rounds):
            for name in sorted(figures, reverse=number % 2 == 1):
                cpu, mib, latencies = run(name, arguments, listeners)
                p50, p99 = percentile(latencies, 0.50), percentile(latencies, 0.99)
                figures[name].append((cpu, mib, p50, p99))
        medians = {
            name: [statistics.median(column) for column in zip(*rows)]
            for name, rows in figures.items()
        }
        print(f"{listeners} listeners, {EVENTS_PER_SECOND} events a second for {arguments.seconds} s")
        print(f"{'':10}{'CPU s':>10}{'MiB':>10}{'p50 ms':>10}{'p99 ms':>10}")
        for name, row in medians.items():
            print(f"{name:10}" + "".join(f"{value:10.1f}" for value in row))
        ratios = [ours / other for ours, other in zip(medians["ours"], medians["express"])]
        print(f"{'ratio':10}" + "".join(f"{ratio:10.2f}" for ratio in ratios), flush=True)
        cpu, mib, _, p99 = ratios
        reached &= max(cpu, mib, p99) <= GOAL
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
