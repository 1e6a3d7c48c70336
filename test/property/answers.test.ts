/** Jobs whose answers have a schema: any answers and failures, in any order. */
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { shardId, type RoundPlan } from '../../src/core/shard-plan.ts';
import { settledRowsPath } from '../../src/file-work/records/shard-records.ts';
import { packRetries } from '../../src/file-work/shards/pack-retries.ts';
import { answerBody, answerRow, check, settleAnswers, type Verdict } from '../support/answer-job.ts';
import {
  JOB,
  mergeFiles,
  neverRanRow,
  outputRow,
  plan,
  requestLine,
  requestsOf,
  rowsIn,
} from '../support/file-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

const codes: Readonly<Record<string, string>> = {
  misfit: 'answer_invalid',
  prose: 'answer_invalid',
  refused: 'answer_refused',
  cut: 'answer_cut',
};
const fate = fc.constantFrom('right', 'misfit', 'prose', 'refused', 'cut', 'trouble', 'expired', 'bad');

const job = fc.record({
  lines: fc.integer({ min: 1, max: 6 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 40 }),
  attempts: fc.integer({ min: 1, max: 3 }),
  answers: fc.integer({ min: 1, max: 4 }),
  hasFeedback: fc.boolean(),
  endpoint: fc.constantFrom('chat', 'responses'),
  shardLines: fc.integer({ min: 1, max: 4 }),
});

/** What has happened to a line. */
class LineLog {
  readonly seen: string[] = [];

  count(...fates: string[]): number {
    return this.seen.filter((fate) => fates.includes(fate)).length;
  }

  get answers(): number {
    return this.count('right', ...Object.keys(codes));
  }

  /** True while the line has to be sent again. */
  isOpen(attempts: number, answers: number): boolean {
    if (this.count('right', 'bad') > 0) return false;
    return (
      this.count('trouble') < attempts &&
      this.count(...Object.keys(codes)) < answers &&
      this.count('expired') < 20
    );
  }
}

test('each line ends once, with the answers that it may have; all of them are paid, and none is lost', () => {
  fc.assert(
    fc.property(job, ({ lines, fates, attempts, answers, hasFeedback, endpoint, shardLines }) => {
      using folder = new TempFolder();
      const root = folder.path;
      const input = Array.from({ length: lines }, (_, i) =>
        endpoint === 'chat'
          ? requestLine(`text ${i}`)
          : JSON.stringify({ url: '/v1/responses', body: { model: 'm', input: `text ${i}` } }),
      );
      const logs = new Map<number, LineLog>(input.map((_, i) => [i + 1, new LineLog()]));
      const answer = { ...check, attempts: answers, ...(hasFeedback ? { tellErrors: true as const } : {}) };
      const rows: string[] = [];
      let played = 0;
      let paid = 0;
      let round: RoundPlan = plan(root, input.join('\n'), { shardLines });
      for (let number = 1; round.shards > 0; number += 1) {
        for (let index = 0; index < round.shards; index += 1) {
          const shard = shardId(number, index);
          const output: string[] = [];
          const errors: string[] = [];
          for (const text of requestsOf(root, shard).split('\n').slice(0, -1)) {
            const line = Number((JSON.parse(text) as { custom_id: string }).custom_id);
            const log = logs.get(line)!;
            expect(log.isOpen(attempts, answers)).toBe(true);
            checkFeedback(text, log, hasFeedback);
            const fate = fates[played++ % fates.length]!;
            log.seen.push(fate);
            if (fate === 'trouble') errors.push(outputRow(line, { error: { code: 'server_error' } }, 500));
            else if (fate === 'bad') errors.push(outputRow(line, { error: { code: 'bad' } }, 400));
            else if (fate === 'expired') errors.push(neverRanRow(line, 'batch_expired'));
            else output.unshift(answerRow(line, fate, endpoint));
          }
          const raw = { output: output.join(''), errors: errors.join('') };
          const outcome = settleAnswers(root, shard, raw, { attempts, answer });
          expect(settleAnswers(root, shard, raw, { attempts, answer })).toEqual(outcome); // the first one counts
          paid += outcome.outputTokens;
          rows.push(settledRowsPath(root, JOB, shard));
        }
        const { shards } = round;
        const limits = { shardLines, shardBytes: 100_000 };
        const pack = (): RoundPlan =>
          packRetries(root, { job: JOB, round: number, shards, ...limits, cancelled: false });
        round = pack();
        const written = requestsIn(root, number + 1, round);
        expect(requestsIn(root, number + 1, pack())).toBe(written);
      }

      const target = join(root, 'results.jsonl');
      expect(mergeFiles(rows, target)).toBe(lines);
      expect(paid).toBe(3 * [...logs.values()].reduce((sum, log) => sum + log.answers, 0));
      for (const row of rowsIn(target)) {
        const log = logs.get(row.line)!;
        const last = log.seen.at(-1)!;
        expect(log.isOpen(attempts, answers)).toBe(false);
        expect(row.attempts).toBe(log.seen.length);
        expect(row.status).toBe(last === 'right' ? 'answered' : 'failed');
        const code = codes[last];
        if (code !== undefined) expect(row.error?.code).toBe(code);
        if (code !== undefined || last === 'right') {
          expect(row.response).toEqual(answerBody(last as Verdict, endpoint));
          expect(row.usage).toEqual({ input_tokens: 10, output_tokens: 3 });
        } else {
          expect(row.response).toBeNull();
        }
      }
    }),
    { numRuns: 60 },
  );
});

function requestsIn(root: string, number: number, { shards }: RoundPlan): string {
  return Array.from({ length: shards }, (_, i) => requestsOf(root, shardId(number, i))).join('');
}

/** A request has its own text and, with feedback, the last answer that gets any. */
function checkFeedback(text: string, log: LineLog, hasFeedback: boolean): void {
  const { body } = JSON.parse(text) as { body: { messages?: unknown[]; input?: unknown[] | string } };
  const turns = body.messages ?? body.input!;
  const feedback = log.seen.findLast((fate) => fate in codes && fate !== 'refused');
  if (!hasFeedback || feedback === undefined) expect(Array.isArray(turns) ? turns.length : 1).toBe(1);
  else expect(turns).toMatchObject([{ role: 'user' }, { role: 'assistant' }, { role: 'user' }]);
}
