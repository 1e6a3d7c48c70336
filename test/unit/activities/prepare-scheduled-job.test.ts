import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Dependencies } from '../../../src/activities/step/dependencies.ts';
import { prepareScheduledJob, type PreparedRun } from '../../../src/activities/prepare-scheduled-job.ts';
import { resolveSchedule } from '../../../src/client/schedules/schedule-options.ts';
import { FolderStore } from '../../../src/store/folder-store.ts';
import { TempFolder } from '../../support/temp-folder.ts';

test('a second run with a folder that runs of an earlier version could share is refused, with advice', async () => {
  using folder = new TempFolder();
  const input = folder.at('in.jsonl');
  writeFileSync(input, '{"body":{}}\n');
  const made = resolveSchedule({ name: 'daily', input, cron: '0 6 * * *' }, false);
  const spec = { ...made, out: folder.at('out', '{yyyy}-{MM}-{dd}') };
  const dependencies = {
    store: new FolderStore(folder.at('store')),
  } as Partial<Dependencies> as Dependencies;
  const prepare = async (dueAt: string): Promise<PreparedRun> =>
    await new MockActivityEnvironment().run<[], PreparedRun, () => Promise<PreparedRun>>(() =>
      prepareScheduledJob(dependencies, { spec, dueAt }),
    );

  const first = await prepare('2026-11-24T06:00:00Z');
  expect(first.job).toMatchObject({ out: folder.at('out/2026-11-24') });
  mkdirSync(folder.at('out/2026-11-24'), { recursive: true });
  writeFileSync(folder.at('out/2026-11-24/report.json'), JSON.stringify({ job_id: first.job!.spec.jobId }));
  expect((await prepare('2026-11-24T06:00:00Z')).job).not.toBeNull();
  expect((await prepare('2026-11-25T06:00:00Z')).job).not.toBeNull();

  await expect(prepare('2026-11-24T11:07:03Z')).rejects.toMatchObject({
    type: 'BadInput',
    nonRetryable: true,
    message: expect.stringMatching(
      /holds the results of job daily-2026-11-24T06-00Z.*put \{run\} into its --out with `durable-batch schedule update daily --out '.*\/out\/\{yyyy\}-\{MM\}-\{dd\}\/\{run\}'`/,
    ),
  });
});
