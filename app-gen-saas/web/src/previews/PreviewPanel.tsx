import { useCallback, useEffect, useState } from "react";
import { endPreview, getPreview, isNotHere, messageOf, startPreview } from "../api/client.ts";
import type { Preview } from "../api/types.ts";
import { Icon } from "../shared/Icon.tsx";
import { useFocusKept } from "../shared/useFocusKept.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { useNow } from "../shared/useNow.ts";
import { POLL } from "../shared/usePolling.ts";
import { phaseWords, remainingWords } from "./previewWords.ts";

/**
 * What an application in a frame may do. It has an origin of its own, so that its scripts and its storage are its
 * own; it cannot lead the page elsewhere.
 */
const SANDBOX = "allow-scripts allow-forms allow-same-origin allow-popups allow-modals allow-downloads";

interface Props {
  projectId: string;
  number: number;
}

/** The preview of a version: start it, use it, end it. Nothing where the environment has none. */
export function PreviewPanel({ projectId, number }: Props) {
  const load = useCallback(
    async () => ({ preview: await getPreview(projectId, number) }),
    [projectId, number],
  );
  const [isStarting, setStarting] = useState(false);
  const { value, error, reload, replace } = useLoaded(load, isStarting ? POLL.active : POLL.idle);
  const [busy, setBusy] = useState<"start" | "end" | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const preview = value?.preview ?? null;
  const [title, pressed] = useFocusKept<HTMLHeadingElement>(preview?.state ?? null);

  useEffect(() => setStarting(preview?.state === "starting"), [preview?.state]);

  async function act(what: "start" | "end"): Promise<void> {
    if (busy !== null) return;
    setBusy(what);
    setProblem(null);
    try {
      if (what === "start") {
        const started = await startPreview(projectId, number);
        pressed();
        replace({ preview: started });
      } else {
        await endPreview(projectId, number);
        pressed();
        reload();
      }
    } catch (failure) {
      setProblem(messageOf(failure));
    } finally {
      setBusy(null);
    }
  }

  // What is below waits until it is known how much room this takes (versions.css).
  if (value === null && error === null) return <div aria-busy="true" />;
  if (isNotHere(error) || value === null) return null;
  return (
    <section className="preview" aria-labelledby="preview-title">
      <div className="preview-head">
        <h2 id="preview-title" ref={title} tabIndex={-1}>
          Preview
        </h2>
        {preview !== null && preview.state !== "ended" ? (
          <RunningHead preview={preview} isBusy={busy === "end"} end={() => void act("end")} />
        ) : (
          <button
            type="button"
            className="button button-primary"
            aria-disabled={busy !== null}
            onClick={() => void act("start")}
          >
            <Icon name="arrow" />
            {busy === "start" ? "Starting…" : preview === null ? "Try this version" : "Try it again"}
          </button>
        )}
      </div>
      <p className="preview-status" role="status">
        {preview?.state === "starting" && phaseWords(preview)}
        {preview?.state === "ended" && `The preview has ended: ${preview.reason ?? "its time is over"}.`}
      </p>
      {preview?.state === "starting" && preview.reason !== null && (
        <p className="preview-reason">{preview.reason}</p>
      )}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {preview?.state === "ready" && preview.url !== null && (
        <iframe
          key={preview.id}
          className="preview-frame"
          title={`Preview of version ${number}`}
          src={preview.url}
          sandbox={SANDBOX}
          referrerPolicy="no-referrer"
        />
      )}
    </section>
  );
}

interface HeadProps {
  preview: Preview;
  isBusy: boolean;
  end: () => void;
}

function RunningHead({ preview, isBusy, end }: HeadProps) {
  const now = useNow(10_000);
  return (
    <div className="preview-actions">
      <span className="preview-time">{remainingWords(preview.expires_at, now)}</span>
      {preview.url !== null && (
        <a className="button" href={preview.url} target="_blank" rel="noopener noreferrer">
          Open in a new tab
        </a>
      )}
      <button type="button" className="button" aria-disabled={isBusy} onClick={end}>
        <Icon name="stop" />
        {isBusy ? "Ending…" : "End"}
      </button>
    </div>
  );
}
