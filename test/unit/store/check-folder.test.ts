import fs, { readdirSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect, onTestFinished, test } from 'vitest';
import { checkFolder } from '../../../src/store/check-folder.ts';
import { TempFolder } from '../../support/temp-folder.ts';

/** Makes a call of the file system fail, as on a file system without that feature. */
function refuse(call: 'link' | 'writeFile', code: string): void {
  const original = fs.promises[call];
  fs.promises[call] = () => Promise.reject(Object.assign(new Error(`${code}: refused`), { code }));
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(fs.promises, { [call]: original });
    syncBuiltinESMExports();
  });
}

test('a suitable folder is created for its owner alone, and left empty', async () => {
  using home = new TempFolder();
  await checkFolder(home.at('store'));
  expect(readdirSync(home.at('store'))).toEqual([]);
  expect(statSync(home.at('store')).mode & 0o777).toBe(0o700);
});

test.each(['EPERM', 'ENOTSUP', 'ENOSYS'])(
  'a file system without hard links (%s) is refused',
  async (code) => {
    using home = new TempFolder();
    refuse('link', code);
    await expect(checkFolder(home.at('store'))).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringMatching(/no hard links.*DURABLE_BATCH_HOME/) as string,
    });
    expect(readdirSync(home.at('store'))).toEqual([]);
  },
);

test('a home that cannot be written is refused', async () => {
  using home = new TempFolder();
  refuse('writeFile', 'EROFS');
  await expect(checkFolder(home.at('store'))).rejects.toThrow(/Cannot write to .*store \(EROFS\)/);
  writeFileSync(home.at('file'), '');
  await expect(checkFolder(home.at('file', 'store'))).rejects.toThrow(/Cannot write to .* \(ENOTDIR\)/);
});

test('a full disk is not reported at the start: steps are retried until there is space', async () => {
  using home = new TempFolder();
  refuse('writeFile', 'ENOSPC');
  await checkFolder(home.at('store'));
});
