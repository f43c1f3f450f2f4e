import { Heading } from "../shared/Heading.tsx";
import { Icon } from "../shared/Icon.tsx";
import { duration } from "../shared/time.ts";
import type { Stage } from "./jobLog.ts";

interface Props {
  stages: readonly Stage[];
  /** What the job does now: a stage that is still open runs, waits with it, or was never finished. */
  work: Work;
}

export type Work = "running" | "waiting" | "over";

export function Stages({ stages, work }: Props) {
  if (stages.length === 0) return null;
  return (
    <section className="stages" aria-labelledby="stages-title">
      <Heading id="stages-title" className="work-title">Stages</Heading>
      <ol>
        {stages.map((stage, index) => (
          <li key={index} className="stage" data-state={stageState(stage, work)}>
            <span className="stage-mark">
              <Mark state={stageState(stage, work)} />
            </span>
            <span className="stage-name">{stage.name}</span>
            <span className="stage-time">{stageTime(stage, work)}</span>
            {stage.detail && <span className="stage-detail">{stage.detail}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

type StageState = "running" | "waiting" | "done" | "broken";

const OPEN: Record<Work, StageState> = { running: "running", waiting: "waiting", over: "broken" };

function stageState(stage: Stage, work: Work): StageState {
  if (stage.state === "failed") return "broken";
  return stage.state === "running" ? OPEN[work] : stage.state;
}

function Mark({ state }: { state: StageState }) {
  if (state === "running") return <span className="spinner" aria-hidden="true" />;
  if (state === "waiting") return <Icon name="pause" />;
  return <Icon name={state === "done" ? "check" : "cross"} />;
}

const OPEN_WORDS: Record<Work, string> = { running: "running", waiting: "waiting", over: "not finished" };

function stageTime(stage: Stage, work: Work): string {
  if (stage.finishedAt) {
    const took = Date.parse(stage.finishedAt) - Date.parse(stage.startedAt);
    return took >= 50 ? duration(took) : stage.state;
  }
  return OPEN_WORDS[work];
}
