/** Files that are chosen for a job: uploaded at once, so that what is wrong with one is said where it was chosen. */
import { useCallback, useEffect, useRef, useState } from "react";
import { getAttachmentLimits, messageOf, uploadFile } from "../api/client.ts";
import type { AttachmentLimits } from "../api/types.ts";
import { byteSize } from "../shared/time.ts";

/** The server's limit for the name of a file. */
const MAX_NAME = 100;

/** A file that was chosen. It is being uploaded as long as it has neither an id nor a problem. */
export interface Chosen {
  key: number;
  name: string;
  size: number;
  /** The address of the image, which this tab has; null for what is no image. */
  preview: string | null;
  /** What the job names it by. */
  id: string | null;
  /** Why it cannot be attached. */
  problem: string | null;
}

export interface Attachments {
  chosen: readonly Chosen[];
  /** Why some of what was chosen last is not among them. */
  problem: string | null;
  add: (files: readonly File[]) => Promise<void>;
  remove: (key: number) => void;
  clear: () => void;
}

export function useAttachments(): Attachments {
  const [chosen, setChosen] = useState<readonly Chosen[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  // What is chosen now, for what goes on while the page is drawn.
  const held = useRef<readonly Chosen[]>([]);
  const limits = useRef<AttachmentLimits | null>(null);
  const nextKey = useRef(1);

  const update = useCallback((next: readonly Chosen[]) => {
    held.current = next;
    setChosen(next);
  }, []);

  useEffect(() => () => forget(held.current), []);

  const add = useCallback(
    async (files: readonly File[]) => {
      if (files.length === 0) return;
      setProblem(null);
      let bounds: AttachmentLimits;
      try {
        bounds = limits.current ??= await getAttachmentLimits();
      } catch (error) {
        setProblem(messageOf(error));
        return;
      }
      for (const file of files) {
        const refusal = refusalOf(file, held.current, bounds);
        if (refusal !== null) {
          setProblem(refusal);
          continue;
        }
        const key = nextKey.current++;
        const name = nameOf(file);
        const preview = file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
        update([...held.current, { key, name, size: file.size, preview, id: null, problem: null }]);
        const change = (part: Partial<Chosen>) =>
          update(held.current.map((item) => (item.key === key ? { ...item, ...part } : item)));
        uploadFile(name, file).then(
          ({ id }) => change({ id }),
          (error: unknown) => change({ problem: messageOf(error) }),
        );
      }
    },
    [update],
  );

  const remove = useCallback(
    (key: number) => {
      setProblem(null);
      forget(held.current.filter((item) => item.key === key));
      update(held.current.filter((item) => item.key !== key));
    },
    [update],
  );

  const clear = useCallback(() => {
    setProblem(null);
    forget(held.current);
    update([]);
  }, [update]);

  return { chosen, problem, add, remove, clear };
}

/** Gives back what the browser keeps for the images. */
function forget(items: readonly Chosen[]): void {
  for (const { preview } of items) if (preview !== null) URL.revokeObjectURL(preview);
}

/** Why a file cannot be attached, beside what the server finds in it; null if it can. */
export function refusalOf(
  file: Pick<File, "name" | "size">,
  chosen: readonly Pick<Chosen, "size">[],
  limits: AttachmentLimits,
): string | null {
  if (file.size === 0) return `“${file.name}” is empty.`;
  if (file.size > limits.bytes) {
    return `“${file.name}” has ${byteSize(file.size)}. A file may have up to ${byteSize(limits.bytes)}.`;
  }
  if (chosen.length >= limits.count) return `Up to ${limits.count} files can be attached.`;
  const all = chosen.reduce((sum, item) => sum + item.size, file.size);
  if (all > limits.job_bytes) {
    return `With “${file.name}” the files have ${byteSize(all)}. Together they may have up to ${byteSize(limits.job_bytes)}.`;
  }
  return null;
}

/** The name that the server gets: a long one keeps its end, which says what the file is. */
export function nameOf(file: Pick<File, "name">): string {
  const letters = [...file.name.trim()];
  if (letters.length === 0) return "file";
  return letters.length <= MAX_NAME ? letters.join("") : ["…", ...letters.slice(1 - MAX_NAME)].join("");
}
