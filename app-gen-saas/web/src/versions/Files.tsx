import { useCallback, useLayoutEffect, useRef, useState } from "react";
import { getFile, isMissing, listFiles } from "../api/client.ts";
import type { FileContent, VersionFile } from "../api/types.ts";
import { versionHref } from "../app/route.ts";
import { Loading } from "../shared/PageProblem.tsx";
import { byteSize } from "../shared/time.ts";
import { useLoaded } from "../shared/useLoaded.ts";
import { PartProblem } from "./Differences.tsx";

/** A longer list is cut, until somebody asks for all of it. */
const MANY = 500;

interface Props {
  projectId: string;
  number: number;
  /** The path of the file that is shown; null for none. */
  file: string | null;
}

/** The files of a version, and the text of one of them. */
export function Files({ projectId, number, file }: Props) {
  const load = useCallback(() => listFiles(projectId, number), [projectId, number]);
  const { value: files, error, reload } = useLoaded(load, null);
  return (
    <section className="files" aria-labelledby="files-title" aria-busy={files === null && error === null}>
      <h2 id="files-title">Files</h2>
      {files === null ? (
        error === null ? (
          <Loading what="the files" />
        ) : (
          <PartProblem error={error} retry={reload} />
        )
      ) : (
        <div className="files-parts" data-shown={file !== null}>
          <FileNames projectId={projectId} number={number} files={files} shown={file} />
          {file !== null && <FileText key={file} projectId={projectId} number={number} path={file} />}
        </div>
      )}
    </section>
  );
}

interface NamesProps {
  projectId: string;
  number: number;
  files: readonly VersionFile[];
  shown: string | null;
}

function FileNames({ projectId, number, files, shown }: NamesProps) {
  const [all, setAll] = useState(files.length <= MANY);
  if (files.length === 0) return <p className="empty">This version has no files.</p>;
  const listed = all ? files : files.slice(0, MANY);
  return (
    <nav className="file-names" aria-label="Files of this version">
      <ul>
        {listed.map((file) => {
          const cut = file.path.lastIndexOf("/") + 1;
          return (
            <li key={file.path}>
              <a href={versionHref(projectId, number, file.path)} aria-current={file.path === shown ? "true" : undefined}>
                <span className="file-path">
                  {cut > 0 && <span className="file-folder">{file.path.slice(0, cut)}</span>}
                  {file.path.slice(cut)}
                </span>
                <span className="file-size">{byteSize(file.size_bytes)}</span>
              </a>
            </li>
          );
        })}
      </ul>
      {!all && (
        <button type="button" className="button button-quiet older" onClick={() => setAll(true)}>
          Show all {files.length.toLocaleString("en")} files
        </button>
      )}
    </nav>
  );
}

/** The text of a file; key it by the path. */
function FileText({ projectId, number, path }: { projectId: string; number: number; path: string }) {
  const load = useCallback(() => getFile(projectId, number, path), [projectId, number, path]);
  const { value: file, error, reload } = useLoaded(load, null);
  const title = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    // On a phone it is below the list, out of sight of who chose it.
    title.current?.focus();
  }, []);
  return (
    <article className="file-text" aria-labelledby="file-title">
      <header className="file-head">
        <h3 id="file-title" ref={title} tabIndex={-1}>
          {path}
        </h3>
        {file && <p>{factWords(file)}</p>}
      </header>
      {file !== null ? (
        <Text file={file} />
      ) : error === null ? (
        <Loading what="the file" />
      ) : isMissing(error) ? (
        <p className="file-note">This version has no such file.</p>
      ) : (
        <PartProblem error={error} retry={reload} />
      )}
    </article>
  );
}

function factWords(file: FileContent): string {
  return [file.language, byteSize(file.size_bytes), file.executable ? "can be started" : null]
    .filter((fact) => fact !== null)
    .join(", ");
}

function Text({ file }: { file: FileContent }) {
  if (file.text === null) return <p className="file-note">This file is no text. It is in the download.</p>;
  if (file.text === "") return <p className="file-note">This file is empty.</p>;
  return (
    <>
      {file.truncated && (
        <p className="file-note">Only the beginning is shown, because the file is long. All of it is in the download.</p>
      )}
      <pre role="region" aria-label={`Text of ${file.path}`} tabIndex={0}>
        {file.text}
      </pre>
    </>
  );
}
