import { useState } from 'react'

import { Dialog, Field } from './parts.jsx'

/** Adds an item, or changes or deletes one: that with an id. */
export default function ItemDialog({ item, state, onClose }) {
  const [name, setName] = useState(item.name ?? '')
  const [place, setPlace] = useState(item.place ?? '')
  const [quantity, setQuantity] = useState(String(item.quantity ?? 1))
  const [minimum, setMinimum] = useState(String(item.minimum ?? 0))
  const exists = item.id !== undefined

  function save() {
    const fields = { name, place, quantity: Number(quantity), minimum: Number(minimum) }
    return exists ? state.change(item.id, fields, `Saved ${name}.`) : state.add(fields, `Added ${name}.`)
  }

  return (
    <Dialog
      title={exists ? 'Change the item' : 'New item'}
      state={state}
      submit={exists ? 'Save' : 'Add'}
      onSubmit={save}
      onDelete={exists ? () => state.remove(item.id, `Deleted ${item.name}.`) : undefined}
      onClose={onClose}
    >
      <Field label="Name" required autoFocus maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
      <Field label="Place" maxLength={100} value={place} onChange={(event) => setPlace(event.target.value)} />
      <div className="row">
        <Amount label="Quantity" value={quantity} onChange={setQuantity} />
        <Amount label="Running out below" value={minimum} onChange={setMinimum} />
      </div>
    </Dialog>
  )
}

function Amount({ onChange, ...field }) {
  return <Field type="number" required min={0} max={1_000_000} step={1} onChange={(event) => onChange(event.target.value)} {...field} />
}
