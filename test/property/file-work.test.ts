import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchStatus } from '../../src/core/batch-status.ts';
import { shardId, type RoundPlan } from '../../src/core/shard-plan.ts';
import { packRetries } from '../../src/file-work/shards/pack-retries.ts';
import { settledRowsPath } from '../../src/file-work/records/shard-records.ts';
import { jobFiles } from '../../src/store/job-files.ts';
import {
  JOB,
  mergeFiles,
  neverRanRow,
  outputRow,
  plan,
  requestsOf,
  rowsIn,
  settle,
  type RawFiles,
} from '../support/file-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

/** The outcome of one line in a batch. */
const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant('answer' as const) },
  fc.constantFrom(
    'answer twice',
    'answer and error',
    'answer as text',
    'answer among errors',
    'refused',
    'trouble',
    'expired',
    'cancelled',
    'missing',
    'broken',
  ),
);

/** How a batch ends, and whether it rejects its own lines first. */
const ending = fc.record({
  status: fc.constantFrom(
    BatchStatus.Completed,
    BatchStatus.Completed,
    BatchStatus.Expired,
    BatchStatus.Cancelled,
    BatchStatus.Failed,
  ),
  swap: fc.boolean(),
});

const inputLine = fc.record({
  kind: fc.constantFrom('line', 'line', 'line', 'bad', 'blank'),
  model: fc.constantFrom('m1', 'm2'),
  id: fc.option(fc.string({ unit: 'grapheme' })),
  text: fc.string({ unit: 'grapheme' }),
});

const job = fc.record({
  lines: fc
    .array(inputLine, { minLength: 1, maxLength: 12 })
    .filter((lines) => lines.some(({ kind }) => kind !== 'blank')),
  fates: fc.array(fate, { minLength: 1, maxLength: 40 }),
  endings: fc.array(ending, { minLength: 1, maxLength: 10 }),
  attempts: fc.integer({ min: 1, max: 4 }),
  shardLines: fc.integer({ min: 1, max: 5 }),
});

/** Simulates the API: writes rows for a shard's lines, and records the lines that it answered and ran. */
class Api {
  readonly answered = new Map<number, string>();
  readonly sent = new Map<number, number>();
  private readonly fates: readonly string[];
  private played = 0;

  constructor(fates: readonly string[]) {
    this.fates = fates;
  }

  /** Runs the requests; a batch that failed runs none. */
  run(requests: string, failed: boolean, swap: boolean): RawFiles {
    const output: string[] = [];
    const errors: string[] = [];
    for (const text of requests.split('\n').slice(0, -1)) {
      const request = JSON.parse(text) as { custom_id: string; body: { messages: [string] } };
      const line = Number(request.custom_id);
      expect(this.answered.has(line)).toBe(false); // never paid twice
      this.sent.set(line, (this.sent.get(line) ?? 0) + 1);
      if (!failed) this.play(line, request.body.messages[0], output, errors);
    }
    if (failed) return {};
    if (swap) output.reverse();
    return { output: output.join(''), errors: errors.length === 0 ? undefined : errors.join('') };
  }

  private play(line: number, text: string, output: string[], errors: string[]): void {
    const body = { line, send: this.sent.get(line), text, usage: { prompt_tokens: 1, completion_tokens: 2 } };
    const answer = outputRow(line, body);
    const trouble = outputRow(line, { error: { code: 'server_error' } }, 500);
    const fate = this.fates[this.played++ % this.fates.length]!;
    if (fate.startsWith('answer')) this.answered.set(line, JSON.stringify(body));
    if (fate === 'answer') output.push(answer);
    else if (fate === 'answer twice') output.push(answer, answer);
    else if (fate === 'answer and error') {
      output.push(answer);
      errors.push(trouble);
    } else if (fate === 'answer as text') output.push(outputRow(line, JSON.stringify(body)));
    else if (fate === 'answer among errors') errors.push(trouble, answer);
    else if (fate === 'refused') errors.push(outputRow(line, { error: { code: 'bad' } }, 400));
    else if (fate === 'trouble') output.push(trouble);
    else if (fate === 'expired') errors.push(neverRanRow(line, 'batch_expired'));
    else if (fate === 'cancelled') errors.push(neverRanRow(line, 'batch_cancelled'));
    else if (fate === 'broken') output.push(`${answer.slice(0, answer.length >> 1)}\n`);
  }
}

test('whatever the batches do, each line ends exactly once, and no answered line is sent again', () => {
  fc.assert(
    fc.property(job, ({ lines, fates, endings, attempts, shardLines }) => {
      using folder = new TempFolder();
      const root = folder.path;
      const input = lines.map(({ kind, model, id, text }) => {
        if (kind !== 'line') return kind === 'blank' ? '' : '{"body":7}';
        return JSON.stringify({
          ...(id === null ? {} : { custom_id: id }),
          body: { model, messages: [text] },
        });
      });
      const options = { skipBadLines: true, attempts, shardLines };
      const api = new Api(fates);
      const rows = [join(root, jobFiles.rejected(JOB))];
      let batches = 0;
      let answered = 0;
      let failed = 0;
      let round: RoundPlan = plan(root, input.join('\n'), options);
      failed += round.rejected;
      for (let number = 1; round.shards > 0; number += 1) {
        // Between two rounds that use an attempt of a line, its batch may be refused as a whole, and is then tried once more.
        expect(number).toBeLessThanOrEqual(2 * (attempts + 20));
        for (let index = 0; index < round.shards; index += 1) {
          const shard = shardId(number, index);
          const { status, swap } = endings[batches++ % endings.length]!;
          const raw = api.run(requestsOf(root, shard), status === BatchStatus.Failed, swap);
          const outcome = settle(root, shard, raw, { status, attempts })!;
          answered += outcome.answered;
          failed += outcome.failed;
          rows.push(settledRowsPath(root, JOB, shard));
        }
        const { shards } = round;
        round = packRetries(root, {
          job: JOB,
          round: number,
          shards,
          shardLines,
          shardBytes: 100_000,
          cancelled: false,
        });
      }

      const target = folder.at('results.jsonl');
      const numbers = lines.flatMap(({ kind }, i) => (kind === 'blank' ? [] : [i + 1]));
      expect(mergeFiles(rows, target)).toBe(numbers.length);
      expect(answered + failed).toBe(numbers.length);
      const results = rowsIn(target);
      expect(results.map(({ line }) => line)).toEqual(numbers);
      const texts = readFileSync(target, 'utf8').split('\n');
      for (const [i, row] of results.entries()) {
        const { kind, id } = lines[row.line - 1]!;
        const body = api.answered.get(row.line);
        expect(row.id).toBe(kind === 'line' ? (id ?? String(row.line)) : String(row.line));
        expect(row.status).toBe(body === undefined ? 'failed' : 'answered');
        expect(row.attempts).toBe(api.sent.get(row.line) ?? 0);
        if (body === undefined) expect(row.error?.code).toMatch(/./);
        else expect(texts[i]).toContain(`"response":${body},"error":null`);
      }
    }),
    { numRuns: 150 },
  );
});
