/** Starts a job over the application's own Temporal client, and reads its answers. */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { answerText, BatchClient } from 'durable-batch';

const [input = 'requests.jsonl'] = process.argv.slice(2);
const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const temporal = new Client({ connection: await Connection.connect(connectionOptions), namespace });

const batches = BatchClient.fromClient(temporal, { taskQueue: 'my-application' });
const job = await batches.start({ input, model: 'gpt-5-mini', pollSeconds: 0.5 });
for await (const row of job.results()) console.log(`${row.id}: ${answerText(row) ?? row.error?.code}`);

console.log(
  await temporal.workflow.execute('greet', {
    args: ['worker'],
    taskQueue: 'my-application',
    workflowId: `greet-${job.id}`,
  }),
);
await temporal.connection.close();
