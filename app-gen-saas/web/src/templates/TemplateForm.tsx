import { type FormEvent, useId, useState } from "react";
import { messageOf } from "../api/client.ts";

/** The server's limits. */
const MAX_NAME = 80;
const MAX_DESCRIPTION = 1000;

export interface TemplateWords {
  name: string;
  description: string;
}

interface Props {
  words: TemplateWords;
  /** Of the button that saves. */
  submit: string;
  save: (words: TemplateWords) => Promise<void>;
  cancel: () => void;
}

/** Name and description of a template. */
export function TemplateForm({ words, submit, save, cancel }: Props) {
  const [name, setName] = useState(words.name);
  const [description, setDescription] = useState(words.description);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ids = { name: useId(), description: useId(), problem: useId() };

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    if (name.trim() === "") return setProblem("A template needs a name.");
    setBusy(true);
    setProblem(null);
    try {
      await save({ name: name.trim(), description: description.trim() });
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  }

  return (
    <form
      className="template-form"
      noValidate
      onSubmit={(event) => void send(event)}
      onKeyDown={(event) => event.key === "Escape" && cancel()}
    >
      <label htmlFor={ids.name}>Name of the template</label>
      <input
        id={ids.name}
        className="field"
        maxLength={MAX_NAME}
        autoFocus
        autoComplete="off"
        value={name}
        onChange={(event) => setName(event.target.value)}
        aria-invalid={problem !== null}
        aria-describedby={problem ? ids.problem : undefined}
      />
      <label htmlFor={ids.description}>What it is good for (optional)</label>
      <textarea
        id={ids.description}
        className="field"
        rows={2}
        maxLength={MAX_DESCRIPTION}
        value={description}
        onChange={(event) => setDescription(event.target.value)}
      />
      <div className="template-form-actions">
        <button type="submit" className="button button-primary" aria-disabled={busy}>
          {busy ? "Saving…" : submit}
        </button>
        <button type="button" className="button" onClick={cancel}>
          Cancel
        </button>
      </div>
      {problem && (
        <p id={ids.problem} className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
