// The plants, kept in memory and in one JSON file.

import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Opens the store in `file`; a file that is not there yet is an empty store. */
export async function openStore(file) {
  const text = await readFile(file, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '[]'
    throw error
  })
  const plants = new Map(JSON.parse(text).map((plant) => [plant.id, plant]))

  // One write at a time, each whole: a crash leaves the old file or the new one.
  let lastWrite = Promise.resolve()
  function save() {
    const write = async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(`${file}.new`, `${JSON.stringify([...plants.values()], null, 2)}\n`)
      await rename(`${file}.new`, file)
    }
    lastWrite = lastWrite.then(write, write)
    return lastWrite
  }

  return {
    list: () => [...plants.values()],
    async add(name) {
      const plant = { id: randomUUID(), name, watered_at: null }
      plants.set(plant.id, plant)
      await save()
      return plant
    },
    /** The plant, watered now, or null when there is none. */
    async water(id) {
      const plant = plants.get(id)
      if (plant === undefined) return null
      const watered = { ...plant, watered_at: new Date().toISOString() }
      plants.set(id, watered)
      await save()
      return watered
    },
    /** Whether there was such a plant. */
    async remove(id) {
      if (!plants.delete(id)) return false
      await save()
      return true
    },
  }
}
