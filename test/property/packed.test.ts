/** Embeddings whose lines share requests, against an API that shuffles, loses, repeats and refuses. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { shardId, type RoundPlan } from '../../src/core/shard-plan.ts';
import { settledRowsPath } from '../../src/file-work/records/shard-records.ts';
import {
  JOB,
  mergeFiles,
  neverRanRow,
  outputRow,
  rowsIn,
  settle,
  type RawFiles,
} from '../support/file-job.ts';
import {
  nextRound,
  planPacked,
  textLine,
  uploaded,
  vectorBody,
  vectorItems,
  type PackedRequest,
} from '../support/packed-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

const fate = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constant('answer' as const) },
    fc.constantFrom(
      'answer twice',
      'answer as text',
      'lacks one',
      'repeats one',
      'one out of range',
      'trouble',
      'expired',
      'missing',
      'no vectors',
    ),
  ),
  tokens: fc.integer({ min: 0, max: 5_000 }),
  /** Decides the order of the vectors, and which one is wrong. */
  salt: fc.nat(1_000),
  usageFirst: fc.boolean(),
});
type Fate = typeof fate extends fc.Arbitrary<infer T> ? T : never;

const job = fc.record({
  rows: fc.array(
    fc.record({
      text: fc.string({ unit: 'grapheme', maxLength: 30 }),
      model: fc.constantFrom('m1', 'm1', 'm2'),
      dimensions: fc.constantFrom(8, 8, 8, 9),
      /** A request with this text is refused. */
      isBad: fc.constantFrom(false, false, false, false, true),
    }),
    { minLength: 1, maxLength: 30 },
  ),
  fates: fc.array(fate, { minLength: 1, maxLength: 30 }),
  attempts: fc.integer({ min: 1, max: 4 }),
  shardLines: fc.integer({ min: 1, max: 20 }),
});

/** Runs the requests of shards. */
class Api {
  /** The lines whose vector can be read. */
  readonly answered = new Set<number>();
  readonly refused = new Set<number>();
  readonly sentAlone = new Set<number>();
  paidTokens = 0;
  private readonly fates: readonly Fate[];
  private readonly isBad: (line: number) => boolean;
  private played = 0;

  constructor(fates: readonly Fate[], isBad: (line: number) => boolean) {
    this.fates = fates;
    this.isBad = isBad;
  }

  run(requests: readonly PackedRequest[]): RawFiles {
    let output = '';
    let errors = '';
    for (const request of requests) {
      const numbers = request.texts.map((text) => Number.parseInt(text, 10));
      for (const line of numbers) expect(this.answered.has(line)).toBe(false);
      expect(numbers[0]).toBe(request.line);
      if (numbers.length === 1) this.sentAlone.add(request.line);
      if (numbers.some((line) => this.isBad(line))) {
        if (numbers.length === 1) this.refused.add(request.line);
        errors += outputRow(request.line, { error: { code: 'bad_input' } }, 400);
        continue;
      }
      const each = this.fates[this.played++ % this.fates.length]!;
      if (each.kind === 'expired') errors += neverRanRow(request.line, 'batch_expired');
      else if (each.kind === 'trouble')
        errors += outputRow(request.line, { error: { code: 'server_error' } }, 500);
      else if (each.kind !== 'missing') output += this.answer(request, numbers, each);
    }
    return { output, errors };
  }

  private answer({ line, texts }: PackedRequest, numbers: readonly number[], each: Fate): string {
    const { kind, tokens, salt, usageFirst } = each;
    this.paidTokens += tokens;
    const items = vectorItems(texts);
    const wrong = salt % items.length;
    // The only vector of a line is its answer, whatever its form.
    const isShared = items.length > 1;
    let data = items.toSorted((a, b) => ((a.index! * 7 + salt) % 11) - ((b.index! * 7 + salt) % 11));
    if (isShared && kind === 'no vectors') data = [];
    if (isShared && kind === 'lacks one') data = data.filter(({ index }) => index !== wrong);
    if (isShared && kind === 'one out of range')
      data = data.map((item) => (item.index === wrong ? { ...item, index: items.length + wrong } : item));
    if (isShared && kind === 'repeats one') data = [...data, { ...items[wrong]!, embedding: [-1] }];
    const isUsable = data.length === items.length && kind !== 'one out of range';
    if (isUsable || !isShared) for (const number of numbers) this.answered.add(number);
    const { usage, ...rest } = vectorBody(data, tokens);
    const body = usageFirst ? { usage, ...rest } : { ...rest, usage };
    const row = outputRow(line, kind === 'answer as text' ? JSON.stringify(body) : body);
    return kind === 'answer twice' ? row + row : row;
  }
}

test('whatever the requests do, each row ends once, with its own vector; tokens are those of the API', () => {
  fc.assert(
    fc.property(job, ({ rows, fates, attempts, shardLines }) => {
      using folder = new TempFolder();
      const root = folder.path;
      const input = rows.map(({ text, model, dimensions }, i) =>
        textLine(`${i + 1} ${text}`, { model, dimensions }),
      );
      const isBad = (line: number): boolean => rows[line - 1]!.isBad;
      const api = new Api(fates, isBad);
      const paths: string[] = [];
      let tokens = 0;
      let round: RoundPlan = planPacked(root, input, { attempts, shardLines });
      for (let number = 1; round.shards > 0; number += 1) {
        expect(number).toBeLessThanOrEqual(attempts + 22);
        for (let index = 0; index < round.shards; index += 1) {
          const shard = shardId(number, index);
          const outcome = settle(root, shard, api.run(uploaded(root, shard)), { attempts })!;
          tokens += outcome.inputTokens;
          paths.push(settledRowsPath(root, JOB, shard));
        }
        round = nextRound(root, number, round, shardLines);
      }
      const target = folder.at('results.jsonl');
      expect(mergeFiles(paths, target)).toBe(rows.length);
      const results = rowsIn(target);
      expect(results.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1));
      expect(tokens).toBe(api.paidTokens);
      for (const { line, status, response, usage, error } of results) {
        expect(status).toBe(api.answered.has(line) ? 'answered' : 'failed');
        if (status === 'failed') {
          expect(response).toBe(null);
          // An error fails a line only alone; requests that no batch ran in time are given up together.
          if (error!.code !== 'batch_expired') expect(api.sentAlone.has(line)).toBe(true);
          // The row at fault was refused alone; a row beside it is never failed by the refusal.
          expect(error!.code === 'bad_input').toBe(api.refused.has(line));
          if (error!.code === 'bad_input') expect(isBad(line)).toBe(true);
          continue;
        }
        const { data, usage: own } = response as ReturnType<typeof vectorBody>;
        expect(data).toEqual([{ object: 'embedding', index: 0, embedding: [line, -0.25] }]);
        expect(own).toEqual({ prompt_tokens: usage!.input_tokens, total_tokens: usage!.input_tokens });
      }
    }),
    { numRuns: 150 },
  );
});

test('the tokens of the rows add up to those of their request', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 0, max: 300_000 }),
      (texts, tokens) => {
        using folder = new TempFolder();
        planPacked(
          folder.path,
          texts.map((text, i) => textLine(`${i + 1}${text}`)),
        );
        const shard = shardId(1, 0);
        const output = uploaded(folder.path, shard).map(({ line, texts: packed }) =>
          outputRow(line, vectorBody(vectorItems(packed), tokens)),
        );
        settle(folder.path, shard, { output: output.join('') });
        const rows = rowsIn(settledRowsPath(folder.path, JOB, shard));
        expect(rows.reduce((sum, { usage }) => sum + usage!.input_tokens, 0)).toBe(tokens * output.length);
        for (const { usage } of rows) expect(usage!.input_tokens).toBeGreaterThanOrEqual(0);
      },
    ),
    { numRuns: 50 },
  );
});
