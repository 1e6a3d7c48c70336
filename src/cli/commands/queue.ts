import type { Command } from 'commander';
import { BatchClient, type QueueView } from '../../client/index.ts';
import { renderQueues } from '../render-queues.ts';
import { toJson } from '../to-json.ts';

export function addQueue(program: Command): void {
  program
    .command('queue')
    .description("show the account's enqueued tokens: limits, use, and which jobs wait")
    .argument('[model]', 'the queue of this model only')
    .option('--json', 'print JSON')
    .action(async (model: string | undefined, { json }: { json?: boolean }) => {
      await using client = await BatchClient.connect();
      const queues: QueueView[] = [];
      for await (const queue of client.tokenQueues(model)) queues.push(queue);
      process.stdout.write(`${json === true ? toJson(queues) : renderQueues(queues, model)}\n`);
    });
}
