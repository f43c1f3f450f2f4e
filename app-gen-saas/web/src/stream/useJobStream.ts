import { useEffect, useReducer, useRef, useState } from "react";
import { appendEvents, EMPTY_LOG, type JobLog } from "../log/jobLog.ts";
import { type Connection, FIRST_CONNECTION } from "./connection.ts";
import { type JobStream, openJobStream } from "./jobStream.ts";

export interface FollowedJob {
  log: JobLog;
  connection: Connection;
  retry: () => void;
}

/** One job's log, live. A component that shows another job must remount (key by id). */
export function useJobStream(jobId: string, finalSequence: number | null): FollowedJob {
  const [log, append] = useReducer(appendEvents, EMPTY_LOG);
  const [connection, setConnection] = useState<Connection>(FIRST_CONNECTION);
  const stream = useRef<JobStream | null>(null);
  const final = useRef(finalSequence);
  useEffect(() => {
    final.current = finalSequence;
  }, [finalSequence]);

  useEffect(() => {
    const opened = openJobStream({
      jobId,
      after: 0,
      onEvents: append,
      onConnection: setConnection,
      finalSequence: () => final.current,
    });
    stream.current = opened;
    return () => opened.close();
  }, [jobId]);

  return { log, connection, retry: () => stream.current?.retry() };
}
