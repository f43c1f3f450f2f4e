// Builds the page: one script and one style sheet, with their digests in their names.

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build } from 'esbuild'

const root = import.meta.dirname
const dist = join(root, 'dist')
await rm(dist, { recursive: true, force: true })
await cp(join(root, 'web', 'index.html'), join(dist, 'index.html'))

const result = await build({
  entryPoints: [join(root, 'web', 'main.js'), join(root, 'web', 'styles.css')],
  entryNames: '[name]-[hash]',
  outdir: join(dist, 'assets'),
  bundle: true,
  minify: true,
  format: 'esm',
  metafile: true,
})

let page = await readFile(join(dist, 'index.html'), 'utf8')
for (const [output, { entryPoint }] of Object.entries(result.metafile.outputs)) {
  page = page.replace(`/${basename(entryPoint)}"`, `/assets/${basename(output)}"`)
}
await writeFile(join(dist, 'index.html'), page)
