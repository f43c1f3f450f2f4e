// What `bench_streams.py` compares the orchestrator with: a job's events to all who listen, on Express 5.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import express from "express";

const app = express();
const jobs = new Map();

app.post("/api/jobs", (_request, response) => {
  const id = String(jobs.size + 1);
  const job = { frames: [], listeners: new Set() };
  jobs.set(id, job);
  const env = { ...process.env, JOB_SPEC_URI: `file:///${id}/spec.json` };
  const generator = spawn(process.env.GENERATOR_COMMAND, { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: generator.stdout });
  lines.on("line", (line) => {
    const { sequence, type } = JSON.parse(line);
    const frame = `id: ${sequence}\nevent: ${type}\ndata: ${line}\n\n`;
    job.frames.push(frame);
    for (const listener of job.listeners) listener.write(frame);
  });
  lines.on("close", () => job.listeners.forEach((listener) => listener.end()));
  response.status(201).json({ id });
});

app.get("/api/jobs/:id/events", (request, response) => {
  const job = jobs.get(request.params.id);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  response.write(`retry: 1000\n\n${job.frames.slice(Number(request.get("last-event-id") ?? 0)).join("")}`);
  job.listeners.add(response);
  response.on("close", () => job.listeners.delete(response));
});

const server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ address: `127.0.0.1:${server.address().port}` })));
