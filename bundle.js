/**
 * The last step of `npm run build`: puts libraries into files of `dist`, so that
 * - a command that only talks to the server is loaded from one file, in two thirds of the time;
 * - what only the report, the emulator or the webhook server needs is not installed with us.
 *
 * Their licences go into `dist/LICENCES.txt`.
 */
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

const clients = await build({
  ...common,
  entryPoints: ['dist/cli/program.js'],
  outfile: 'dist/cli/clients/program.cjs',
  format: 'cjs',
  minifyWhitespace: true,
  // A worker's code has threads and a native part, which find each other by their places in `node_modules`.
  external: ['@temporalio/worker', '*/worker/index.js', '*/emulator/index.js', 'openai', 'pino'],
});

const libraries = await build({
  ...common,
  entryPoints: ['dist/emulator/index.js', 'dist/report/echarts.js', 'dist/worker/http-server.js'],
  outdir: 'dist',
  outbase: 'dist',
  // Of its sources, so that the licences of all libraries are found.
  alias: {
    'openai-batch-emulator/command': './packages/openai-batch-emulator/src/command.ts',
    'openai-batch-emulator': './packages/openai-batch-emulator/src/index.ts',
  },
  allowOverwrite: true,
  format: 'esm',
  minify: true,
  // Names of errors and schemas are read by people.
  keepNames: true,
  // Fastify is CommonJS and asks for Node's own modules so.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});

writeLicences('dist/LICENCES.txt', [clients.metafile, libraries.metafile]);
