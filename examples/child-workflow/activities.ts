import { readFile } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { BatchClient } from 'durable-batch';
import { prepareChildJob, type ChildJob } from 'durable-batch/client';
import { z } from 'zod';

const Verdict = z.object({ stars: z.number().min(1).max(5) });

/** Stores the reviews of a file, one a line, and names the job that has them rated. Running it again stores the same and names the same job. */
export async function prepareRating(file: string): Promise<ChildJob> {
  const reviews = (await readFile(file, 'utf8')).split('\n').filter((review) => review !== '');
  return await prepareChildJob({
    rows: reviews.map((review) => ({ review })),
    system: 'Rate this review of a product with 1 to 5 stars.',
    prompt: '{{ review }}',
    answer: Verdict,
    model: 'gpt-5-mini',
    pollSeconds: 0.5,
  });
}

/** The stars on average, read row by row: what comes back into the workflow's history is a number. */
export async function averageStars(jobId: string): Promise<number> {
  const { client, cancellationSignal: signal } = Context.current();
  let sum = 0;
  let count = 0;
  for await (const row of BatchClient.fromClient(client).job(jobId).results({ schema: Verdict, signal })) {
    if (!row.ok) continue; // its error, or what is wrong with its answer, is in the row
    sum += row.value.stars;
    count += 1;
  }
  return count === 0 ? 0 : sum / count;
}
