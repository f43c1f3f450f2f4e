import { useId, useState } from "react";
import { artifactHref, messageOf } from "../api/client.ts";
import type { Decide, Job } from "../api/types.ts";
import { Heading } from "../shared/Heading.tsx";
import { Icon } from "../shared/Icon.tsx";
import { Time } from "../shared/Time.tsx";
import { clockTime, fullTime } from "../shared/time.ts";
import { isWaiting } from "./jobState.ts";

interface Props {
  job: Job;
  now: number;
  decide: (decision: Decide) => Promise<void>;
}

/** What the job waits for: a limit, which passes by itself, or the decision of a person, which is taken here. */
export function Waiting({ job, now, decide }: Props) {
  const { waiting } = job;
  // The state comes by the stream and is newer for a moment.
  if (!waiting || !isWaiting(job.state)) return null;
  if (waiting.kind === "approval") {
    // A later question begins with empty words.
    return <Decision key={job.attempt} job={job} question={waiting.question} decide={decide} />;
  }
  const until = Date.parse(waiting.until);
  return (
    <section className="outcome" aria-labelledby="waiting-title">
      <div className="outcome-main">
        <Heading id="waiting-title" className="outcome-title">A limit of {waiting.provider} is reached</Heading>
        <p>{waiting.detail}</p>
        <p className="outcome-note">
          {until > now ? (
            <>
              It goes on by itself at <time dateTime={waiting.until} title={fullTime(waiting.until)}>{clockTime(waiting.until)}</time>
              {until - now > 86_400_000 && (
                <>
                  {" "}
                  on <span>{new Date(until).toLocaleDateString("en", { day: "numeric", month: "long" })}</span>
                </>
              )}
              . You can close this page.
            </>
          ) : (
            <>
              The limit has passed <Time time={waiting.until} now={now} />; it goes on in a moment.
            </>
          )}
        </p>
      </div>
    </section>
  );
}

type Choice = "approve" | "reject" | "defer";

const ASKED: Record<Exclude<Choice, "approve">, { label: string; send: string }> = {
  reject: { label: "What is wrong with it?", send: "Reject it" },
  defer: { label: "What is to be done first?", send: "Send these notes" },
};

function Decision({ job, question, decide }: { job: Job; question: string; decide: Props["decide"] }) {
  const [choice, setChoice] = useState<Exclude<Choice, "approve"> | null>(null);
  const [words, setWords] = useState("");
  const [sending, setSending] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const field = useId();

  async function send(decision: Choice): Promise<void> {
    if (sending) return;
    setSending(true);
    setProblem(null);
    try {
      await decide({ attempt: job.attempt, decision, ...(decision === "approve" ? {} : { words: words.trim() }) });
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setSending(false);
    }
  }

  return (
    <section className="outcome" aria-labelledby="waiting-title">
      <div className="outcome-main">
        <Heading id="waiting-title" className="outcome-title">Your decision</Heading>
        <p className="outcome-question">{question}</p>
        {job.artifact && (
          <p className="outcome-actions">
            <a className="button" href={artifactHref(job.id)} download={job.artifact.name}>
              <Icon name="download" />
              Look at {job.artifact.name}
            </a>
          </p>
        )}
        {choice && (
          <form
            className="decision-words"
            onSubmit={(event) => {
              event.preventDefault();
              if (words.trim() !== "") void send(choice);
            }}
          >
            <label htmlFor={field}>{ASKED[choice].label}</label>
            <textarea
              id={field}
              rows={3}
              maxLength={2000}
              required
              autoFocus
              value={words}
              onChange={(event) => setWords(event.target.value)}
            />
            <p className="outcome-actions">
              <button type="submit" className="button button-primary" aria-disabled={sending || words.trim() === ""}>
                {sending ? "Sending…" : ASKED[choice].send}
              </button>
              <button type="button" className="button" onClick={() => setChoice(null)}>
                Back
              </button>
            </p>
          </form>
        )}
        {!choice && (
          <p className="outcome-actions">
            <button
              type="button"
              className="button button-primary"
              aria-disabled={sending}
              onClick={() => void send("approve")}
            >
              <Icon name="check" />
              {sending ? "Sending…" : "Approve"}
            </button>
            <button type="button" className="button" onClick={() => setChoice("reject")}>
              Reject
            </button>
            <button type="button" className="button" onClick={() => setChoice("defer")}>
              Not yet
            </button>
          </p>
        )}
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </section>
  );
}
