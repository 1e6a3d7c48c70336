import { existsSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { expect, test } from 'vitest';
import { BatchClient } from '../../../src/client/index.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('what no output can be is refused before the end of the job is awaited', async () => {
  using folder = new TempFolder();
  // No server is there: a wait would end with temporal_unavailable.
  const client = new Client({ connection: Connection.lazy({ address: '127.0.0.1:1' }) });
  const job = BatchClient.fromClient(client, { home: folder.at('home') }).job('job');
  await expect(job.save(folder.at('out'), { keep: ['a'] })).rejects.toMatchObject({ code: 'bad_option' });
  await expect(job.save(folder.at('v.npy'), { keep: [] })).rejects.toMatchObject({ code: 'bad_option' });
  await expect(job.saveFailed(folder.at('out'))).rejects.toMatchObject({ code: 'bad_option' });
  expect(existsSync(folder.at('out'))).toBe(false);
});
