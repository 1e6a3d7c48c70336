/** docs/job-files.md and the JSON Schema of job files match the schema in the sources. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { jobFileDocs } from '../../../docs/reference-tool/job-file.ts';
import { parseYaml } from '../../../src/cli/job-file/parse-yaml.ts';
import { jobFileSchema } from '../../../src/cli/job-file/schema.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

test('the generated parts are up to date; `npx tsx docs/reference-tool/job-file.ts` writes them', () => {
  for (const [path, text] of jobFileDocs()) expect(readFileSync(path, 'utf8'), path).toBe(text);
});

test('its examples are job files', () => {
  const page = readFileSync(join(root, 'docs/job-files.md'), 'utf8');
  const [example] = [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text!);
  expect(parseYaml(example!, 'example', jobFileSchema)).toMatchObject({
    input: 'reviews.csv',
    out: 'sentiment',
  });
});
