import { memo, useCallback, useState } from "react";
import { getDifference, messageOf } from "../api/client.ts";
import type { FileDifference } from "../api/types.ts";
import { Icon } from "../shared/Icon.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import { useLoaded } from "../shared/useLoaded.ts";
import { parsePatch, type PatchLine } from "./patch.ts";

interface Props {
  projectId: string;
  number: number;
  /** The version that it was made from. */
  parent: number | null;
}

/** What a version has changed, file by file. */
export function Differences({ projectId, number, parent }: Props) {
  const load = useCallback(() => getDifference(projectId, number), [projectId, number]);
  const { value, error, reload } = useLoaded(load, null);
  return (
    <section className="differences" aria-labelledby="differences-title" aria-busy={value === null && error === null}>
      <h2 id="differences-title">{parent === null ? "What it began with" : `What changed since version ${parent}`}</h2>
      {value === null ? (
        error === null ? (
          <Loading what="what changed" />
        ) : (
          <PartProblem error={error} retry={reload} />
        )
      ) : value.files.length === 0 ? (
        <p className="empty">Nothing: both have the same files.</p>
      ) : (
        <>
          <p className="differences-sum">{sumWords(value.files)}</p>
          <ul>
            {value.files.map((file) => (
              <li key={file.path}>
                <FileChange file={file} />
              </li>
            ))}
          </ul>
          {value.truncated && <p className="empty">More files differ than are listed here.</p>}
        </>
      )}
    </section>
  );
}

/** Why a part of the page is missing. */
export function PartProblem({ error, retry }: { error: unknown; retry: () => void }) {
  return (
    <div className="part-problem">
      <p>{messageOf(error)}</p>
      <button type="button" className="button button-quiet" onClick={retry}>
        <Icon name="again" />
        Try again
      </button>
    </div>
  );
}

function sumWords(files: readonly FileDifference[]): string {
  const added = files.reduce((sum, file) => sum + file.added_lines, 0);
  const removed = files.reduce((sum, file) => sum + file.removed_lines, 0);
  return `${count(files.length, "file")}, ${count(added, "line")} added, ${count(removed, "line")} removed`;
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : `${noun}s`}`;
}

function FileChange({ file }: { file: FileDifference }) {
  // A thousand lines that nobody looks at are not put into the page.
  const [open, setOpen] = useState(false);
  return (
    <details className="file-change" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className="file-change-path">{file.path}</span>
        <span className="file-change-kind" data-change={file.change}>
          {file.change}
        </span>
        <span className="file-change-counts" hidden={file.patch === null}>
          <span className="count-added">
            +{file.added_lines}
            <span className="visually-hidden"> lines added,</span>
          </span>{" "}
          <span className="count-removed">
            −{file.removed_lines}
            <span className="visually-hidden"> lines removed</span>
          </span>
        </span>
      </summary>
      {file.patch === null ? (
        <p className="file-note">It is no text, or too long to be shown here. It is in the download.</p>
      ) : (
        open && <Patch path={file.path} patch={file.patch} />
      )}
    </details>
  );
}

const Patch = memo(function Patch({ path, patch }: { path: string; patch: string }) {
  if (patch === "") return <p className="file-note">Its text is the same.</p>;
  return (
    <div className="patch" role="region" aria-label={`Changes of ${path}`} tabIndex={0}>
      <div className="patch-lines">
        {parsePatch(patch).map((line, index) => (
          <Line key={index} line={line} />
        ))}
      </div>
    </div>
  );
});

const SIGNS = { added: "+", removed: "−", same: " " } as const;

function Line({ line }: { line: PatchLine }) {
  if (line.kind === "place" || line.kind === "note") return <div className={`patch-${line.kind}`}>{line.text}</div>;
  // Assistive technology can tell what is inserted and deleted by the element.
  const Text = line.kind === "added" ? "ins" : line.kind === "removed" ? "del" : "span";
  return (
    <div className={`patch-line patch-${line.kind}`}>
      <span className="patch-number" aria-hidden="true">
        {line.before}
      </span>
      <span className="patch-number" aria-hidden="true">
        {line.after}
      </span>
      <span className="patch-sign" aria-hidden="true">
        {SIGNS[line.kind]}
      </span>
      <Text>{line.text}</Text>
    </div>
  );
}
