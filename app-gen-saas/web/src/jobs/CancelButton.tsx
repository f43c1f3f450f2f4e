import { useRef, useState } from "react";
import { Icon } from "../shared/Icon.tsx";
import { messageOf } from "./useJobs.ts";

/** Asks once before it stops the job: the work so far is lost. */
export function CancelButton({ cancel }: { cancel: () => Promise<void> }) {
  const [step, setStep] = useState<"idle" | "asking" | "stopping">("idle");
  const [problem, setProblem] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);

  async function stop(): Promise<void> {
    setStep("stopping");
    setProblem(null);
    try {
      await cancel();
    } catch (error) {
      setProblem(messageOf(error));
      setStep("idle");
    }
  }

  function keep(): void {
    setStep("idle");
    // The button that had the focus is gone; the focus returns to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  }

  return (
    <div className="cancel" onKeyDown={(event) => event.key === "Escape" && step === "asking" && keep()}>
      {step === "asking" ? (
        <div className="cancel-question" role="group" aria-label="Stop this job?">
          <span>Stop this job?</span>
          <button type="button" className="button button-danger" onClick={() => void stop()}>
            Stop it
          </button>
          <button type="button" className="button" onClick={keep} autoFocus>
            Keep going
          </button>
        </div>
      ) : (
        <button
          type="button"
          ref={opener}
          className="button"
          aria-disabled={step === "stopping"}
          onClick={() => step === "idle" && setStep("asking")}
        >
          <Icon name="stop" />
          {step === "stopping" ? "Stopping…" : "Cancel"}
        </button>
      )}
      {problem && (
        <p className="cancel-problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
