/** A workflow of an application that has reviews rated by a batch job, as one of its steps. */
import { executeChild, proxyActivities } from '@temporalio/workflow';
import type { batchJob } from 'durable-batch/workflows';
import type * as activities from './activities.ts';

const { prepareRating, averageStars } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10 minutes',
  // What is wrong with an input or an option stays wrong.
  retry: { nonRetryableErrorTypes: ['BatchError'] },
});

/** Rates the reviews of a file, one a line; answers how many there were and their stars on average. */
export async function rateReviews(file: string): Promise<{ reviews: number; stars: number }> {
  const child = await prepareRating(file);
  const report = await executeChild<typeof batchJob>('batchJob', {
    ...child,
    taskQueue: 'durable-batch', // where `durable-batch worker` works; leave it out if this worker hosts the activities
  });
  return { reviews: report.answered, stars: await averageStars(child.workflowId) };
}
