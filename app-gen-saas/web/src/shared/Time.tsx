import { fullTime, relativeTime } from "./time.ts";

/** A moment in humane words, with the exact one for machines and on hover. */
export function Time({ time, now }: { time: string; now: number }) {
  return (
    <time dateTime={time} title={fullTime(time)}>
      {relativeTime(time, now)}
    </time>
  );
}
