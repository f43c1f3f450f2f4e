import { useCallback, useEffect, useId, useState } from "react";
import { getTemplate, isMissing, listTemplates } from "../api/client.ts";
import type { Template } from "../api/types.ts";
import { templatesHref } from "../app/route.ts";
import { useLoaded } from "../shared/useLoaded.ts";

interface Props {
  /** Id of the template that is chosen; empty for none. */
  value: string;
  onChange: (templateId: string) => void;
}

/** What a new application begins with. */
export function TemplatePicker({ value, onChange }: Props) {
  const ids = { field: useId(), about: useId() };
  const [first] = useState(value);
  const load = useCallback(() => offered(first), [first]);
  const { value: templates } = useLoaded(load, null);
  // Without an answer, an application can still begin with nothing.
  const known = templates ?? [];
  const chosen = known.find(({ id }) => id === value);
  const own = known.filter((template) => !template.built_in);
  const isGone = templates !== null && value !== "" && chosen === undefined;
  useEffect(() => {
    if (isGone) onChange("");
  }, [isGone, onChange]);
  return (
    <div className="template-picker">
      <label htmlFor={ids.field}>Begin with</label>
      <select
        id={ids.field}
        className="field"
        value={chosen?.id ?? ""}
        onChange={(event) => onChange(event.target.value)}
        aria-describedby={chosen?.description ? ids.about : undefined}
      >
        <option value="">An empty page</option>
        <Options label="Built in" templates={known.filter((template) => template.built_in)} />
        <Options label="Your templates" templates={own} />
      </select>
      <a href={templatesHref}>All templates</a>
      {chosen?.description && (
        <p id={ids.about} className="template-about">
          {chosen.description}
        </p>
      )}
    </div>
  );
}

/** What is offered: built-in templates, the newest of the others, and the one that was chosen elsewhere. */
async function offered(chosenId: string): Promise<readonly Template[]> {
  const templates = await listTemplates("");
  if (chosenId === "" || templates.some(({ id }) => id === chosenId)) return templates;
  try {
    return [...templates, await getTemplate(chosenId)];
  } catch (error) {
    if (isMissing(error)) return templates;
    throw error;
  }
}

function Options({ label, templates }: { label: string; templates: readonly Template[] }) {
  if (templates.length === 0) return null;
  return (
    <optgroup label={label}>
      {templates.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </optgroup>
  );
}
