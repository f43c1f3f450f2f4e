// Records in memory and in one JSON file.

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { Refusal } from './refusal.js'

/** More would make every change slow, because each writes the whole file. */
export const MAX_RECORDS = 5000

/** Opens the store in `file`; a file that is not there yet is made of `sample`, a list of fields. */
export async function openStore(file, sample = []) {
  let records = await read(file)
  if (records === null) {
    records = sample.map(newRecord)
    await write(file, records)
  }

  // One edit after the other. An edit counts once it is on the disk: what was answered is kept, and
  // what failed has not happened.
  let last = Promise.resolve()
  function edit(change) {
    const step = async () => {
      const { next, result } = change(records)
      if (next.length > MAX_RECORDS) throw new Refusal(409, `There is room for ${MAX_RECORDS} entries. Delete one first.`)
      await write(file, next)
      records = next
      return result
    }
    const done = last.then(step)
    last = done.catch(() => {})
    return done
  }

  return {
    list: () => records,
    /** Adds a record with what `make` gives for the present records; whatever it throws, nothing is added. */
    add: (make) =>
      edit((present) => {
        const record = newRecord(make(present))
        return { next: [...present, record], result: record }
      }),
    /** Changes a record by the fields that `change` gives for it and for all present records. */
    change: (id, change) =>
      edit((present) => {
        const index = indexOf(present, id)
        const record = { ...present[index], ...change(present[index], present) }
        return { next: present.with(index, record), result: record }
      }),
    remove: (id) =>
      edit((present) => {
        const index = indexOf(present, id)
        return { next: present.toSpliced(index, 1), result: undefined }
      }),
    /** Puts a changed record before the record `before`, or behind all others where that is null. */
    move: (id, before, change) =>
      edit((present) => {
        const record = { ...present[indexOf(present, id)], ...change }
        const others = present.filter((other) => other.id !== id)
        const target = before === null ? others.length : indexOf(others, before)
        return { next: others.toSpliced(target, 0, record), result: record }
      }),
  }
}

function newRecord(fields) {
  return { id: randomUUID(), ...fields, created_at: new Date().toISOString() }
}

function indexOf(records, id) {
  const index = records.findIndex((record) => record.id === id)
  if (index === -1) throw new Refusal(404, 'This entry does not exist any more.')
  return index
}

async function read(file) {
  let text
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
  try {
    const records = JSON.parse(text)
    if (Array.isArray(records)) return records
  } catch {
    // Told below, with the name of the file.
  }
  throw new Error(`${file} does not hold a JSON list; move it away to start with an empty one`)
}

/** Whole or not at all: a crash leaves the old file or the new one. */
async function write(file, records) {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.new`, `${JSON.stringify(records, null, 2)}\n`, { flush: true })
  await rename(`${file}.new`, file)
}
