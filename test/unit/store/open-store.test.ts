import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { openStore } from '../../../src/store/open-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a path and a file URL are the same store, and nothing is created before its first use', async () => {
  using folder = new TempFolder();
  const path = folder.at('with space', 'store');
  await openStore(path).claim('record', 'one');
  expect(await openStore(pathToFileURL(path).href).read('record')).toBe('one');
  expect(openStore('relative/store').locationOf('record')).toBe('relative/store/record');
  expect(openStore('C:\\home\\store').locationOf('')).toContain('C:\\home');
});

test('a URL of another scheme is refused, and the message names only the scheme, which contains no password', () => {
  const open = (): unknown => openStore('s3://key:secret@bucket/store');
  expect(open).toThrow(
    expect.objectContaining({
      code: 'store_unavailable',
      message: 'There is no store for s3: URLs: set DURABLE_BATCH_HOME to a folder, by its path.',
    }),
  );
});
