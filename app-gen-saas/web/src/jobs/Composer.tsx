import {
  type ClipboardEvent,
  type DragEvent,
  type FormEvent,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { messageOf } from "../api/client.ts";
import type { Job } from "../api/types.ts";
import { AttachButton, ChosenFiles } from "../attachments/ChosenFiles.tsx";
import { useAttachments } from "../attachments/useAttachments.ts";
import { Icon } from "../shared/Icon.tsx";
import { loadDraft, saveDraft } from "./draft.ts";

/** The server's limit, counted as it counts: in characters, after trimming. */
export const MAX_CHARACTERS = 4000;
/** From here on the counter is shown. */
const NEARLY = 3600;

export interface Example {
  name: string;
  text: string;
}

interface Props {
  /** What the field is for; seen by nobody, heard by those who do not see the page around it. */
  label: string;
  placeholder: string;
  rows: number;
  submit: string;
  /** What is said of an empty field. */
  empty: string;
  /** Under which key of `draft.ts` the text is kept. */
  draft: string;
  examples?: readonly Example[];
  /** More about what will happen, between the field and its button. */
  children?: ReactNode;
  /** Why nothing can be asked now. */
  disabled?: string | null;
  /** The field takes the focus whenever this is another value, and when it appears, unless it is null then. */
  focus?: string | number | null;
  /** `attachments` are the ids of the files that were chosen. */
  create: (description: string, attachments: string[]) => Promise<Job>;
  onCreated: (job: Job) => void;
}

/** A field for words that become a job. */
export function Composer(props: Props) {
  const { draft, examples = [], disabled = null, focus = null } = props;
  const [description, setDescription] = useState(() => loadDraft(draft));
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [dropping, setDropping] = useState(false);
  const files = useAttachments();
  const field = useRef<HTMLTextAreaElement>(null);
  const attach = useRef<HTMLButtonElement>(null);
  const ids = { field: useId(), help: useId(), problem: useId() };

  useEffect(() => saveDraft(draft, description), [draft, description]);
  const focusBefore = useRef(focus);
  // With the field itself: a key that is pressed meanwhile is not lost.
  useLayoutEffect(() => {
    if (focus !== null || focusBefore.current !== null) field.current?.focus();
    focusBefore.current = focus;
  }, [focus]);

  const length = [...description.trim()].length;
  const tooLong = length > MAX_CHARACTERS;

  function edit(text: string): void {
    setDescription(text);
    setProblem(null);
  }

  function refuse(message: string): void {
    setProblem(message);
    field.current?.focus();
  }

  async function submit(event?: FormEvent): Promise<void> {
    event?.preventDefault();
    if (busy || disabled !== null) return;
    if (length === 0) return refuse(props.empty);
    if (tooLong) return refuse(`Please shorten it to ${MAX_CHARACTERS.toLocaleString("en")} characters.`);
    if (files.chosen.some((file) => file.problem !== null)) return refuse("Remove the file that cannot be attached first.");
    const attachments = files.chosen.flatMap((file) => file.id ?? []);
    if (attachments.length < files.chosen.length) return refuse("Wait a moment: your files are still being uploaded.");
    setBusy(true);
    setProblem(null);
    try {
      const job = await props.create(description.trim(), attachments);
      setDescription("");
      files.clear();
      saveDraft(draft, "");
      props.onCreated(job);
    } catch (error) {
      refuse(`${messageOf(error)} Your text is kept.`);
    } finally {
      setBusy(false);
    }
  }

  function submitByKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) void submit();
  }

  function paste(event: ClipboardEvent): void {
    const pasted = [...event.clipboardData.files];
    // Text that comes with a file (from a spreadsheet, for example) is what was meant.
    if (pasted.length === 0 || event.clipboardData.getData("text/plain") !== "") return;
    event.preventDefault();
    void files.add(pasted);
  }

  function drag(event: DragEvent): void {
    if (disabled !== null || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setDropping(true);
  }

  function drop(event: DragEvent): void {
    setDropping(false);
    const dropped = [...event.dataTransfer.files];
    if (disabled !== null || dropped.length === 0) return;
    // Without this, the browser would leave the page for the file.
    event.preventDefault();
    void files.add(dropped);
  }

  const complaint = problem ?? files.problem;
  return (
    <form className="composer" onSubmit={(event) => void submit(event)} noValidate>
      <label className="visually-hidden" htmlFor={ids.field}>
        {props.label}
      </label>
      <div
        className="composer-box"
        data-invalid={problem !== null || tooLong}
        data-disabled={disabled !== null}
        data-dropping={dropping}
        onDragEnter={drag}
        onDragOver={drag}
        onDragLeave={() => setDropping(false)}
        onDrop={drop}
      >
        <textarea
          id={ids.field}
          ref={field}
          value={description}
          onChange={(event) => edit(event.target.value)}
          onKeyDown={submitByKey}
          onPaste={paste}
          placeholder={props.placeholder}
          rows={props.rows}
          disabled={disabled !== null}
          aria-describedby={complaint ? `${ids.problem} ${ids.help}` : ids.help}
          aria-invalid={problem !== null || tooLong}
          spellCheck
        />
        <ChosenFiles files={files} removed={() => attach.current?.focus()} />
        {props.children}
        <div className="composer-bar">
          <p id={ids.help} className="composer-help">
            {disabled !== null ? (
              disabled
            ) : length >= NEARLY ? (
              <span className={tooLong ? "composer-over" : undefined}>
                {length.toLocaleString("en")} of {MAX_CHARACTERS.toLocaleString("en")} characters
              </span>
            ) : (
              <span className="composer-keys">
                <kbd>Ctrl</kbd> <kbd>Enter</kbd> to start
              </span>
            )}
          </p>
          {disabled === null && (
            <div className="composer-actions">
              <AttachButton files={files} button={attach} />
              <button type="submit" className="button button-primary" aria-disabled={busy}>
                {busy ? "Starting…" : props.submit}
                {!busy && <Icon name="arrow" />}
              </button>
            </div>
          )}
        </div>
      </div>
      <p id={ids.problem} className="composer-problem" role="alert">
        {complaint}
      </p>
      {examples.length > 0 && (
        <div className="examples" role="group" aria-label="Examples to start from">
          <span className="examples-title" aria-hidden="true">
            Try
          </span>
          {examples.map((example) => (
            <button
              key={example.name}
              type="button"
              className="chip"
              onClick={() => {
                edit(example.text);
                field.current?.focus();
              }}
            >
              {example.name}
            </button>
          ))}
        </div>
      )}
    </form>
  );
}
