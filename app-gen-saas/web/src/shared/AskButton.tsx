import { type ReactNode, useId, useRef, useState } from "react";
import { messageOf } from "../api/client.ts";

interface Props {
  /** The button before anything is asked. */
  label: ReactNode;
  className?: string;
  question: string;
  /** What is lost, and what happens next. */
  consequence?: string;
  yes: string;
  no: string;
  /** The button while it is done, and until this button is gone. */
  busy: string;
  /** What is said when it was done and can be done again; without it, the button stays busy until it is gone. */
  done?: string;
  isDanger?: boolean;
  act: () => Promise<void>;
}

/** A button that asks once before it does what cannot be taken back. A failure is said beside it. */
export function AskButton(props: Props) {
  const { label, className = "button", question, consequence, yes, no, busy, done, isDanger, act } = props;
  const [step, setStep] = useState<"idle" | "asking" | "busy">("idle");
  const [isDone, setDone] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const explanation = useId();

  async function go(): Promise<void> {
    setStep("busy");
    setProblem(null);
    try {
      await act();
      if (done === undefined) return;
      setDone(true);
      leave();
    } catch (error) {
      setProblem(messageOf(error));
      setStep("idle");
    }
  }

  function leave(): void {
    setStep("idle");
    // The button that had the focus is gone; the focus returns to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  }

  return (
    <div className="ask" onKeyDown={(event) => event.key === "Escape" && step === "asking" && leave()}>
      {step === "asking" ? (
        <div
          className="ask-question"
          role="group"
          aria-label={question}
          aria-describedby={consequence ? explanation : undefined}
        >
          <span>{question}</span>
          {consequence && (
            <span id={explanation} className="ask-consequence">
              {consequence}
            </span>
          )}
          <button
            type="button"
            className={isDanger ? "button button-danger" : "button button-primary"}
            onClick={() => void go()}
          >
            {yes}
          </button>
          <button type="button" className="button" onClick={leave} autoFocus>
            {no}
          </button>
        </div>
      ) : (
        <button
          type="button"
          ref={opener}
          className={className}
          aria-disabled={step === "busy"}
          onClick={() => {
            if (step !== "idle") return;
            setProblem(null);
            setDone(false);
            setStep("asking");
          }}
        >
          {step === "busy" ? busy : label}
        </button>
      )}
      {done !== undefined && (
        <p role="status" className="ask-done">
          {isDone && done}
        </p>
      )}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
