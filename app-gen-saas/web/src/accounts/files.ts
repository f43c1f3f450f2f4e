/** Files of the API, for whom a plain link is refused: it says nothing of who asks. */
import { useEffect, useState } from "react";
import { credentialHeaders, hasCredentials } from "./credentials.ts";

const TIMEOUT_MS = 300_000;

async function load(href: string): Promise<Blob> {
  const response = await fetch(href, {
    headers: await credentialHeaders(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.blob();
}

/** What an image shows: the address itself, or the file behind it once it is here. */
export function useSource(href: string): string | undefined {
  const [loaded, setLoaded] = useState<string | undefined>(undefined);
  useEffect(() => {
    if (!hasCredentials()) return;
    let url: string | undefined;
    let isOver = false;
    load(href).then(
      (blob) => {
        if (isOver) return;
        url = URL.createObjectURL(blob);
        setLoaded(url);
      },
      // An image that does not come shows nothing, as it would without accounts.
      () => undefined,
    );
    return () => {
      isOver = true;
      if (url !== undefined) URL.revokeObjectURL(url);
    };
  }, [href]);
  return hasCredentials() ? loaded : href;
}

/** Saves what a link to a file of the API leads to, in place of the browser. */
export function takeOverLinks(failed: (name: string) => void): () => void {
  const onClick = (event: MouseEvent) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.origin !== window.location.origin || !link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    const name = link.download || link.pathname.split("/").at(-1) || "file";
    load(link.href).then(
      (blob) => {
        const saved = document.createElement("a");
        saved.href = URL.createObjectURL(blob);
        saved.download = name;
        saved.click();
        // The browser has begun to save by then.
        setTimeout(() => URL.revokeObjectURL(saved.href), 60_000);
      },
      () => failed(name),
    );
  };
  document.addEventListener("click", onClick, true);
  return () => document.removeEventListener("click", onClick, true);
}
