import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkJobOptions, resolveJobSpec, type JobSpec } from '../../src/core/job-spec.ts';
import { shardId } from '../../src/core/shard-plan.ts';
import { shardInput } from '../../src/file-work/shards/shard-input.ts';
import type { EarlierAnswers } from '../../src/file-work/earlier/earlier-answers.ts';
import { findKnownLines } from '../../src/file-work/earlier/find-known-lines.ts';
import { indexAnswers } from '../../src/file-work/earlier/index-answers.ts';
import { jsonlInput } from '../../src/input/jsonl-input.ts';
import { packRetries } from '../../src/file-work/shards/pack-retries.ts';
import { settleShard } from '../../src/file-work/rows/settle-shard.ts';
import { settledRowsPath } from '../../src/file-work/records/shard-records.ts';
import { jobFiles, shardFiles } from '../../src/store/job-files.ts';
import { mergeFiles, outputRow, rowsIn } from '../support/file-job.ts';
import { TempFolder } from '../support/temp-folder.ts';

/** Few texts, models and endpoints, so that lines repeat within an input and between inputs. */
const inputLine = fc.record({
  kind: fc.constantFrom('line', 'line', 'line', 'line', 'bad', 'blank'),
  model: fc.constantFrom('m1', 'm2', null),
  url: fc.constantFrom('/v1/chat/completions', '/v1/completions'),
  text: fc.constantFrom('a', 'b', 'ü', 'a b', 'a\u2028b\u0085'),
  id: fc.option(fc.string({ unit: 'grapheme', maxLength: 4 })),
});

const run = fc.record({
  lines: fc.array(inputLine, { minLength: 1, maxLength: 14 }),
  fates: fc.array(fc.constantFrom('answered', 'answered', 'failed', 'again'), { minLength: 1, maxLength: 9 }),
  /** Shards settled before the job is terminated; null for a job that ends by itself. */
  settled: fc.option(fc.integer({ min: 0, max: 3 })),
  shardLines: fc.integer({ min: 1, max: 4 }),
  rounds: fc.integer({ min: 1, max: 2 }),
});

type Line = typeof inputLine extends fc.Arbitrary<infer T> ? T : never;
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

const textOf = ({ kind, model, url, text, id }: Line): string => {
  if (kind !== 'line') return kind === 'blank' ? '' : '{"body":[]}';
  const body = { ...(model === null ? {} : { model }), messages: [text], prompt: text };
  return JSON.stringify({ ...(id === null ? {} : { custom_id: id }), url, body });
};

/** The request as the API gets it: with the job's model if the line has none. */
const contentOf = ({ model, url, text }: Line): string => `${url} ${model ?? 'm1'} ${text}`;

/** Simulates a schedule: runs one after another, each of which can reuse the answers of the previous ones. */
class Schedule {
  readonly folder: string;
  readonly earlier: EarlierAnswers[] = [];
  /** Every answer that was bought, by content. */
  readonly bought = new Map<string, string[]>();
  private answers = 0;
  private fates = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  play({ lines, fates, settled, shardLines, rounds }: Run, number: number): void {
    const job = `job-${number}`;
    const spec = this.specOf(job, lines, shardLines);
    const known = new Map(this.bought);
    const built = shardInput(this.folder, { spec, earlier: this.earlier });
    if ('gone' in built) throw new Error(`answers of ${built.gone} are gone`);
    if ('fault' in built) {
      expect(lines.every(({ kind }) => kind === 'blank')).toBe(true);
      return;
    }
    const isKnown = (line: Line): boolean => line.kind === 'line' && known.has(contentOf(line));
    expect(built.plan.kept).toBe(lines.filter(isKnown).length);
    const sent: number[] = [];
    let { plan } = built as { plan: typeof built.plan };
    const rows = [jobFiles.rejected(job), jobFiles.kept(job)].map((key) => join(this.folder, key));
    let shards = 0;
    for (let round = 1; plan.shards > 0; round += 1) {
      this.write(jobFiles.round(job, round), JSON.stringify(plan));
      for (let index = 0; index < plan.shards; index += 1) {
        if (shards++ === settled) return this.index(job);
        const shard = shardId(round, index);
        const numbers = this.answer(job, shard, lines, fates, round < rounds);
        if (round === 1) sent.push(...numbers);
        rows.push(settledRowsPath(this.folder, job, shard));
      }
      plan = packRetries(this.folder, {
        job,
        round,
        shards: plan.shards,
        shardLines,
        shardBytes: 100_000,
        cancelled: false,
      });
    }
    const asked = lines.flatMap((line, i) => (line.kind === 'line' && !isKnown(line) ? [i + 1] : []));
    expect(sent.toSorted((a, b) => a - b)).toEqual(asked);
    this.judge(rows, lines, known);
    this.index(job);
  }

  /** Runs a shard's requests, and settles it; returns the numbers of its lines. */
  private answer(job: string, shard: string, lines: Line[], fates: string[], mayGoAgain: boolean): number[] {
    const requests = readFileSync(join(this.folder, shardFiles.requests(job, shard)), 'utf8');
    const numbers: number[] = [];
    let output = '';
    for (const text of requests.split('\n').slice(0, -1)) {
      const line = Number((JSON.parse(text) as { custom_id: string }).custom_id);
      const content = contentOf(lines[line - 1]!);
      const fate = fates[this.fates++ % fates.length]!;
      numbers.push(line);
      if (fate === 'answered') {
        const body = { n: ++this.answers, usage: { prompt_tokens: 1, completion_tokens: 2 } };
        this.bought.set(content, [...(this.bought.get(content) ?? []), JSON.stringify(body)]);
        output += outputRow(line, body);
      } else {
        const error = { error: { code: 'trouble' } };
        output += outputRow(line, error, fate === 'again' && mayGoAgain ? 500 : 400);
      }
    }
    this.write(shardFiles.output(job, shard, 1), output);
    const outcome = settleShard(this.folder, {
      job,
      shard,
      batch: 1,
      batchId: `batch_${job}`,
      status: 'completed',
      hasOutput: true,
      hasErrors: false,
      refused: [],
      missing: 'retry',
      attempts: 3,
    });
    this.write(shardFiles.outcome(job, shard), JSON.stringify(outcome));
    return numbers;
  }

  private judge(rows: string[], lines: Line[], known: Map<string, string[]>): void {
    const target = join(this.folder, 'results.jsonl');
    const numbers = lines.flatMap(({ kind }, i) => (kind === 'blank' ? [] : [i + 1]));
    expect(mergeFiles(rows, target)).toBe(numbers.length);
    const texts = readFileSync(target, 'utf8').split('\n');
    for (const [i, row] of rowsIn(target).entries()) {
      expect(row.line).toBe(numbers[i]);
      const line = lines[row.line - 1]!;
      expect(row.id).toBe(line.kind === 'line' ? (line.id ?? String(row.line)) : String(row.line));
      const answers = line.kind === 'line' ? known.get(contentOf(line)) : undefined;
      if (answers === undefined) continue;
      expect(row).toMatchObject({
        status: 'answered',
        error: null,
        usage: { input_tokens: 1, output_tokens: 2 },
      });
      // Exactly the bytes of an answer that was bought before.
      expect(answers.some((body) => texts[i]!.includes(`"response":${body},"error":null`))).toBe(true);
    }
  }

  private index(job: string): void {
    let rounds = 0;
    while (existsSync(join(this.folder, jobFiles.round(job, rounds + 1)))) rounds += 1;
    const index = jobFiles.answers(job, rounds);
    // A second call has the same result.
    const answers = indexAnswers(this.folder, { job, rounds, target: index })!;
    expect(indexAnswers(this.folder, { job, rounds, target: index })).toBe(answers);
    if (answers > 0) this.earlier.push({ job, index });
  }

  specOf(job: string, lines: Line[], shardLines: number): JobSpec {
    const path = this.write(`${job}.jsonl`, `${lines.map(textOf).join('\n')}\n`);
    const bytes = readFileSync(path);
    const options = checkJobOptions({ model: 'm1', skipBadLines: true, shardLines });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return resolveJobSpec(options, { path, bytes: bytes.length, sha256 }, job);
  }

  private write(key: string, text: string): string {
    const path = join(this.folder, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }
}

test('over any runs, lines with an answer are not sent again, and each result has its row', () => {
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 5 }), (runs) => {
      using folder = new TempFolder();
      const schedule = new Schedule(folder.path);
      runs.forEach((played, i) => schedule.play(played, i));
    }),
    { numRuns: 30 },
  );
});

test('the same lines are known, however many are looked up at a time', () => {
  fc.assert(
    fc.property(
      fc.array(run, { minLength: 1, maxLength: 2 }),
      fc.array(inputLine, { minLength: 1, maxLength: 14 }),
      fc.integer({ min: 1, max: 5 }),
      (runs, lines, atATime) => {
        using folder = new TempFolder();
        const schedule = new Schedule(folder.path);
        runs.forEach((played, i) => schedule.play(played, i));
        const spec = schedule.specOf('last', lines, 5);
        const input = jsonlInput(spec.input.path);
        const found = [{ linesAtATime: atATime }, {}].map((bound) => {
          const target = folder.at('known');
          const lookUp = { input, spec, earlier: schedule.earlier, target, ...bound };
          expect(findKnownLines(folder.path, lookUp)).toBe(true);
          const records = readFileSync(target);
          rmSync(target);
          return records;
        });
        expect(found[0]).toEqual(found[1]);
      },
    ),
    { numRuns: 30 },
  );
});
