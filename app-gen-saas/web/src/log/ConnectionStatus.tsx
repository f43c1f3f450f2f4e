import type { Connection } from "../stream/connection.ts";
import { useNow } from "../shared/useNow.ts";

/** Whether the log is live, and if not, what happens next. */
export function ConnectionStatus({ connection, retry }: { connection: Connection; retry: () => void }) {
  const broken = connection.phase === "waiting" || connection.phase === "reconnecting";
  return (
    <div className="connection" data-phase={connection.phase}>
      <span className="connection-dot" aria-hidden="true" />
      <span role="status">{words(connection)}</span>
      {connection.phase === "waiting" && <Countdown until={connection.retryAt} />}
      {broken && (
        <button type="button" className="link-button" onClick={retry}>
          Try now
        </button>
      )}
    </div>
  );
}

function words(connection: Connection): string {
  switch (connection.phase) {
    case "connecting":
      return connection.attempt > 0 ? "Reconnecting…" : "Connecting…";
    case "live":
      return "Live";
    case "reconnecting":
      return "Connection lost, reconnecting…";
    case "waiting":
      return "Connection lost";
    case "offline":
      return "You are offline; the log continues when you are back";
    case "ended":
      return "Complete";
  }
}

/** Separate from the status text, so that assistive technology does not announce it every second. */
function Countdown({ until }: { until: number }) {
  const now = useNow(500);
  const seconds = Math.max(1, Math.ceil((until - now) / 1000));
  return <span aria-hidden="true">next try in {seconds} s</span>;
}
