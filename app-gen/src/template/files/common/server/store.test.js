import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { MAX_RECORDS, openStore } from './store.js'

const folder = await mkdtemp(join(tmpdir(), 'store-test-'))
after(() => rm(folder, { recursive: true }))
const titles = (store) => store.list().map((record) => record.title)

test('the sample is kept at the first start and not made again', async () => {
  const file = join(folder, 'new', 'sample.json')
  const store = await openStore(file, [{ title: 'a' }])
  assert.deepEqual((await openStore(file, [{ title: 'b' }])).list(), store.list())
  await store.remove(store.list()[0].id)
  assert.deepEqual((await openStore(file, [{ title: 'c' }])).list(), [])
})

test('changes at the same time are all kept', async () => {
  const file = join(folder, 'many.json')
  const store = await openStore(file)
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.add(() => ({ title: `${index}` }))))
  assert.equal((await openStore(file)).list().length, 20)
  assert.equal(new Set(store.list().map((record) => record.id)).size, 20)
})

test('a record moves before another one, or to the end', async () => {
  const store = await openStore(join(folder, 'move.json'), ['a', 'b', 'c'].map((title) => ({ title })))
  const [a, , c] = store.list()
  await store.move(c.id, a.id, { title: 'C' })
  assert.deepEqual(titles(store), ['C', 'a', 'b'])
  await store.move(a.id, null, {})
  assert.deepEqual(titles(store), ['C', 'b', 'a'])
  await assert.rejects(store.move(a.id, a.id, {}), /does not exist/)
})

test('an edit that fails changes nothing, and the next one works', async () => {
  const store = await openStore(join(folder, 'failing.json'), [{ title: 'a' }])
  const before = store.list()
  await assert.rejects(store.change(before[0].id, () => { throw new Error('no') }), /^Error: no$/)
  await assert.rejects(store.remove('none'), /does not exist/)
  assert.deepEqual(store.list(), before)
  await store.add(() => ({ title: 'b' }))
  assert.deepEqual(titles(store), ['a', 'b'])
})

test('what cannot be written has not happened', async () => {
  const file = join(folder, 'unwritable.json')
  const store = await openStore(file, [{ title: 'a' }])
  await mkdir(`${file}.new`)
  await assert.rejects(store.add(() => ({ title: 'b' })), { code: 'EISDIR' })
  assert.deepEqual(titles(store), ['a'])
  await rm(`${file}.new`, { recursive: true })
  await store.add(() => ({ title: 'c' }))
  assert.deepEqual(titles(await openStore(file)), ['a', 'c'])
})

test('a full store says so', async () => {
  const store = await openStore(join(folder, 'full.json'), Array.from({ length: MAX_RECORDS }, () => ({})))
  await assert.rejects(store.add(() => ({})), /There is room for 5000 entries/)
})

test('a file with something else is named and left alone', async () => {
  const file = join(folder, 'broken.json')
  for (const content of ['{}', 'no json', '']) {
    await writeFile(file, content)
    await assert.rejects(openStore(file), /broken\.json does not hold a JSON list/)
    assert.equal(await readFile(file, 'utf8'), content)
  }
})
