import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import type { Job } from "../api/types.ts";
import { Icon } from "../shared/Icon.tsx";
import { loadDraft, saveDraft } from "./draft.ts";
import { messageOf } from "./useJobs.ts";

/** The server's limit, counted as it counts: in characters, after trimming. */
export const MAX_CHARACTERS = 4000;
/** From here on the counter is shown. */
const NEARLY = 3600;

const EXAMPLES = [
  {
    name: "Recipe box",
    text: "A recipe box: save recipes with ingredients and tags, search them, and scale the amounts to the number of guests.",
  },
  {
    name: "Reading list",
    text: "A reading list for our book club: everyone proposes books, votes once per month, and sees what comes next.",
  },
  {
    name: "Plant diary",
    text: "A plant diary that reminds me which plant needs water today and keeps a note of how each one is doing.",
  },
];

interface Props {
  create: (description: string) => Promise<Job>;
  onCreated: (job: Job) => void;
}

export function Composer({ create, onCreated }: Props) {
  const [description, setDescription] = useState(loadDraft);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const ids = { field: useId(), help: useId(), problem: useId() };

  useEffect(() => saveDraft(description), [description]);

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
    if (busy) return;
    if (length === 0) return refuse("Describe the app first: a sentence is enough.");
    if (tooLong) return refuse(`Please shorten it to ${MAX_CHARACTERS.toLocaleString("en")} characters.`);
    setBusy(true);
    setProblem(null);
    try {
      const job = await create(description.trim());
      setDescription("");
      saveDraft("");
      onCreated(job);
    } catch (error) {
      refuse(`${messageOf(error)} Your text is kept.`);
    } finally {
      setBusy(false);
    }
  }

  function submitByKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) void submit();
  }

  return (
    <form className="composer" onSubmit={(event) => void submit(event)} noValidate>
      <label className="visually-hidden" htmlFor={ids.field}>
        Describe your app
      </label>
      <div className="composer-box" data-invalid={problem !== null || tooLong}>
        <textarea
          id={ids.field}
          ref={field}
          value={description}
          onChange={(event) => edit(event.target.value)}
          onKeyDown={submitByKey}
          placeholder="What should it do, and for whom?"
          rows={5}
          aria-describedby={problem ? `${ids.problem} ${ids.help}` : ids.help}
          aria-invalid={problem !== null || tooLong}
          spellCheck
        />
        <div className="composer-bar">
          <p id={ids.help} className="composer-help">
            {length >= NEARLY ? (
              <span className={tooLong ? "composer-over" : undefined}>
                {length.toLocaleString("en")} of {MAX_CHARACTERS.toLocaleString("en")} characters
              </span>
            ) : (
              <span className="composer-keys">
                <kbd>Ctrl</kbd> <kbd>Enter</kbd> to start
              </span>
            )}
          </p>
          <button type="submit" className="button button-primary" aria-disabled={busy}>
            {busy ? "Starting…" : "Generate app"}
            {!busy && <Icon name="arrow" />}
          </button>
        </div>
      </div>
      <p id={ids.problem} className="composer-problem" role="alert">
        {problem}
      </p>
      <div className="examples" role="group" aria-label="Examples to start from">
        <span className="examples-title" aria-hidden="true">
          Try
        </span>
        {EXAMPLES.map((example) => (
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
    </form>
  );
}
