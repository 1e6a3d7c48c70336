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
  external: ['@temporalio/worker', '@duckdb/node-api', 'openai', 'pino'],
  plugins: [{ name: 'files outside', setup: leaveFilesOutside }],
});

/**
 * Leaves files outside of the bundle: those of workers and the emulator, and those that are loaded only for jobs over rows, for job
 * files and for prices. They are named by their paths from the bundle: a path from the file that imports them would name another file.
 */
function leaveFilesOutside({ onResolve }) {
  const always = /\/(worker|emulator)\/index\.js$/;
  const whenDynamic = /\/(render|input\/table|job-file|estimate|prices)\/[a-z0-9-]+\.js$/;
  onResolve({ filter: /\.js$/ }, ({ path, resolveDir, kind }) => {
    const isOutside = kind !== 'entry-point' && always.test(path);
    if (!isOutside && !(kind === 'dynamic-import' && whenDynamic.test(join(resolveDir, path))))
      return undefined;
    return { path: relative(clientsFolder, join(resolveDir, path)).replaceAll('\\', '/'), external: true };
  });
}

const libraries = await build({
  ...common,
  entryPoints: [
    'dist/emulator/index.js',
    'dist/estimate/tokenizer-cl100k.js',
    'dist/estimate/tokenizer-o200k.js',
    'dist/render/liquid.js',
    'dist/render/zod.js',
    'dist/cli/job-file/yaml.js',
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
