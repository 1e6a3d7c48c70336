import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import { imageReader } from '../../../../src/file-work/requests/image-files.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

let folder: TempFolder;
beforeEach(() => {
  folder = new TempFolder();
  writeFileSync(folder.at('a.png'), 'image');
  return () => folder[Symbol.dispose]();
});

test('reads files by absolute and by relative paths, as reads of the file system', () => {
  let reads = 0;
  const read = imageReader(folder.path, 5, (call) => {
    reads += 1;
    return call();
  });
  expect(read('a.png')).toEqual(Buffer.from('image'));
  expect(read(folder.at('a.png'))).toEqual(Buffer.from('image'));
  expect(reads).toBe(2);
});

test('says what is wrong with a file, without its path', () => {
  const read = imageReader(folder.path, 4);
  mkdirSync(folder.at('sub'));
  expect(read('b.png')).toMatchObject({ reason: 'does not exist where the worker reads it' });
  expect(read('a.png/b')).toMatchObject({ reason: 'does not exist where the worker reads it' });
  expect(read('sub')).toMatchObject({ reason: 'is a folder' });
  expect(read('x\0')).toMatchObject({ reason: 'is not a valid path' });
  expect(read('x'.repeat(5_000))).toMatchObject({ reason: 'is not a valid path' });
  expect(read('a.png')).toMatchObject({ reason: 'is larger than a batch may be (4 bytes)' });
  expect(imageReader(undefined, 9)('a.png')).toMatchObject({ reason: 'has a relative path' });
});
