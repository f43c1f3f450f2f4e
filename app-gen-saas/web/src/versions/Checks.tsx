import type { Check } from "../api/types.ts";
import { Icon } from "../shared/Icon.tsx";

/** What the checks of a version came to: in a line, and one by one when it is unfolded. */
export function Checks({ checks }: { checks: readonly Check[] }) {
  if (checks.length === 0) return <p className="checks-none">It was not checked.</p>;
  return (
    <details className="checks">
      <summary>{checkWords(checks)}</summary>
      <ul>
        {checks.map((check) => (
          <li key={check.name} className="check" data-outcome={check.outcome}>
            <span className="check-mark">
              <Icon name={check.outcome === "passed" ? "check" : check.outcome === "failed" ? "cross" : "pause"} />
            </span>
            <span className="check-name">{check.name}</span>
            <span className="check-outcome">
              {check.outcome}
              {check.seconds > 0 && `, ${check.seconds} s`}
            </span>
            {check.detail && <span className="check-detail">{check.detail}</span>}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** "4 checks passed", "3 of 4 checks passed, 1 skipped". */
export function checkWords(checks: readonly Check[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of checks) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const passed = counts.get("passed") ?? 0;
  const noun = checks.length === 1 ? "check" : "checks";
  if (passed === checks.length) return `${passed} ${noun} passed`;
  counts.delete("passed");
  const others = [...counts].map(([outcome, count]) => `${count} ${outcome}`);
  return `${passed} of ${checks.length} ${noun} passed, ${others.join(", ")}`;
}
