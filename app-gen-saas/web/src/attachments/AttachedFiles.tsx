import { useSource } from "../accounts/files.ts";
import { attachmentHref } from "../api/client.ts";
import type { Job } from "../api/types.ts";
import { Icon } from "../shared/Icon.tsx";
import { byteSize } from "../shared/time.ts";

/** The files that were attached to a job, each of which can be opened. */
export function AttachedFiles({ job }: { job: Job }) {
  // While a release replaces the one before, that one may answer, which knows no attachments.
  const attachments = (job as Partial<Job>).attachments ?? [];
  if (attachments.length === 0) return null;
  return (
    <ul className="attached-files" aria-label="Attached files">
      {attachments.map((file) => {
        const href = attachmentHref(job.id, file.number);
        const isImage = file.media_type.startsWith("image/");
        return (
          <li key={file.number}>
            {/* An image is shown by the browser; anything else is saved. */}
            <a className="attached-file" href={href} target={isImage ? "_blank" : undefined} rel="noreferrer">
              {isImage ? <Picture href={href} /> : <Icon name="clip" />}
              <span className="attached-file-name">{file.name}</span>
              <span className="attached-file-size">{byteSize(file.size_bytes)}</span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}

function Picture({ href }: { href: string }) {
  return <img src={useSource(href)} alt="" loading="lazy" />;
}
