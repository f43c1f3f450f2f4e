import { useCallback, useEffect, useId, useRef, useState } from "react";
import { changeTemplate, listTemplates, removeTemplate } from "../api/client.ts";
import type { Template } from "../api/types.ts";
import { homeHref, versionHref } from "../app/route.ts";
import { ServerNotice } from "../app/ServerNotice.tsx";
import { saveDraft, templateDraft } from "../jobs/draft.ts";
import { AskButton } from "../shared/AskButton.tsx";
import { BackLink } from "../shared/BackLink.tsx";
import { Icon } from "../shared/Icon.tsx";
import { Loading } from "../shared/PageProblem.tsx";
import type { Order } from "../shared/pages.ts";
import { Time } from "../shared/Time.tsx";
import { useDocumentTitle } from "../shared/useDocumentTitle.ts";
import { useNow } from "../shared/useNow.ts";
import { usePages } from "../shared/usePages.ts";
import { TemplateForm } from "./TemplateForm.tsx";

/** A search begins when nothing was typed for so long. */
const TYPING_MS = 250;

/** Own ones alone, newest first: the server's order. */
const newestFirst: Order<Template> = (left, right) => (left.id < right.id ? 1 : left.id > right.id ? -1 : 0);

/** Whatever changes a template shows it itself. */
const never = () => null;

/** What new applications can begin with: built-in templates, and those that were made of versions. */
export function TemplatesPage() {
  useDocumentTitle("Templates");
  const [search, setSearch] = useState("");
  const [found, setFound] = useState<{ search: string; templates: readonly Template[] } | null>(null);
  const now = useNow(30_000);
  const list = useCallback(
    async (after?: Template) => {
      const templates = await listTemplates(search, after?.id);
      // They come with the first page alone, and have an order of their own.
      if (after === undefined) setFound({ search, templates: templates.filter((template) => template.built_in) });
      return templates.filter((template) => !template.built_in);
    },
    [search],
  );
  const pages = usePages(list, newestFirst, never);
  const own = pages.items;
  // The answer to an earlier search is none to this one.
  const builtIn = found?.search === search ? found.templates : [];
  return (
    <div className="templates-page">
      <ServerNotice problem={pages.problem} />
      <BackLink href={homeHref}>All apps</BackLink>
      <h1>Templates</h1>
      <p className="lead">An app can begin with a template instead of an empty page. Make your own from any version of an app.</p>
      <SearchField search={search} setSearch={setSearch} />
      <section aria-labelledby="own-templates" aria-busy={own === null && pages.problem === null}>
        <h2 id="own-templates">Your templates</h2>
        {own === null ? (
          pages.problem === null ? (
            <Loading what="templates" />
          ) : (
            <p className="empty">Your templates could not be loaded.</p>
          )
        ) : own.length === 0 ? (
          <p className="empty">
            {search === ""
              ? "Nothing here yet. Open a version of an app and make a template of it."
              : `None of your templates has “${search}” in its name or description.`}
          </p>
        ) : (
          <ul className="template-list">
            {own.map((template) => (
              <li key={template.id}>
                <OwnTemplate template={template} now={now} renew={pages.renew} />
              </li>
            ))}
          </ul>
        )}
        {pages.hasOlder && (
          <button
            type="button"
            className="button older"
            aria-disabled={pages.loadingOlder}
            onClick={() => void pages.loadOlder()}
          >
            {pages.loadingOlder ? "Loading…" : "Load more"}
          </button>
        )}
      </section>
      {builtIn.length > 0 && (
        <section aria-labelledby="built-in-templates">
          <h2 id="built-in-templates">Built in</h2>
          <ul className="template-list">
            {builtIn.map((template) => (
              <li key={template.id}>
                <article className="template-card" aria-label={template.name}>
                  <h3>{template.name}</h3>
                  <p>{template.description}</p>
                  <div className="template-actions">
                    <Use template={template} />
                  </div>
                </article>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function SearchField({ search, setSearch }: { search: string; setSearch: (search: string) => void }) {
  const [text, setText] = useState(search);
  const field = useId();
  const wanted = text.trim();
  useEffect(() => {
    if (wanted === search) return;
    const timer = setTimeout(() => setSearch(wanted), TYPING_MS);
    return () => clearTimeout(timer);
  }, [wanted, search, setSearch]);
  return (
    <div className="search-field" role="search">
      <Icon name="search" />
      <label className="visually-hidden" htmlFor={field}>
        Search templates
      </label>
      <input
        id={field}
        type="search"
        className="field"
        placeholder="Search templates"
        maxLength={100}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </div>
  );
}

/** Takes the template along to where an application is described. */
function Use({ template }: { template: Template }) {
  return (
    <a className="button" href={homeHref} onClick={() => saveDraft(templateDraft, template.id)}>
      <Icon name="plus" />
      New app<span className="visually-hidden"> with “{template.name}”</span>
    </a>
  );
}

interface OwnProps {
  template: Template;
  now: number;
  /** Reads the list again. */
  renew: () => void;
}

function OwnTemplate({ template, now, renew }: OwnProps) {
  const [shown, setShown] = useState(template);
  const [isOpen, setOpen] = useState(false);
  const [isGone, setGone] = useState(false);
  const opener = useRef<HTMLButtonElement>(null);
  // What the server says later is newer.
  useEffect(() => setShown(template), [template]);

  function close(): void {
    setOpen(false);
    // The field that had the focus is gone; the focus returns to where it came from.
    requestAnimationFrame(() => opener.current?.focus());
  }

  if (isGone) {
    return (
      // The button that had the focus is gone.
      <p role="status" className="empty" tabIndex={-1} ref={(gone) => gone?.focus()}>
        “{shown.name}” is removed.
      </p>
    );
  }
  return (
    <article className="template-card" aria-label={shown.name}>
      <h3>{shown.name}</h3>
      {isOpen ? (
        <TemplateForm
          words={shown}
          submit="Save"
          save={async (words) => {
            setShown(await changeTemplate(shown.id, words));
            close();
            renew();
          }}
          cancel={close}
        />
      ) : (
        <>
          {shown.description && <p>{shown.description}</p>}
          <div className="job-meta">
            {shown.project !== null && shown.version !== null && (
              <a href={versionHref(shown.project, shown.version)}>Made of version {shown.version}</a>
            )}
            {shown.updated_at !== null && <Time time={shown.updated_at} now={now} />}
          </div>
          <div className="template-actions">
            <Use template={shown} />
            <button type="button" ref={opener} className="button button-quiet" onClick={() => setOpen(true)}>
              <Icon name="edit" />
              Rename<span className="visually-hidden"> “{shown.name}”</span>
            </button>
            <AskButton
              label={
                <>
                  Remove<span className="visually-hidden"> “{shown.name}”</span>
                </>
              }
              className="button button-quiet"
              question="Remove this template?"
              consequence="Apps that were made with it stay."
              yes="Remove it"
              no="Keep it"
              busy="Removing…"
              isDanger
              act={async () => {
                await removeTemplate(shown.id);
                setGone(true);
              }}
            />
          </div>
        </>
      )}
    </article>
  );
}
