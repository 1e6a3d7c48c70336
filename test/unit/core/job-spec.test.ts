import { describe, expect, test } from 'vitest';
import { isBatchError } from '../../../src/core/errors.ts';
import {
  checkJobOptions,
  fittingShardBytes,
  jobIdentity,
  jobIdStem,
  resolveJobSpec,
  tokenLimitOf,
  type JobOptions,
} from '../../../src/core/job-spec.ts';

type Options = Omit<JobOptions, 'input'>;

/** The option that is refused; null if all are accepted. */
function refused(options: Options): string | null {
  try {
    checkJobOptions(options);
    return null;
  } catch (error) {
    if (!isBatchError(error) || error.code !== 'bad_option') throw error;
    expect(error.message).toContain(`--${error.details.option}`);
    return error.details.option ?? 'unnamed';
  }
}

test('answers have options of their own, which need a schema and are part of the identity', () => {
  expect(checkJobOptions({}, true).answer).toEqual({ attempts: 2 });
  expect(checkJobOptions({ tellErrors: false })).not.toHaveProperty('answer');
  const feedback = checkJobOptions({ answerAttempts: 20, tellErrors: true }, true);
  expect(feedback.answer).toEqual({ attempts: 20, tellErrors: true });
  const ids = [{}, { answerAttempts: 3 }, { tellErrors: true }, { attempts: 4 }].map((options) =>
    jobIdentity(checkJobOptions(options, true), 'hash'),
  );
  expect(new Set([...ids, jobIdentity(checkJobOptions({}), 'hash')]).size).toBe(5);
  expect(() => checkJobOptions({ answerAttempts: 3 })).toThrow(
    'Option --answer-attempts needs a schema of the answers: give --answer too, or leave it out.',
  );
  expect(() => checkJobOptions({ tellErrors: true })).toThrow('Option --tell-errors needs a schema');
  for (const answerAttempts of [0, 21, 1.5])
    expect(() => checkJobOptions({ answerAttempts }, true)).toThrow('Option --answer-attempts must be a');
});

test('options that are not given have their defaults', () => {
  expect(checkJobOptions({})).toEqual({
    v: 1,
    jobId: null,
    model: null,
    endpoint: null,
    shardLines: 50_000,
    shardBytes: 190_000_000,
    attempts: 3,
    pollMs: 2_000,
    inFlight: 100,
    skipBadLines: false,
    rebuy: false,
    giveUpAfterMs: null,
  });
});

describe('ranges', () => {
  test.each<[option: string, key: keyof Options, low: number, high: number]>([
    ['shard-lines', 'shardLines', 1, 50_000],
    ['shard-bytes', 'shardBytes', 1_000, 190_000_000],
    ['attempts', 'attempts', 1, 20],
    ['in-flight', 'inFlight', 1, 1_000],
  ])('--%s (%s) is a whole number from %i to %i', (option, key, low, high) => {
    expect(checkJobOptions({ [key]: low })).toMatchObject({ [key]: low });
    expect(checkJobOptions({ [key]: high })).toMatchObject({ [key]: high });
    for (const value of [low - 1, high + 1, low + 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(refused({ [key]: value })).toBe(option);
  });

  test('--poll is 0.05 to 3,600 seconds, kept as milliseconds', () => {
    expect(checkJobOptions({ pollSeconds: 0.05 }).pollMs).toBe(50);
    expect(checkJobOptions({ pollSeconds: 3_600 }).pollMs).toBe(3_600_000);
    for (const pollSeconds of [0, 0.049, 3_601, Number.NaN]) expect(refused({ pollSeconds })).toBe('poll');
  });

  test('--give-up-after is 1 to 10,000 hours, kept as milliseconds', () => {
    expect(checkJobOptions({ giveUpAfterHours: 1.5 }).giveUpAfterMs).toBe(5_400_000);
    for (const giveUpAfterHours of [0, 10_001, Number.NaN])
      expect(refused({ giveUpAfterHours })).toBe('give-up-after');
  });

  test.each<[taken: boolean, jobId: string]>([
    [true, 'a'],
    [true, 'Job.2026_10-1'],
    [true, 'x'.repeat(120)],
    [false, ''],
    [false, 'x'.repeat(121)],
    [false, '.hidden'],
    [false, '-x'],
    [false, '../x'],
    [false, 'a/b'],
    [false, 'a b'],
    [false, 'é'],
    [false, 'a\n'],
  ])('taken: %s, for a job named %j', (taken, jobId) => {
    expect(refused({ jobId })).toBe(taken ? null : 'job');
  });

  test('an empty model and an unknown endpoint are refused', () => {
    expect([refused({ model: ' ' }), refused({ model: 'x'.repeat(257) }), refused({ model: 'm' })]).toEqual([
      'model',
      'model',
      null,
    ]);
    expect(refused({ endpoint: '/v1/videos' })).toBe('endpoint');
    expect(checkJobOptions({ endpoint: '/v1/embeddings' }).endpoint).toBe('/v1/embeddings');
  });
});

describe('the identity of a job', () => {
  const identity = (options: Options, sha256 = 'hash'): string =>
    jobIdentity(checkJobOptions(options), sha256);

  test('never changes between releases', () => {
    expect(identity({})).toBe('[1,"hash",null,null,50000,190000000,3,false,null]');
    expect(identity({ model: 'm', endpoint: '/v1/responses', giveUpAfterHours: 2, skipBadLines: true })).toBe(
      '[1,"hash","m","/v1/responses",50000,190000000,3,true,7200000]',
    );
  });

  test.each<[Options]>([
    [{ model: 'm' }],
    [{ endpoint: '/v1/responses' }],
    [{ shardLines: 7 }],
    [{ shardBytes: 7_000 }],
    [{ attempts: 7 }],
    [{ skipBadLines: true }],
    [{ giveUpAfterHours: 7 }],
  ])('changes with %j', (options) => {
    expect(identity(options)).not.toBe(identity({}));
  });

  test.each<[Options]>([[{ pollSeconds: 9 }], [{ inFlight: 9 }], [{ jobId: 'x' }]])(
    'does not change with %j',
    (options) => {
      expect(identity(options)).toBe(identity({}));
    },
  );

  test('changes with the content of the input', () => {
    expect(identity({}, 'other')).not.toBe(identity({}));
  });
});

test.each([
  ['/data/reviews.jsonl', 'reviews'],
  ['C:\\data\\My reviews (1).JSONL', 'My-reviews-1'],
  ['a.b.json', 'a-b'],
  ['reviews/2026.csv.gz', '2026'],
  ['a.tsv.zst', 'a'],
  ['a.parquet', 'a'],
  ['été.ndjson', 't'],
  ['日本.jsonl', 'job'],
  ['', 'job'],
  ['--x--', 'x'],
  [`${'x'.repeat(100)}.txt`, 'x'.repeat(60)],
])('the id of %s begins with %s', (path, stem) => {
  expect(jobIdStem(path)).toBe(stem);
  expect(refused({ jobId: `${jobIdStem(path)}-0123456789ab` })).toBeNull();
});

test('a given id has precedence over the derived one', () => {
  const input = { path: '/in', bytes: 1, sha256: 'hash' };
  expect(resolveJobSpec(checkJobOptions({}), input, 'derived')).toMatchObject({ jobId: 'derived', input });
  expect(resolveJobSpec(checkJobOptions({ jobId: 'given' }), input, 'derived').jobId).toBe('given');
});

test('an account is a trimmed label, and not part of the identity', () => {
  const named = checkJobOptions({ account: ' team-a ' });
  expect(named.labels).toEqual({ account: 'team-a', schedule: null, searchable: false });
  expect(jobIdentity(named, 'sha')).toBe(jobIdentity(checkJobOptions({}), 'sha'));
  for (const account of ['', ' ', 'x'.repeat(101)]) expect(refused({ account })).toBe('account');
});

test('onlyNew changes the identity of a job, and does not change the ids of other jobs', () => {
  const checked = checkJobOptions({});
  const plain = jobIdentity(checked, 'hash');
  expect(plain).toBe('[1,"hash",null,null,50000,190000000,3,false,null]');
  const asked = checkJobOptions({ onlyNew: 'n' });
  expect(asked).toEqual({ ...checked, onlyNew: { schedule: 'n' } });
  expect(jobIdentity(asked, 'hash')).not.toBe(plain);
  expect(jobIdentity(checkJobOptions({ onlyNew: 'm' }), 'hash')).not.toBe(jobIdentity(asked, 'hash'));
});

test('reuse changes the identity of a job, alone and in a series', () => {
  const identities = [{}, { reuse: true }, { onlyNew: 'n' }, { onlyNew: 'n', reuse: true }].map((options) =>
    jobIdentity(checkJobOptions(options), 'hash'),
  );
  expect(new Set(identities).size).toBe(4);
  expect(checkJobOptions({ reuse: false })).toEqual(checkJobOptions({}));
});

test.each(['', ' ', 'a b', '.', '../x', 'a/b', '-a', 'x'.repeat(81), true])(
  '%j is refused as the name of a series',
  (onlyNew) => {
    const wrong = (): unknown => checkJobOptions({ onlyNew: onlyNew as string });
    expect(wrong).toThrow(
      `Option --only-new must be the name of a series of jobs, 1 to 80 characters of A-Z a-z 0-9 . _ - and starting with a letter or digit, got "${onlyNew}".`,
    );
    expect(refused({ onlyNew: onlyNew as string })).toBe('only-new');
  },
);

test('a priority or a limit has the job share tokens, which is not part of its identity', () => {
  expect(checkJobOptions({}).tokenQueue).toBeUndefined();
  expect(checkJobOptions({ priority: 'high' }).tokenQueue).toEqual({ priority: 'high' });
  const limited = checkJobOptions({ tokenLimits: { 'gpt-5': 100, '*': 4_000 } });
  expect(limited.tokenQueue).toEqual({ priority: 'normal', limits: { 'gpt-5': 100, '*': 4_000 } });
  expect(jobIdentity(limited, '00')).toBe(jobIdentity(checkJobOptions({}), '00'));
  expect(tokenLimitOf(limited.tokenQueue, 'gpt-5')).toBe(100);
  expect(tokenLimitOf(limited.tokenQueue, 'constructor')).toBe(4_000);
  expect(fittingShardBytes(limited.tokenQueue, 'gpt-6', 1_000_000)).toBe(4_000);
  expect(fittingShardBytes(undefined, 'gpt-6', 1_000_000)).toBe(1_000_000);
  expect(refused({ priority: 'urgent' as 'high' })).toBe('priority');
  for (const limit of [0, -1, 1.5, Number.NaN])
    expect(refused({ tokenLimits: { a: limit } })).toBe('token-limit');
});
