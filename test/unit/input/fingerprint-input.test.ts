import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { relative } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintInput } from '../../../src/input/fingerprint-input.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('returns the path, size and hash of the input', async () => {
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
  ['loop.jsonl', /cannot be read \(ELOOP\)/],
  ['empty.jsonl/input.jsonl', /does not exist/],
])('refuses %s as bad input that names the file', async (name, message) => {
  using folder = new TempFolder();
  mkdirSync(folder.at('folder'));
  writeFileSync(folder.at('empty.jsonl'), '');
  symlinkSync('loop.jsonl', folder.at('loop.jsonl'));
  const path = folder.at(name);
  await expect(fingerprintInput(path)).rejects.toMatchObject({
    code: 'bad_input',
    message: expect.stringMatching(message) as string,
    details: { file: path },
  });
});

test('refuses inputs that are not regular files at once: they may never end, and can be read only once', async () => {
  using folder = new TempFolder();
  execFileSync('mkfifo', [folder.at('pipe')]);
  symlinkSync(folder.at('pipe'), folder.at('link'));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(folder.at('socket'), resolve));
  const refusal = async (path: string): Promise<unknown> => await fingerprintInput(path).catch(String);
  const advice = 'save its lines to a file, which can be read more than once, and name that.';
  for (const name of ['pipe', 'link', 'socket']) {
    const kind = name === 'socket' ? 'socket' : 'pipe';
    expect(await refusal(folder.at(name))).toContain(`${folder.at(name)}: the file is a ${kind}: ${advice}`);
  }
  expect(await refusal('/dev/null')).toContain(`/dev/null: the file is a device: ${advice}`);
  for (const path of ['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']) {
    expect(await refusal(path)).toContain(
      `${path}: the file is standard input or another stream that only this process has: ${advice}`,
    );
  }
  server.close();
});
