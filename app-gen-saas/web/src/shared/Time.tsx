import { fullTime, relativeTime } from "./time.ts";

/** A point in time in everyday words, with the exact time for machines and on hover. */
export function Time({ time, now }: { time: string; now: number }) {
  return (
    <time dateTime={time} title={fullTime(time)}>
      {relativeTime(time, now)}
    </time>
  );
}
