import type { Command } from 'commander';
import { BatchClient, type CancelAnswer, type JobHandle } from '../../client/index.ts';
import { toJson } from '../to-json.ts';

export function addCancel(program: Command): void {
  addControl(
    program,
    'cancel',
    'cancel the batches in flight, keep the answers, and end the other lines as cancelled',
    (job) => job.cancel(),
  );
}

export function addPause(program: Command): void {
  addControl(program, 'pause', 'send nothing new until resume; batches in flight continue', (job) =>
    job.pause(),
  );
}

export function addResume(program: Command): void {
  addControl(program, 'resume', 'continue after a pause', (job) => job.resume());
}

/** Adds a command that sends one signal. */
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
          : `${name} requested for job ${jobId}\n`,
      );
      if (restarted)
        process.stderr.write(
          `Job ${jobId} had ended without results. It is started again as a cancelled job: a worker cancels its batches at the API and keeps their answers. If no worker is running, start one with \`durable-batch worker\`.\n`,
        );
    });
}
