import type { ReactNode } from "react";
import { CopyButton } from "../shared/CopyButton.tsx";

interface Props {
  /** Null while there is nothing to show. */
  text: string | null;
  /** Of the button that copies it. */
  label: string;
  /** What it is good for. */
  children: ReactNode;
}

/** A secret that is shown this once. The place stays in the page, so that assistive technology announces it. */
export function ShownOnce({ text, label, children }: Props) {
  return (
    <div role="status">
      {text !== null && (
        <div className="shown-once">
          <p>{children}</p>
          <code>{text}</code>
          <CopyButton label={label} text={() => text} />
        </div>
      )}
    </div>
  );
}
