/** Shards of a job whose answers have a schema: each answer is `{"label": "good" | "bad"}`. */
import { answerRule } from '../../src/file-work/rows/answer-rule.ts';
import type { AnswerCheck, EndedShard } from '../../src/file-work/rows/ended-shard.ts';
import { settleShard } from '../../src/file-work/rows/settle-shard.ts';
import type { ShardOutcome } from '../../src/core/shard-plan.ts';
import { claimFirstOutcome, JOB, outputRow, writeRaw, type RawFiles } from './file-job.ts';

export const schema = {
  type: 'object',
  properties: { label: { type: 'string', enum: ['good', 'bad'] } },
  required: ['label'],
  additionalProperties: false,
} as const;

export const check: AnswerCheck = { schema, attempts: 2 };
const rule = answerRule(schema);

/** Settles a shard whose batch left these files. */
export function settleAnswers(
  folder: string,
  shard: string,
  raw: RawFiles,
  ended: Partial<EndedShard> = {},
): ShardOutcome {
  const settled = settleShard(
    folder,
    {
      job: JOB,
      shard,
      batch: 1,
      batchId: 'batch_1',
      status: 'completed',
      ...writeRaw(folder, shard, raw),
      refused: [],
      missing: 'retry',
      attempts: 3,
      answer: check,
      ...ended,
    },
    rule,
  );
  if ('missing' in settled) throw new Error('It was not settled.');
  return claimFirstOutcome(folder, shard, settled);
}

export type Verdict = 'right' | 'misfit' | 'prose' | 'refused' | 'cut';

const texts = {
  right: '{"label":"good"}',
  misfit: '{"label":"so \u2028 so"}',
  prose: 'Good, I think.',
  cut: '{"lab',
} as const;

/** The body of an answer of a chat completion, or of a response. */
export function answerBody(verdict: Verdict, endpoint: 'chat' | 'responses' = 'chat'): object {
  const text = verdict === 'refused' ? null : texts[verdict];
  const refusal = verdict === 'refused' ? 'No.' : null;
  const usage = { prompt_tokens: 10, completion_tokens: 3 };
  if (endpoint === 'chat') {
    const message = { role: 'assistant', content: text, refusal };
    const choice = { index: 0, message, finish_reason: verdict === 'cut' ? 'length' : 'stop' };
    return { object: 'chat.completion', choices: [choice], usage };
  }
  const part = text === null ? { type: 'refusal', refusal } : { type: 'output_text', text };
  const isCut = verdict === 'cut';
  return {
    object: 'response',
    status: isCut ? 'incomplete' : 'completed',
    incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
    output: [{ type: 'message', content: [part] }],
    usage: { input_tokens: 10, output_tokens: 3 },
  };
}

/** A row with an answer. */
export function answerRow(line: number, verdict: Verdict, endpoint?: 'chat' | 'responses'): string {
  return outputRow(line, answerBody(verdict, endpoint));
}
