import { type ReactNode, type RefObject, useId, useRef } from "react";
import { Icon } from "../shared/Icon.tsx";
import { byteSize } from "../shared/time.ts";
import type { Attachments, Chosen } from "./useAttachments.ts";

/** What the browser offers first; what a file is, the server tells by its bytes. */
const ACCEPTED = "text/*,.md,.csv,.json,.xml,.yaml,.yml,image/png,image/jpeg,image/webp,image/gif";

interface ButtonProps {
  files: Attachments;
  /** The button takes the focus when a file was removed, whose own button is gone. */
  button: RefObject<HTMLButtonElement | null>;
}

/** Chooses files of this machine. */
export function AttachButton({ files, button }: ButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" ref={button} className="button button-quiet" onClick={() => input.current?.click()}>
        <Icon name="clip" />
        Attach files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to attach"
        accept={ACCEPTED}
        onChange={(event) => {
          const { target } = event;
          void files.add([...(target.files ?? [])]);
          // The same file can be chosen again after it was removed.
          target.value = "";
        }}
      />
    </>
  );
}

interface Props {
  files: Attachments;
  removed: () => void;
}

/** The files that were chosen, each with a way to take it off again. */
export function ChosenFiles({ files, removed }: Props) {
  const title = useId();
  const { chosen } = files;
  const ready = chosen.filter((file) => file.id !== null).length;
  return (
    <>
      {chosen.length > 0 && (
        <ul className="chosen-files" aria-labelledby={title}>
          {chosen.map((file) => (
            <li key={file.key} className="chosen-file" data-invalid={file.problem !== null}>
              {file.preview ? <img src={file.preview} alt="" /> : <Icon name="clip" />}
              <span className="chosen-file-words">
                <span className="chosen-file-name">{file.name}</span>
                <span className="chosen-file-state">{stateWords(file)}</span>
              </span>
              <button
                type="button"
                className="button button-quiet"
                onClick={() => {
                  files.remove(file.key);
                  removed();
                }}
              >
                <Icon name="cross" />
                <span className="visually-hidden">Remove {file.name}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
      <p id={title} className="visually-hidden" role="status">
        {chosen.length > 0 && `Attached files: ${ready} of ${chosen.length} ready`}
      </p>
    </>
  );
}

function stateWords(file: Chosen): ReactNode {
  if (file.problem !== null) return file.problem;
  return file.id === null ? "Uploading…" : byteSize(file.size);
}
