/** A worker of an application that also works on batch jobs: one process, one connection, one queue. */
import { fileURLToPath } from 'node:url';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Worker } from '@temporalio/worker';
import { hostActivities, workerTuning } from 'durable-batch/worker';

const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const connection = await NativeConnection.connect(connectionOptions);

// The key and the address of the API come from OPENAI_API_KEY and OPENAI_BASE_URL, the store's folder from
// DURABLE_BATCH_HOME; each can be given here as an option, too.
const jobs = await hostActivities();

const worker = await Worker.create({
  ...workerTuning,
  connection,
  namespace,
  taskQueue: 'my-application',
  workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
  activities: { ...jobs.activities }, // and those of the application
});
console.log('Worker on queue my-application.');
try {
  await worker.run(); // until SIGTERM or Ctrl-C, which let running steps finish for 10 s
} finally {
  await jobs.close();
  await connection.close();
}
