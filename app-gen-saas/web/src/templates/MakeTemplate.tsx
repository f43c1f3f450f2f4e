import { useRef, useState } from "react";
import { createTemplate } from "../api/client.ts";
import type { Project, Version } from "../api/types.ts";
import { templatesHref } from "../app/route.ts";
import { Icon } from "../shared/Icon.tsx";
import { TemplateForm } from "./TemplateForm.tsx";

/** Makes a template of a version, with which new applications can begin. */
export function MakeTemplate({ project, version }: { project: Project; version: Version }) {
  const [isOpen, setOpen] = useState(false);
  const [made, setMade] = useState<string | null>(null);
  const opener = useRef<HTMLButtonElement>(null);

  function close(): void {
    setOpen(false);
    // The field that had the focus is gone; the focus returns to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  }

  return (
    <div className="ask make-template">
      {isOpen ? (
        <TemplateForm
          words={{ name: project.name, description: "" }}
          submit="Make the template"
          save={async (words) => {
            const template = await createTemplate({ ...words, project: project.id, version: version.number });
            setMade(template.name);
            close();
          }}
          cancel={close}
        />
      ) : (
        <button
          type="button"
          ref={opener}
          className="button"
          onClick={() => {
            setMade(null);
            setOpen(true);
          }}
        >
          <Icon name="copy" />
          Make a template of this version
        </button>
      )}
      <p role="status" className="ask-done">
        {made !== null && (
          <>
            “{made}” is among <a href={templatesHref}>the templates</a> now.
          </>
        )}
      </p>
    </div>
  );
}
