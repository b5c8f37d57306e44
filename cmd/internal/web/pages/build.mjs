// Makes ../dist of src: npm ci && node build.mjs. What is made is committed, so that Go needs no Node; the same
// sources make the same bytes.
import fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { copied, pages, scripts } from './pages.mjs';

const here = import.meta.dirname;
const out = path.join(here, '../dist');
fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(out);
const common = {
  absWorkingDir: here, // names of chunks hang on it
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  target: ['chrome123', 'firefox121', 'safari17.5'],
  logLevel: 'warning',
};
await build({
  ...common,
  entryPoints: scripts.filter((s) => s !== 'theme').map((s) => path.join(here, 'src', s + '.js')),
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  chunkNames: 'shared-[hash]',
});
await build({ ...common, entryPoints: [path.join(here, 'src/theme.js')], outdir: out }); // before the first paint: no module
await build({ ...common, entryPoints: [path.join(here, 'src/flowhound.css')], outdir: out, bundle: true });
for (const f of copied) fs.copyFileSync(path.join(here, 'src', f), path.join(out, f));
for (const [name, html] of Object.entries(pages)) fs.writeFileSync(path.join(out, name + '.html'), html);
