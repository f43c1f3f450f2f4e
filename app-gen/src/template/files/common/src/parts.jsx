import { useEffect, useId, useRef } from 'react'

import app from '../app.json'

/** The page around an application. `state` is that of useRecords. */
export function Frame({ state, children }) {
  return (
    <main>
      <title>{app.name}</title>
      <header>
        <h1 dir="auto">{app.name}</h1>
        <p className="description" dir="auto" tabIndex={0} role="region" aria-label="Description">
          {app.description}
        </p>
      </header>
      <p className="visually-hidden" role="status">{state.status}</p>
      {state.records !== null && children}
      {state.records === null && state.error === null && <p className="empty">Loading…</p>}
      <Problem state={state} />
      <footer>Made by App-Gen from a template. No AI model was asked.</footer>
    </main>
  )
}

/** Why the last change did not work. */
export function Problem({ state }) {
  if (state.error === null) return null
  return (
    <div className="problem" role="alert">
      <p>{state.error}</p>
      {state.records === null ? (
        <button type="button" onClick={() => state.run(() => {})}>Try again</button>
      ) : (
        <button type="button" onClick={state.dismiss}>Dismiss</button>
      )}
    </div>
  )
}

/** The heading of the entries; it takes the focus when the element that had it is gone. */
export function Heading({ state, children }) {
  return <h2 ref={state.home} tabIndex={-1}>{children}</h2>
}

/** A control below its label. `control` is the element's name: input, textarea or select. */
export function Field({ label, control: Control = 'input', className = '', children, ...attributes }) {
  const id = useId()
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <Control id={id} {...(Control === 'select' ? {} : { dir: 'auto' })} {...attributes}>
        {children}
      </Control>
    </div>
  )
}

/**
 * A form in front of the page. `onSubmit`, and `onDelete` where there is one, give whether it may close; `onClose` is
 * called when it has closed.
 */
export function Dialog({ title, state, submit, onSubmit, onDelete, onClose, children }) {
  const dialog = useRef(null)
  const heading = useId()
  useEffect(() => {
    if (!dialog.current.open) dialog.current.showModal()
  }, [])
  async function closeAfter(work) {
    if (await work()) dialog.current?.close()
  }
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          closeAfter(onSubmit)
        }}
      >
        <h2 id={heading}>{title}</h2>
        {children}
        <Problem state={state} />
        <div className="actions">
          {onDelete && <button type="button" className="apart" onClick={() => closeAfter(onDelete)}>Delete</button>}
          <button type="button" onClick={() => dialog.current.close()}>Cancel</button>
          <button type="submit" className="primary">{submit}</button>
        </div>
      </form>
    </dialog>
  )
}

/** One of several ways to look at the entries, as buttons of which one is pressed. */
export function Choice({ label, options, value, onChange }) {
  return (
    <div className="choice" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option.value} type="button" aria-pressed={value === option.value} onClick={() => onChange(option.value)}>
          {option.label}
        </button>
      ))}
    </div>
  )
}
