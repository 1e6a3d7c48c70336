/**
 * The last step of `npm run build`: makes the program of its sources and the libraries that it uses, so that whoever installs
 * the package installs nothing else. Their licences go into `dist/LICENCES.txt`.
 */
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { writeLicences } from '../../licences.js';

// Parts are named by their content: those of an earlier build would stay.
rmSync('dist/parts', { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: ['src/index.ts', 'src/command.ts', 'src/main.ts'],
  outdir: 'dist',
  chunkNames: 'parts/[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  logLevel: 'warning',
  metafile: true,
  legalComments: 'none',
  minify: true,
  // Names of errors and schemas are read by people.
  keepNames: true,
  // Fastify is CommonJS and asks for Node's own modules so.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
writeLicences('dist/LICENCES.txt', [metafile]);
