import { Icon } from "../shared/Icon.tsx";
import { duration } from "../shared/time.ts";
import type { Step } from "./jobLog.ts";

interface Props {
  steps: readonly Step[];
  /** The job is over: a step still open then was never finished. */
  over: boolean;
}

export function Steps({ steps, over }: Props) {
  if (steps.length === 0) return null;
  return (
    <section className="steps" aria-labelledby="steps-title">
      <h2 id="steps-title">Steps</h2>
      <ol>
        {steps.map((step, index) => (
          <li key={index} className="step" data-state={stepState(step, over)}>
            <span className="step-mark">
              <Mark state={stepState(step, over)} />
            </span>
            <span className="step-name">{step.name}</span>
            <span className="step-time">{stepTime(step, over)}</span>
            {step.detail && <span className="step-detail">{step.detail}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

type StepState = "running" | "done" | "broken";

function stepState(step: Step, over: boolean): StepState {
  return step.state === "running" && over ? "broken" : step.state;
}

function Mark({ state }: { state: StepState }) {
  if (state === "running") return <span className="spinner" aria-hidden="true" />;
  return <Icon name={state === "done" ? "check" : "cross"} />;
}

function stepTime(step: Step, over: boolean): string {
  if (step.finishedAt) {
    const took = Date.parse(step.finishedAt) - Date.parse(step.startedAt);
    return took >= 50 ? duration(took) : "done";
  }
  return over ? "not finished" : "running";
}
