// Turns reviews.csv into a file of Batch API requests: node examples/reviews/make-requests.js OUT.jsonl
import { readFile, writeFile } from 'node:fs/promises';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';

const schema = {
  type: 'object',
  properties: { sentiment: { type: 'string', enum: ['positive', 'negative', 'neutral'] } },
  required: ['sentiment'],
  additionalProperties: false,
};

/** The rows of the example's CSV. */
export async function readReviews() {
  const csv = await readFile(new URL('./reviews.csv', import.meta.url), 'utf8');
  return parse(csv, { columns: true });
}

/** One request per review; the review's id comes back with its answer. */
export async function writeRequests(path) {
  const lines = (await readReviews()).map(({ id, review }) =>
    JSON.stringify({
      custom_id: id,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: 'gpt-5-mini',
        messages: [
          {
            role: 'system',
            content: 'Say the sentiment of this customer review: positive, negative or neutral.',
          },
          { role: 'user', content: review },
        ],
        response_format: { type: 'json_schema', json_schema: { name: 'sentiment', strict: true, schema } },
      },
    }),
  );
  await writeFile(path, `${lines.join('\n')}\n`);
  return lines.length;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const out = argv[2] ?? 'reviews.jsonl';
  console.log(`${await writeRequests(out)} requests in ${out}`);
}
