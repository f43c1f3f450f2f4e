import { type FormEvent, type ReactNode, useId, useState } from "react";
import { messageOf } from "../api/client.ts";

interface Props {
  label: string;
  type?: "text" | "email";
  /** The server's limit. */
  maxLength: number;
  submit: string;
  /** The button while it is sent. */
  busy: string;
  /** What is said where nothing was written. */
  empty: string;
  /** What else is asked. */
  children?: ReactNode;
  save: (text: string) => Promise<void>;
}

/** A form with one field that has to be filled. Where it is refused, what was written stays. */
export function OneFieldForm(props: Props) {
  const { label, type = "text", maxLength, submit, busy: busyWords, empty, children, save } = props;
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const ids = { field: useId(), problem: useId() };

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    if (text.trim() === "") return setProblem(empty);
    setBusy(true);
    setProblem(null);
    try {
      await save(text.trim());
      setText("");
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form className="one-field-form" noValidate onSubmit={(event) => void send(event)}>
      <label htmlFor={ids.field}>{label}</label>
      <input
        id={ids.field}
        className="field"
        type={type}
        maxLength={maxLength}
        autoComplete="off"
        value={text}
        onChange={(event) => setText(event.target.value)}
        aria-invalid={problem !== null}
        aria-describedby={problem ? ids.problem : undefined}
      />
      {children}
      <button type="submit" className="button button-primary" aria-disabled={busy}>
        {busy ? busyWords : submit}
      </button>
      {problem && (
        <p id={ids.problem} className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
