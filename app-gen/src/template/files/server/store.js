// The items, kept in memory and in one JSON file.

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Opens the store in `file`; a file that is not there yet is an empty store. */
export async function openStore(file) {
  const items = new Map()
  let text = '[]'
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  for (const item of JSON.parse(text)) items.set(item.id, item)

  // One write at a time, each whole: a crash leaves the old file or the new one.
  let lastWrite = Promise.resolve()
  function save() {
    const write = async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(`${file}.new`, `${JSON.stringify([...items.values()], null, 2)}\n`)
      await rename(`${file}.new`, file)
    }
    lastWrite = lastWrite.then(write, write)
    return lastWrite
  }

  return {
    list: () => [...items.values()],
    async add(title) {
      const item = { id: randomUUID(), title, done: false, created_at: new Date().toISOString() }
      items.set(item.id, item)
      await save()
      return item
    },
    /** The changed item, or null when there is none. */
    async change(id, change) {
      const item = items.get(id)
      if (item === undefined) return null
      const changed = { ...item, ...change }
      items.set(id, changed)
      await save()
      return changed
    },
    /** Whether there was such an item. */
    async remove(id) {
      if (!items.delete(id)) return false
      await save()
      return true
    },
  }
}
