import { afterAll, expect, test } from 'vitest';
import { assertThreadFree } from '../../../../src/activities/step/worker-busy.ts';
import { FileWork } from '../../../../src/file-work/file-work.ts';
import { FolderStore } from '../../../../src/store/folder-store.ts';
import { TempFolder } from '../../../support/temp-folder.ts';

const folder = new TempFolder();
const files = new FileWork({ store: new FolderStore(folder.path), threads: 2 });
afterAll(async () => {
  await files.close();
  folder[Symbol.dispose]();
});

const long = { job: 'job', round: 1, shards: 9, shardLines: 1, shardBytes: 1_000, cancelled: false };

test('long file work leaves a thread free, and further long work is retried later', async () => {
  const running = files.packRetries(long);
  const failure: unknown = (() => {
    try {
      assertThreadFree(files, long);
    } catch (error) {
      return error;
    }
    return null;
  })();
  expect(failure).toMatchObject({ type: 'WorkerBusy', nonRetryable: false, nextRetryDelay: 5_000 });
  expect(() => assertThreadFree(files, { bytes: 1_000_000 })).not.toThrow();
  await expect(running).rejects.toThrow('has no outcome yet');
  expect(() => assertThreadFree(files, long)).not.toThrow();
});
