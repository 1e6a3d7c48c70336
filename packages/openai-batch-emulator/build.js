/**
 * The last step of `npm run build`: bundles the sources with the libraries that they use, so that the package has no
 * dependencies. The licences of the libraries are written to `dist/LICENCES.txt`.
 */
import { rmSync } from 'node:fs';
import { build } from 'esbuild';
import { writeLicences } from '../../licences.js';

// Parts are named by a hash of their content, so the parts of an earlier build must be removed.
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
  // Names of errors and schemas are shown to users.
  keepNames: true,
  // Fastify is CommonJS and loads Node's modules with `require`.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});
writeLicences('dist/LICENCES.txt', [metafile]);
