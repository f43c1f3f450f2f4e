import { Icon } from "../shared/Icon.tsx";
import { duration } from "../shared/time.ts";
import type { Stage } from "./jobLog.ts";

interface Props {
  stages: readonly Stage[];
  /** No generator works now: a stage that is still open was never finished. */
  over: boolean;
}

export function Stages({ stages, over }: Props) {
  if (stages.length === 0) return null;
  return (
    <section className="stages" aria-labelledby="stages-title">
      <h2 id="stages-title">Stages</h2>
      <ol>
        {stages.map((stage, index) => (
          <li key={index} className="stage" data-state={stageState(stage, over)}>
            <span className="stage-mark">
              <Mark state={stageState(stage, over)} />
            </span>
            <span className="stage-name">{stage.name}</span>
            <span className="stage-time">{stageTime(stage, over)}</span>
            {stage.detail && <span className="stage-detail">{stage.detail}</span>}
          </li>
        ))}
      </ol>
    </section>
  );
}

type StageState = "running" | "done" | "broken";

function stageState(stage: Stage, over: boolean): StageState {
  if (stage.state === "failed") return "broken";
  return stage.state === "running" && over ? "broken" : stage.state;
}

function Mark({ state }: { state: StageState }) {
  if (state === "running") return <span className="spinner" aria-hidden="true" />;
  return <Icon name={state === "done" ? "check" : "cross"} />;
}

function stageTime(stage: Stage, over: boolean): string {
  if (stage.finishedAt) {
    const took = Date.parse(stage.finishedAt) - Date.parse(stage.startedAt);
    return took >= 50 ? duration(took) : stage.state;
  }
  return over ? "not finished" : "running";
}
