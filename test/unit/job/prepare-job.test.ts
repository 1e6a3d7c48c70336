import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { prepareJob } from '../../../src/job/prepare-job.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a misspelt option is refused before anything is read or started', async () => {
  using folder = new TempFolder();
  writeFileSync(folder.at('in.jsonl'), '{}\n');
  const options = { input: folder.at('in.jsonl'), modle: 'gpt-5-mini' };
  await expect(prepareJob(options)).rejects.toMatchObject({
    code: 'bad_option',
    message: 'Option modle does not exist: did you mean model?',
  });
  await expect(prepareJob({ input: folder.at('in.jsonl'), model: 'gpt-5-mini' })).resolves.toBeDefined();
});
