/**
 * The last step of `npm run build`: puts libraries into files of `dist`, so that
 * - a command that only talks to the server is loaded from one file, in two thirds of the time;
 * - what only the report, the emulator or the webhook server needs is not installed with us.
 *
 * Their licences go into `dist/LICENCES.txt`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

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
  external: ['@temporalio/worker', '*/worker/index.js', '*/emulator/command.js', 'openai', 'pino'],
});

const libraries = await build({
  ...common,
  entryPoints: ['dist/emulator/index.js', 'dist/report/echarts.js', 'dist/worker/http-server.js'],
  outdir: 'dist',
  outbase: 'dist',
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

const inputs = [clients, libraries].flatMap(({ metafile }) => Object.keys(metafile.inputs));
const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
const texts = [...new Set(folders)].sort().map((folder) => {
  const { name, version, license = 'see below' } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  const files = readdirSync(folder, { withFileTypes: true }).filter(
    (file) => file.isFile() && /^(licen[cs]e|notice|copying)/i.test(file.name),
  );
  const said = files.map((file) => readFileSync(`${folder}/${file.name}`, 'utf8').trim());
  return [`${name} ${version} (${license})`, ...said].join('\n\n');
});
const path = 'dist/LICENCES.txt';
writeFileSync(
  path,
  `Code of these packages is part of files of this folder.\n\n${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`,
);
