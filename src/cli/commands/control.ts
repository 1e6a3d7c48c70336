import type { Command } from 'commander';
import { BatchClient, type CancelAnswer, type JobHandle } from '../../client/index.ts';
import { toJson } from '../to-json.ts';

export function addCancel(program: Command): void {
  addControl(
    program,
    'cancel',
    'cancel the batches in flight, keep what was answered, end the rest cancelled',
    (job) => job.cancel(),
  );
}

export function addPause(program: Command): void {
  addControl(program, 'pause', 'start nothing new; what is in flight goes on', (job) => job.pause());
}

export function addResume(program: Command): void {
  addControl(program, 'resume', 'go on after a pause', (job) => job.resume());
}

/** A command that sends one signal. */
function addControl(
  program: Command,
  name: string,
  description: string,
  act: (job: JobHandle) => Promise<CancelAnswer | void>,
): void {
  program
    .command(name)
    .description(description)
    .argument('<job>', 'id of the job')
    .option('--json', 'print JSON')
    .action(async (jobId: string, flags: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const restarted = (await act(client.job(jobId)))?.restarted === true;
      process.stdout.write(
        flags.json === true
          ? `${toJson({ job_id: jobId, asked: name, ...(restarted ? { restarted } : {}) })}\n`
          : `${name} asked of job ${jobId}\n`,
      );
      if (restarted)
        process.stderr.write(
          `Job ${jobId} had ended without results. It is started again as a cancelled job: a worker cancels its batches at the API and keeps their answers. Start one with \`durable-batch worker\` where none runs.\n`,
        );
    });
}
