import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { isBatchError } from '../../../src/core/errors.ts';
import { referenceOfRows, scheduleRowsOf } from '../../../src/job/schedule-rows.ts';
import {
  assertScheduleOptions,
  optionsOf,
  resolveSchedule,
  type ScheduleOptions,
} from '../../../src/client/schedules/schedule-options.ts';

const daily = { name: 'n', input: 'in.jsonl', cron: '0 6 * * *' } as const;

test('fills in the defaults', () => {
  expect(resolveSchedule(daily, false)).toEqual({
    v: 1,
    name: 'n',
    input: resolve('in.jsonl'),
    cron: ['0 6 * * *'],
    everyMs: null,
    timeZone: 'UTC',
    jitterMs: 0,
    overlap: 'skip',
    catchUpMs: 86_400_000,
    onlyNew: false,
    out: null,
    job: {},
    searchable: false,
  });
});

test('optionsOf returns options that resolve to the same spec', () => {
  const full: ScheduleOptions = {
    ...daily,
    cron: ['0 6 * * *', '@monthly'],
    timeZone: 'Europe/Berlin',
    jitter: '5m',
    overlap: 'buffer-all',
    catchUp: '2h',
    onlyNew: true,
    out: '/out/{run}',
    model: 'gpt-5-mini',
    shardLines: 10,
  };
  for (const options of [full, { name: 'n', input: '/x', every: '90m' }]) {
    const spec = resolveSchedule(options, true);
    expect(resolveSchedule(optionsOf(spec), true)).toEqual(spec);
  }
});

test('a schedule of rows has their reference and no text of them, and changes keep them', async () => {
  const options: ScheduleOptions = {
    ...daily,
    input: ['/a/{yyyy}.csv', '/b.csv'],
    prompt: 'SECRET {{ review }}',
    model: 'gpt-5-mini',
    answer: { type: 'object', properties: {}, required: [], additionalProperties: false },
    answerAttempts: 3,
    attempts: 4,
    out: '/out/{run}.parquet',
    keep: ['review'],
    npy: '/out/{run}.npy',
  };
  const rows = await scheduleRowsOf(options);
  const spec = resolveSchedule(options, true, rows);
  expect(spec).toMatchObject({
    input: '/a/{yyyy}.csv and 1 more',
    rows: referenceOfRows(rows!),
    job: { attempts: 4, answerAttempts: 3 },
    table: { keep: ['review'], npy: '/out/{run}.npy' },
  });
  expect(spec.job).not.toHaveProperty('model');
  expect(JSON.stringify(spec)).not.toContain('SECRET');
  const again = optionsOf(spec, rows);
  expect(await scheduleRowsOf(again)).toEqual(rows);
  expect(resolveSchedule(again, true, rows)).toEqual(spec);
});

test.each([
  ['asia/tokyo', 'Asia/Tokyo'],
  ['UTC', 'UTC'],
  ['Europe/Berlin', 'Europe/Berlin'],
])('the time zone %s is %s', (given, timeZone) => {
  expect(resolveSchedule({ ...daily, timeZone: given }, false).timeZone).toBe(timeZone);
});

test('the error for an unknown option names it and the nearest known one', () => {
  const asked = (options: object) => () => assertScheduleOptions(options);
  expect(asked({ ...daily, model: 'm', note: 'x', paused: true, account: undefined })).not.toThrow();
  expect(asked({ ...daily, timezone: 'UTC' })).toThrow(
    'Option timezone does not exist: did you mean timeZone?',
  );
  expect(asked({ ...daily, modle: 'm' })).toThrow('Option modle does not exist: did you mean model?');
});

test.each<[what: string, changes: Partial<ScheduleOptions>, message: RegExp]>([
  ['a name with a blank', { name: 'a b' }, /name must be 1 to 80 characters .* got "a b"/],
  ['a long name', { name: 'x'.repeat(81) }, /name must be 1 to 80 characters/],
  ['no times', { cron: [] }, /give either --cron or --every/],
  ['both kinds of times', { every: '6h' }, /Options --cron and --every both define the times/],
  [
    'a wrong cron line among right ones',
    { cron: ['@daily', '0 24 * * *'] },
    /"0 24 \* \* \*" has "24" as hour/,
  ],
  ['an unknown zone', { timeZone: 'Mars/Phobos' }, /--time-zone must be a name .* got "Mars\/Phobos"/],
  ['an offset', { timeZone: '+01:00' }, /--time-zone must be/],
  ['a bad duration', { jitter: 'soon' }, /--jitter must be a duration such as 90s, .* got "soon"/],
  [
    'a window that Temporal rounds up',
    { catchUp: '5s' },
    /--catch-up must be a duration from 10s to 366d, got "5s"/,
  ],
  ['an invalid overlap', { overlap: 'queue' as never }, /--overlap must be one of skip, .* got "queue"\.$/],
  ['terminate-other', { overlap: 'terminate-other' as never }, /not fetched: use cancel-other/],
  ['an unknown placeholder', { input: 'a-{week}.jsonl' }, /placeholder \{week\}/],
  ['one folder for all runs', { out: 'results' }, /same for two runs/],
  ['one folder for all runs of a day', { out: 'results/{yyyy}-{MM}-{dd}' }, /add \{run\}/],
  ['columns without out', { keep: ['a'] }, /written only with --out/],
  ['vectors of all runs in one file', { out: '/{run}', npy: '/v.npy' }, /--npy .* e\.g\. \/v-\{run\}\.npy/],
  ['several files of requests', { input: ['a.jsonl', 'b.jsonl'] }, /must be the path of one file/],
  [
    'onlyNew with parallel runs',
    { onlyNew: true, overlap: 'allow-all' },
    /--only-new cannot be combined with/,
  ],
  [
    'a name of a series',
    { onlyNew: 'other' as never },
    /--only-new of a schedule takes no name: .* schedule, n\.$/,
  ],
  ['a job option out of range', { attempts: 0 }, /--attempts must be a number from 1 to 20, got 0/],
  ['a job id', { jobId: 'x' } as never, /leave out --job/],
])('%s is refused', (_what, changes, message) => {
  let thrown: unknown;
  try {
    resolveSchedule({ ...daily, ...changes }, false);
  } catch (error) {
    thrown = error;
  }
  expect(isBatchError(thrown) && thrown.code).toBe('bad_option');
  expect((thrown as Error).message).toMatch(message);
});

test('prices are part of the jobs of a schedule, and stay when it is changed', () => {
  const prices = { models: { m: { input: 1, output: 2 } } };
  const spec = resolveSchedule({ ...daily, prices }, false);
  expect(spec.job).toMatchObject({ prices });
  expect(optionsOf(spec)).toMatchObject({ prices });
});
