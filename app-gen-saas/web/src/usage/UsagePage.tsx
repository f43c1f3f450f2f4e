import { useId } from "react";
import { getUsage, messageOf } from "../api/client.ts";
import type { Amount, MonthUsage } from "../api/types.ts";
import { homeHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { dollars } from "../jobs/usage.ts";
import { BackLink } from "../shared/BackLink.tsx";
import { Loading, PageProblem } from "../shared/PageProblem.tsx";
import { byteSize } from "../shared/time.ts";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { POLL } from "../shared/usePolling.ts";

/** What was used this month, and how much may be. */
export function UsagePage() {
  useDocumentTitle("Usage");
  const { value, error, reload } = useLoaded(getUsage, POLL.idle);
  return (
    <div className="usage-page">
      <ServerNotice problem={value && error ? messageOf(error) : null} />
      <BackLink href={homeHref}>All apps</BackLink>
      {value ? (
        <Month usage={value} />
      ) : error === null ? (
        <Loading what="what was used" page />
      ) : (
        <PageProblem title="What was used could not be loaded" retry={reload}>
          <p>{messageOf(error)}</p>
        </PageProblem>
      )}
    </div>
  );
}

function Month({ usage }: { usage: MonthUsage }) {
  const waiting = usage.queued_jobs > 0 ? `${usage.queued_jobs} more ${usage.queued_jobs === 1 ? "waits" : "wait"}` : null;
  return (
    <>
      <h1>Usage in {monthName(usage.month)}</h1>
      <p className="lead">Days and months begin at midnight UTC. What is deleted stays counted.</p>
      <ul className="usage-list">
        <Used name="Jobs that run now" amount={usage.jobs_at_once} words={String} note={waiting} />
        <Used
          name="Jobs today"
          amount={usage.jobs_per_day}
          words={String}
          note={`${usage.jobs} this month`}
        />
        <Used name="Models this month" amount={usage.micro_usd_per_month} words={dollars} />
        <Used
          name="Tasks this month"
          amount={{ used: usage.task_micro_usd, limit: null, resets_at: null }}
          words={dollars}
        />
        <Used name="Stored files" amount={usage.storage_bytes} words={byteSize} note="Versions of apps, and uploads of today" />
        <Used name="Live views now" amount={usage.streams} words={String} />
      </ul>
      <Days days={usage.days} />
    </>
  );
}

interface UsedProps {
  name: string;
  amount: Amount;
  words: (number: number) => string;
  note?: string | null;
}

/** How much of something is used, of how much. */
function Used({ name, amount: { used, limit, resets_at }, words, note = null }: UsedProps) {
  const id = useId();
  const isOver = limit !== null && used >= limit;
  return (
    <li className={isOver ? "usage-item usage-over" : "usage-item"}>
      <h2 id={id}>{name}</h2>
      <p>
        <strong>{words(used)}</strong> {limit === null ? "without a limit" : `of ${words(limit)}`}
      </p>
      {limit !== null && <meter aria-labelledby={id} min={0} max={limit} high={limit * 0.8} optimum={0} value={used} />}
      {isOver && <p className="usage-note usage-reached">The limit is reached{resets_at ? ` until ${dateOf(resets_at)}` : ""}.</p>}
      {note !== null && <p className="usage-note">{note}</p>}
    </li>
  );
}

function Days({ days }: { days: MonthUsage["days"] }) {
  if (days.length === 0) return <p className="empty">Nothing was used this month.</p>;
  return (
    <div className="usage-days">
      <table>
        <caption>By day</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            <th scope="col">Jobs</th>
            <th scope="col">Models</th>
            <th scope="col">Tasks</th>
          </tr>
        </thead>
        <tbody>
          {days.map((day) => (
            <tr key={day.day}>
              <th scope="row">{dateOf(`${day.day}T00:00:00.000Z`)}</th>
              <td>{day.jobs}</td>
              <td>{dollars(day.micro_usd)}</td>
              <td>{dollars(day.task_micro_usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** "November 2026" of "2026-11". */
function monthName(month: string): string {
  return new Date(`${month}-01T00:00:00.000Z`).toLocaleDateString("en", { month: "long", year: "numeric", timeZone: "UTC" });
}

/** "November 21", of the day that it is in UTC, where days begin. */
function dateOf(time: string): string {
  return new Date(time).toLocaleDateString("en", { day: "numeric", month: "long", timeZone: "UTC" });
}
