/** Has the reviews of a file rated, and prints what came of it. */
import { resolve } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { rateReviews } from './workflows.ts';

const [file = 'reviews.txt'] = process.argv.slice(2);
const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const temporal = new Client({ connection: await Connection.connect(connectionOptions), namespace });
const { reviews, stars } = await temporal.workflow.execute<typeof rateReviews>('rateReviews', {
  args: [resolve(file)],
  taskQueue: 'reviews',
  workflowId: `rate-${Date.now()}`,
});
console.log(`${reviews} reviews, ${stars.toFixed(1)} stars on average`);
await temporal.connection.close();
