import type { Command } from 'commander';
import { join } from 'node:path';
import { BatchClient } from '../../client/index.ts';
import { readEnvironment } from '../../environment.ts';
import { openStore } from '../../store/open-store.ts';
import { addJobOptions, hasOwnId, INPUT_HELP, sameJobMessage, type JobFlags } from '../job-options.ts';
import { readStart, resolveRequest, unreadableMessage } from '../read-start.ts';
import { addSourceOptions, type SourceFlags } from '../source-options.ts';
import { startJob } from '../start-job.ts';
import { toJson } from '../to-json.ts';

interface StartFlags extends JobFlags, SourceFlags {
  json?: boolean;
}

export function addStart(program: Command): void {
  const command = program
    .command('start')
    .description('start a job for workers that run elsewhere, and print its id')
    .argument('[input...]', INPUT_HELP)
    .option('--dry-run', 'print the first three requests and the counts; send nothing')
    .option('--json', 'print {"job_id"} as JSON')
    .action(start);
  addSourceOptions(command);
  addJobOptions(command.optionsGroup('Job:'));
}

async function start(inputs: readonly string[], flags: StartFlags): Promise<void> {
  const request = await readStart(inputs, flags);
  if (flags.dryRun === true) {
    const { dryRun } = await import('../dry-run.ts');
    await dryRun(request, flags.json ?? false);
    return;
  }
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const { home } = readEnvironment();
  const resolved = await resolveRequest(request, openStore(join(home, 'store')));
  const unreadable = unreadableMessage(resolved);
  if (unreadable !== null) say(unreadable);
  await using client = await BatchClient.connect({ home, log: say });
  const { spec, startedFrom } = hasOwnId(request)
    ? { spec: resolved.spec, startedFrom: null }
    : await client.joinSame(resolved.spec);
  const job = await startJob(client, { ...resolved, spec }, flags, say);
  if (startedFrom !== null) say(sameJobMessage(job.id, startedFrom));
  process.stdout.write(flags.json === true ? `${toJson({ job_id: job.id })}\n` : `${job.id}\n`);
}
