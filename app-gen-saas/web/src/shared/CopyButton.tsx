import { useEffect, useState } from "react";
import { Icon } from "./Icon.tsx";

/** Copies `text()`; says so in its own label, which assistive technology announces too. */
export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [result, setResult] = useState<"idle" | "copied" | "refused">("idle");
  useEffect(() => {
    if (result === "idle") return;
    const timer = setTimeout(() => setResult("idle"), 2000);
    return () => clearTimeout(timer);
  }, [result]);

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text());
      setResult("copied");
    } catch {
      // No clipboard without a secure origin or the user's permission.
      setResult("refused");
    }
  }

  return (
    <button type="button" className="button button-quiet" onClick={() => void copy()}>
      <Icon name={result === "copied" ? "check" : "copy"} />
      <span aria-live="polite">{result === "idle" ? label : result === "copied" ? "Copied" : "Not allowed"}</span>
    </button>
  );
}
