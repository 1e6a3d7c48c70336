/**
 * Writes the API reference in docs/api from the doc comments; with `--check`, only says whether it is what they say.
 * Either way a public export or member without a doc comment is an error.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application } from 'typedoc';

const root = fileURLToPath(new URL('../..', import.meta.url));
const committed = join(root, 'docs', 'api');
const isCheck = process.argv.includes('--check');
// The folder is emptied first: it must be one that holds nothing else.
const out = isCheck ? mkdtempSync(join(tmpdir(), 'durable-batch-reference-')) : committed;

process.chdir(root);
const app = await Application.bootstrapWithPlugins({
  plugin: [fileURLToPath(import.meta.resolve('typedoc-plugin-markdown'))],
  name: 'API reference',
  entryPoints: ['src/index.ts', 'src/client/index.ts', 'src/worker/index.ts', 'src/workflows/index.ts'],
  tsconfig: join(root, 'tsconfig.build.json'),
  out,
  readme: 'none',
  router: 'module',
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  validation: { notExported: false, invalidLink: true, notDocumented: true },
  requiredToBeDocumented: [
    'Class',
    'Function',
    'Interface',
    'TypeAlias',
    'Variable',
    'Method',
    'Property',
    'Accessor',
  ],
  // Sets of words that say themselves what they mean, and pairs of numbers.
  intentionallyNotDocumented: [
    ...['Running', 'Completed', 'Failed', 'Cancelled', 'Terminated', 'TimedOut'].map(
      (it) => `index.JobServerStatus.__type.${it}`,
    ),
    ...['ResultRow', 'ValidRow', 'InvalidRow'].flatMap((row) =>
      [
        'error.__type.code',
        'error.__type.message',
        'usage.__type.input_tokens',
        'usage.__type.output_tokens',
      ].map((it) => `index.${row}.${it}`),
    ),
    ...['total', 'waiting', 'inFlight', 'done'].map((it) => `index.JobProgress.shards.__type.${it}`),
    'worker.jobWorkflowBundle.__type.codePath',
  ],
  treatWarningsAsErrors: true,
  hideBreadcrumbs: true,
  hidePageHeader: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
});
const project = await app.convert();
if (project === undefined) process.exit(1);
app.validate(project);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
await app.generateOutputs(project);

if (isCheck) {
  const pages = (folder) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((it) =>
      it.endsWith('.md'),
    );
    return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  };
  const now = pages(out);
  const then = pages(committed);
  rmSync(out, { recursive: true });
  const stale = [...new Set([...now.keys(), ...then.keys()])].filter((it) => now.get(it) !== then.get(it));
  if (stale.length > 0) {
    console.error(`docs/api is not what the doc comments say (${stale.join(', ')}): run \`npm run docs\`.`);
    process.exit(1);
  }
}
