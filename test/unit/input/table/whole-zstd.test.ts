import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isWholeZstd } from '../../../../src/input/table/whole-zstd.ts';
import { TempFolder } from '../../../support/temp-folder.ts';
import { packZstd } from '../../../support/pack-zstd.ts';

test('a file is whole if each of its frames is', async () => {
  using folder = new TempFolder();
  const path = folder.at('file.zst');
  const text = Array.from({ length: 50_000 }, (_, i) => `row ${i} ${i * 7_919}\n`).join('');
  const frame = await packZstd(text, folder.path);
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2]);
  const isWhole = async (bytes: Buffer): Promise<boolean> => {
    writeFileSync(path, bytes);
    return await isWholeZstd(path);
  };
  expect(await isWhole(frame)).toBe(true);
  expect(await isWhole(Buffer.concat([frame, skippable, frame]))).toBe(true);
  for (let length = 0; length < frame.length; length += length < 40 || length > frame.length - 40 ? 1 : 997)
    expect([length, await isWhole(frame.subarray(0, length))]).toEqual([length, false]);
  expect(await isWhole(Buffer.from('id,text\n1,a\n'))).toBe(false);
});
