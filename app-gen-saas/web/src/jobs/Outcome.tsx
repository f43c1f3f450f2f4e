import { artifactHref } from "../api/client.ts";
import type { Job } from "../api/types.ts";
import { versionHref } from "../app/route.ts";
import type { JobLog } from "../log/jobLog.ts";
import { CopyButton } from "../shared/CopyButton.tsx";
import { BelowHeading, Heading } from "../shared/Heading.tsx";
import { Icon } from "../shared/Icon.tsx";
import { byteSize } from "../shared/time.ts";
import { Again } from "./Again.tsx";
import { wordsOf } from "./jobState.ts";

interface Props {
  job: Job;
  log: JobLog;
  /** Asks for the same again where the job was asked for; without it, a link leads there. */
  reuse?: () => void;
}

/** The result of a finished job: the download, or why there is no download and what to do next. */
export function Outcome({ job, log, reuse }: Props) {
  return job.state === "succeeded" ? <Success job={job} log={log} /> : <Failure job={job} log={log} reuse={reuse} />;
}

/** The server names the file after the job, so that two downloads can be told apart. */
function runCommands(job: Job): string[] {
  return [`unzip app-${job.id}.zip -d app`, "cd app", "npm ci", "npm run build", "npm start"];
}

function Success({ job, log }: Props) {
  return (
    <section className="outcome outcome-done" aria-labelledby="outcome-title">
      <div className="outcome-main">
        <Heading id="outcome-title" className="outcome-title">
          <Icon name="check" />
          {wordsOf(job.state, job.kind).sentence}
        </Heading>
        {log.summary && <p>{log.summary}</p>}
        {job.provider === "template" && job.kind === "create" && (
          <p className="outcome-note">
            No AI model was asked: this is one of the built-in templates. The words of your description chose it, and
            they are its name and its sample data.
          </p>
        )}
        {log.place && (
          <p className="outcome-actions">
            <a className="button button-primary" href={log.place} target="_blank" rel="noreferrer">
              Open {log.place.replace(/^https?:\/\//, "")}
            </a>
          </p>
        )}
        {!job.artifact && job.kind !== "restore" && job.kind !== "deliver" && <p className="outcome-note">There is nothing to download.</p>}
        {(job.artifact || job.version !== null) && (
          <p className="outcome-actions">
            {job.artifact && (
              <>
                <a className="button button-primary" href={artifactHref(job.id)} download={job.artifact.name}>
                  <Icon name="download" />
                  Download {job.artifact.name}
                </a>
                <span className="outcome-size" title={`SHA-256 ${job.artifact.sha256}`}>
                  {byteSize(job.artifact.size_bytes)}
                </span>
              </>
            )}
            {job.project !== null && job.version !== null && (
              <a className="button" href={versionHref(job.project, job.version)}>
                Look at version {job.version}
              </a>
            )}
          </p>
        )}
      </div>
      {job.artifact && (
        <div className="outcome-run">
          <div className="outcome-run-head">
            <BelowHeading>
              <Heading>Run it</Heading>
            </BelowHeading>
            <CopyButton label="Copy" text={() => runCommands(job).join("\n")} />
          </div>
          <div className="commands" role="group" aria-label="Commands that run the app">
            {runCommands(job).map((command) => (
              <code key={command}>{command}</code>
            ))}
          </div>
          <p className="outcome-note">Then open http://127.0.0.1:3000</p>
        </div>
      )}
    </section>
  );
}

function Failure({ job, log, reuse }: Props) {
  const cancelled = job.state === "cancelled";
  const reason = job.reason ?? log.stateReason ?? log.failure?.reason ?? null;
  return (
    <section className={`outcome ${cancelled ? "outcome-quiet" : "outcome-bad"}`} aria-labelledby="outcome-title">
      <div className="outcome-main">
        <Heading id="outcome-title" className="outcome-title">
          <Icon name={cancelled ? "stop" : "alert"} />
          {wordsOf(job.state, job.kind).sentence}
        </Heading>
        {reason ? (
          <p className="outcome-reason">{reason}</p>
        ) : (
          !cancelled && <p className="outcome-note">No reason was recorded; the log below is all there is.</p>
        )}
        {log.failure?.hint && <p className="outcome-hint">{log.failure.hint}</p>}
        <Again job={job} reuse={reuse} />
      </div>
    </section>
  );
}
