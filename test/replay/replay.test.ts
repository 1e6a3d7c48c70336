import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import proto from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { bundle } from '../workflow/simple-worker.ts';

const folder = join(import.meta.dirname, 'histories');

test.each(readdirSync(folder))('%s still replays', async (name) => {
  const history = proto.temporal.api.history.v1.History.decode(readFileSync(join(folder, name)));
  await expect(Worker.runReplayHistory({ workflowBundle: bundle }, history)).resolves.toBeUndefined();
});
