import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintInput } from '../../../src/store/fingerprint-input.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('says where the input is, how long, and what', async () => {
  using folder = new TempFolder();
  const bytes = Buffer.alloc((2 << 20) + 5, 'é\n');
  writeFileSync(folder.at('input.jsonl'), bytes);
  const expected = {
    path: folder.at('input.jsonl'),
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  };
  expect(await fingerprintInput(folder.at('input.jsonl'))).toEqual(expected);
  expect(await fingerprintInput(relative(process.cwd(), folder.at('input.jsonl')))).toEqual(expected);
});

test.each([
  ['missing.jsonl', /does not exist/],
  ['folder', /is a folder/],
  ['empty.jsonl', /is empty/],
])('refuses %s as bad input that names the file', async (name, message) => {
  using folder = new TempFolder();
  mkdirSync(folder.at('folder'));
  writeFileSync(folder.at('empty.jsonl'), '');
  const path = folder.at(name);
  await expect(fingerprintInput(path)).rejects.toMatchObject({
    code: 'bad_input',
    message: expect.stringMatching(message) as string,
    details: { file: path },
  });
});
