#!/usr/bin/env python3
"""What the model gateway adds to an answer, against asking the same server straight.

  python3 ci/bench_gateway.py [ROUNDS] [--debug]

Three answers of the scripted model, each asked for straight and through the gateway, so that whatever
else the machine does meets both alike:

  first byte   a short answer: until its first byte, over a connection that is kept, as agents do
  paced        10 MB in 2,000 events with pauses between them, as a model writes, both at the same time,
               because pauses get longer on a busy machine
  at once      10 MB without pauses, as no model writes: only to see what the gateway can pass

Prints medians. The goals are 5 ms on the first byte and 2 % on the paced answer; the exit code is 1
where one of them is missed. Build first: cargo build --release -p app-gen-gateway -p app-gen-scripted-model
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIRST_BYTE_MILLIS = 5.0
PACED_RATIO = 1.02
SCRIPT = """
about = "One short answer and two of 10 MB."
[[parts]]
cue = "first byte"
turns = [{ text = "Here I am." }]
[[parts]]
cue = "paced"
turns = [{ actions = [{ do = "write", path = "a", content = "LINE", repeat = 160000 }], pause_millis = 2 }]
[[parts]]
cue = "at once"
turns = [{ actions = [{ do = "write", path = "a", content = "LINE", repeat = 160000 }] }]
""".replace("LINE", "x" * 61 + "\\n")


def start(program, arguments, environment):
    """Starts a server and returns it with the line that says where it listens."""
    path = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [program, *arguments], stdout=subprocess.PIPE, text=True, env={**path, **environment}
    )
    line = process.stdout.readline()
    # A server whose lines nobody reads would wait for a reader.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return process, line


class Client:
    """A connection that is kept."""

    def __init__(self, port, key):
        self.key = key
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, prompt):
        """Seconds to the first byte of the answer and to its last, and its bytes."""
        body = json.dumps(
            {
                "model": "claude-sonnet-5-5",
                "stream": True,
                "max_tokens": 100,
                "messages": [{"role": "user", "content": prompt}],
            }
        )
        head = (
            f"POST /v1/messages HTTP/1.1\r\nhost: bench\r\nx-api-key: {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        started = time.perf_counter()
        self.socket.sendall((head + body).encode())
        received, tail, first = 0, b"", None
        while not tail.endswith(b"0\r\n\r\n"):
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise SystemExit("the connection was closed")
            if first is None:
                first = time.perf_counter()
                if not piece.startswith(b"HTTP/1.1 200 "):
                    raise SystemExit(f"it refuses: {piece[:300]!r}")
            received += len(piece)
            tail = (tail + piece)[-5:]
        return first - started, time.perf_counter() - started, received


def main():
    arguments = [one for one in sys.argv[1:] if one != "--debug"]
    rounds = int(arguments[0]) if arguments else 5
    folder = ROOT / "target" / ("debug" if "--debug" in sys.argv else "release")
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as script:
        script.write(SCRIPT)
        script.flush()
        model, line = start(folder / "app-gen-scripted-model", [script.name], {})
        url = line.split()[-1]
        gateway, line = start(folder / "app-gen-gateway", [], {"ANTHROPIC_BASE_URL": url})
        try:
            said = json.loads(line)
            straight = Client(int(url.rsplit(":", 1)[1]), "none")
            through = Client(int(said["anthropic_base_url"].rsplit(":", 1)[1]), said["token"])
            sys.exit(0 if measure(straight, through, rounds) else 1)
        finally:
            gateway.kill()
            model.kill()


def measure(straight, through, rounds):
    """Whether the goals are reached."""
    reached = True
    for prompt, times in [("first byte", 40 * rounds), ("paced", rounds), ("at once", rounds)]:
        seconds = {straight: [], through: []}
        for client in (straight, through):
            client.ask("first byte")
        for number in range(times):
            # Who is first changes, because the second finds caches warm.
            order = (straight, through) if number % 2 else (through, straight)
            with ThreadPoolExecutor(2 if prompt == "paced" else 1) as threads:
                answers = list(threads.map(lambda client: client.ask(prompt), order))
            for client, (first, whole, received) in zip(order, answers):
                seconds[client].append(first if prompt == "first byte" else whole)
                assert prompt == "first byte" or received > 10_000_000
        one, other = (statistics.median(seconds[client]) for client in (straight, through))
        ratio = statistics.median(b / a for a, b in zip(seconds[straight], seconds[through]))
        added = [b - a for a, b in zip(seconds[straight], seconds[through])]
        print(
            f"{prompt:10}  straight {one * 1000:9.2f} ms   through {other * 1000:9.2f} ms"
            f"   adds {statistics.median(added) * 1000:7.2f} ms   ratio {ratio:.4f}",
            flush=True,
        )
        if prompt == "first byte":
            reached &= statistics.median(added) * 1000 <= FIRST_BYTE_MILLIS
        if prompt == "paced":
            reached &= ratio <= PACED_RATIO
    return reached


if __name__ == "__main__":
    main()
