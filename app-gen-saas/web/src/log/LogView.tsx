import { memo, useState } from "react";
import type { Connection } from "../stream/connection.ts";
import { CopyButton } from "../shared/CopyButton.tsx";
import { Heading } from "../shared/Heading.tsx";
import { Icon } from "../shared/Icon.tsx";
import { clockTime, fullTime } from "../shared/time.ts";
import { ConnectionStatus } from "./ConnectionStatus.tsx";
import type { JobLog, LogLine } from "./jobLog.ts";
import { useStickToEnd } from "./useStickToEnd.ts";

interface Props {
  log: JobLog;
  connection: Connection;
  retry: () => void;
}

export function LogView({ log, connection, retry }: Props) {
  const end = useStickToEnd<HTMLDivElement>(log.lines);
  const [seenSequence, setSeenSequence] = useState(0);
  const unseen = end.stuck ? 0 : log.lines.filter((line) => line.sequence > seenSequence).length;

  function scrolled(): void {
    // While the view sticks to the end, everything is seen; the count starts where the user left the end.
    if (end.stuck) setSeenSequence(log.lastSequence);
    end.onScroll();
  }

  return (
    <section className="log" aria-labelledby="log-title">
      <header className="log-head">
        <Heading id="log-title" className="work-title">Log</Heading>
        <ConnectionStatus connection={connection} retry={retry} />
        {log.lines.length > 0 && <CopyButton label="Copy" text={() => log.lines.map(lineText).join("\n")} />}
      </header>
      <div
        className="log-body"
        ref={end.box}
        onScroll={scrolled}
        role="log"
        aria-label="Job log"
        aria-live="polite"
        tabIndex={0}
      >
        {log.droppedLines > 0 && (
          <p className="log-note">{log.droppedLines.toLocaleString("en")} older lines are not shown.</p>
        )}
        {log.lines.length === 0 && <p className="log-note">{emptyWords(connection)}</p>}
        {log.lines.map((line) => (
          <Line key={line.sequence} line={line} />
        ))}
      </div>
      {!end.stuck && (
        <button type="button" className="log-jump" onClick={end.toEnd}>
          <Icon name="down" />
          {unseen > 0 ? `${unseen} new ${unseen === 1 ? "line" : "lines"}` : "To the end"}
        </button>
      )}
    </section>
  );
}

const Line = memo(function Line({ line }: { line: LogLine }) {
  return (
    <div className={`log-line line-${line.tone}`}>
      <time dateTime={line.time} title={fullTime(line.time)}>
        {clockTime(line.time)}
      </time>
      {line.tone === "warn" || line.tone === "error" ? (
        <span className="visually-hidden">{line.tone === "warn" ? "Warning:" : "Error:"}</span>
      ) : null}
      {line.more === null ? (
        <span className="log-text">{line.text}</span>
      ) : (
        <details className="log-text log-fold">
          <summary>{line.text}</summary>
          <pre>{line.more}</pre>
        </details>
      )}
    </div>
  );
});

function lineText(line: LogLine): string {
  const text = `${line.time} ${line.text}`;
  return line.more === null ? text : `${text}\n${line.more}`;
}

function emptyWords(connection: Connection): string {
  switch (connection.phase) {
    case "live":
      return "Connected. Waiting for the first line…";
    case "ended":
      return "This job wrote no log.";
    default:
      return "Waiting for the log…";
  }
}
