import type { Command } from 'commander';
import { BatchClient, prepareJob } from '../../client/index.ts';
import { startJob } from '../start-job.ts';
import { addJobOptions, hasOwnId, sameJobMessage, toJobOptions, type JobFlags } from '../job-options.ts';
import { toJson } from '../to-json.ts';

export function addStart(program: Command): void {
  addJobOptions(program.command('start'))
    .description('start a job for workers that run elsewhere, and print its id')
    .argument('<input>', 'a .jsonl file of requests')
    .option('--json', 'print {"job_id"} as JSON')
    .action(async (input: string, flags: JobFlags & { json?: boolean }) => {
      const prepared = await prepareJob(toJobOptions(input, flags), flags.fresh);
      const say = (text: string): void => void process.stderr.write(`${text}\n`);
      await using client = await BatchClient.connect({ log: say });
      const { spec, startedFrom } = hasOwnId(flags)
        ? { spec: prepared, startedFrom: null }
        : await client.joinSame(prepared);
      const job = await startJob(client, spec, flags, say);
      if (startedFrom !== null) say(sameJobMessage(job.id, startedFrom));
      process.stdout.write(flags.json === true ? `${toJson({ job_id: job.id })}\n` : `${job.id}\n`);
    });
}
