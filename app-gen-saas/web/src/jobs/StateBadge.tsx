import { wordsOf } from "./jobState.ts";

export function StateBadge({ state }: { state: string }) {
  const { label, tone } = wordsOf(state);
  return (
    <span className={`badge tone-${tone}`} data-state={state}>
      <span className="badge-dot" aria-hidden="true" />
      {label}
    </span>
  );
}
