/**
 * The last step of `npm run build`: bundles libraries into files of `dist`, so that
 * - a command that only calls the server is loaded from one file, in two thirds of the time;
 * - users do not install what only the report, the templates, the emulator or the webhook server need.
 *
 * Writes the licences of the bundled libraries to `dist/LICENCES.txt`.
 */
import { join, relative } from 'node:path';
import { build } from 'esbuild';
import { writeLicences } from './licences.js';

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
  metafile: true,
  legalComments: 'none',
};

const clientsFolder = join(import.meta.dirname, 'dist/cli/clients');

const clients = await build({
  ...common,
  entryPoints: ['dist/cli/program.js'],
  outfile: 'dist/cli/clients/program.cjs',
  format: 'cjs',
  minifyWhitespace: true,
  // Native code and threads find each other by their paths in `node_modules`.
  external: [
    '@temporalio/worker',
    '@duckdb/node-api',
    'openai',
    'pino',
  ],
  plugins: [{ name: 'files outside', setup: leaveFilesOutside }],
});

/** Leaves files outside of the bundle, by their paths from there: a path from the file that imports them would name another file. */
function leaveFilesOutside({ onResolve }) {
  // Those of templates are loaded for jobs with a template only.
  const outside = /\/(worker\/index|emulator\/index|render\/template-schema|render\/compile-template)\.js$/;
  onResolve({ filter: outside }, ({ path, resolveDir, kind }) =>
    kind === 'entry-point'
      ? undefined
      : { path: relative(clientsFolder, join(resolveDir, path)).replaceAll('\\', '/'), external: true },
  );
}

const libraries = await build({
  ...common,
  entryPoints: [
    'dist/emulator/index.js',
    'dist/render/liquid.js',
    'dist/render/zod.js',
    'dist/report/echarts.js',
    'dist/worker/http-server.js',
  ],
  outdir: 'dist',
  outbase: 'dist',
  // From source, so that the licences of all libraries are found.
  alias: {
    'openai-batch-emulator/command': './packages/openai-batch-emulator/src/command.ts',
    'openai-batch-emulator': './packages/openai-batch-emulator/src/index.ts',
  },
  allowOverwrite: true,
  format: 'esm',
  minify: true,
  // Users see the names of errors and schemas.
  keepNames: true,
  // Fastify is CommonJS and loads Node's own modules with `require`.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});

writeLicences('dist/LICENCES.txt', [clients.metafile, libraries.metafile]);
