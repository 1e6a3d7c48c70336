import fc from 'fast-check';
import type { Activities } from '../../src/activities/index.ts';

/**
 * A schedule: one job and everything that goes wrong in it. Plain data, so that fast-check can make, print and shrink
 * it; an empty one is a job on a perfect day.
 */
export interface Schedule {
  readonly lines: readonly LineScript[];
  readonly shardLines: number;
  readonly attempts: number;
  readonly inFlight: number;
  /** True when long steps have queues of their own, so that polls look on. */
  readonly stepQueues: boolean;
  readonly rebuy: boolean;
  readonly giveUpAfterMs: number | null;
  /** A run is continued as new after so many events; null: when the server suggests it, which is never here. */
  readonly maxHistoryEvents: number | null;
  readonly list: ListScript;
  readonly limits: ApiLimits;
  /** How the `bytes` of file objects compare with the files. */
  readonly bytes: BytesWord;
  /** What becomes of the n-th batch; later ones have a perfect day. */
  readonly fates: readonly BatchFate[];
  readonly calls: readonly CallScript[];
  readonly deaths: readonly Death[];
  readonly refusals: readonly Refusal[];
  readonly otherKey: OtherKey | null;
  readonly held: Held | null;
  readonly moves: readonly Move[];
}

/** A line of the input. */
export interface LineScript {
  readonly kind: 'chat' | 'embedding' | 'response' | 'bad';
  readonly customId: string | null;
  /** How its executions go, the first one first; later ones give an answer. */
  readonly runs: readonly LineRun[];
  /** Why the API refuses whatever holds this line; null for most. */
  readonly flaw: LineFlaw | null;
}

/**
 * What a line does to whatever holds it, for good.
 * - `named`: its batch fails validation, which names the line.
 * - `poison`: its batch fails as a whole, with a code nobody knows and without a line.
 * - `upload_400`, `create_400`, `create_403_model`: that call is refused.
 * - `content_400`: the output file of its batch is refused to whoever reads it.
 */
export const lineFlaws = [
  'named',
  'poison',
  'upload_400',
  'create_400',
  'create_403_model',
  'content_400',
] as const;
export type LineFlaw = (typeof lineFlaws)[number];

/** How one execution of a line goes. `no_row` was never run, `lost` was run and paid; neither leaves a row. */
export type LineRun =
  | 'answer'
  | 'status_408'
  | 'status_409'
  | 'status_429'
  | 'status_500'
  | 'status_0'
  | 'bad_request'
  | 'error_body'
  | 'hopeless_body'
  | 'model_403'
  | 'model_404'
  | 'timeout'
  | 'no_row'
  | 'lost';

/** What the API takes. */
export interface ApiLimits {
  /** A larger input is refused with 413; null: none is. */
  readonly bytes: number | null;
  /** The call that refuses it. */
  readonly at: 'files.create' | 'batches.create';
  /** Validation names at most so many bad lines. */
  readonly namedErrors: number;
}

export type BytesWord = 'true' | 'more' | 'less' | 'missing';

/** How the server lists batches. */
export interface ListScript {
  readonly pageLines: number;
  /** A list always has more and starts over. */
  readonly endless: boolean;
  /** `stale`: it shows each batch as it was when it was first listed; `summaries`: without counts, errors and files. */
  readonly form: 'whole' | 'stale' | 'summaries';
  /** What its first calls get instead of a list. */
  readonly broken: { readonly as: ListTrouble; readonly calls: number } | null;
}
export const listTroubles = ['status_500', 'html_200', 'status_404', 'status_405'] as const;
export type ListTrouble = (typeof listTroubles)[number];

/** From a call on every read is answered from another project, which has none of our batches and files. */
export interface OtherKey {
  readonly atCall: number;
  /** It is over after so many calls; a job that pauses for it has somebody set the key right before. */
  readonly calls: number;
}

/** Calls of a kind about whatever holds a line fail with 500 until nothing is left to do for the job's other batches. */
export interface Held {
  readonly call: 'files.create' | 'files.content' | 'batches.create' | 'batches.retrieve' | 'batches.cancel';
  readonly line: number;
}

/** How a batch ends when nobody cancels it. */
export type BatchEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'expired' | 'cancelled'; readonly afterShare: number }
  /** Refused as a whole. */
  | { readonly kind: 'refused'; readonly why: 'token_limit' | 'file_not_found' | 'billing' | 'model' }
  /** Refused for some of its lines. */
  | { readonly kind: 'lines_refused'; readonly every: number }
  /** Runs on, far beyond its window, unless it is cancelled. */
  | { readonly kind: 'stuck' };

/** What becomes of a batch. */
export interface BatchFate {
  readonly end: BatchEnd;
  /** Looks at it before it ends. */
  readonly looks: number;
  /** False: lines that never ran have no row. */
  readonly restRows: boolean;
  readonly output: FileFate;
  readonly errors: FileFate;
  /** What reads of the file get in its place, at first or always. */
  readonly outputJunk: Junk | null;
  readonly errorsJunk: Junk | null;
  readonly absent: 'null' | 'empty' | 'left_out';
  /** `unknown`: words of another server, also for a while after the end. */
  readonly words: 'usual' | 'capitals' | 'unknown';
  /** Sweeps of the list that do not show it yet. */
  readonly hiddenSweeps: number;
  /** Reads that do not know it yet. */
  readonly unknownReads: number;
  readonly oddRows: readonly OddRow[];
  /** Every second answer stands in a row that is no strict JSON or UTF-8. */
  readonly damage: RowDamage | null;
  readonly counts: CountsWord;
  readonly earlyIds: boolean;
  /** Share of its lines done when somebody cancels it through the API. */
  readonly cancelledShare: number;
  readonly ignoresCancel: boolean;
}

export const junkForms = ['empty', 'error_object', 'json_array'] as const;
export interface Junk {
  readonly form: (typeof junkForms)[number];
  readonly lasts: 'a while' | 'for ever';
}

/** `cut` is beyond repair; what the others say can be read. */
export const rowDamages = ['not_a_number', 'control_character', 'trailing_comma', 'bad_utf8', 'cut'] as const;
export type RowDamage = (typeof rowDamages)[number];

export const countsWords = ['zeros', 'too_many', 'too_few', 'null', 'missing'] as const;
export type CountsWord = 'true' | (typeof countsWords)[number];

/** What becomes of an ended batch's file: named after a while, never named, or named but deleted. */
export type FileFate = 'here' | 'late' | 'missing' | 'gone';
export type OddRow =
  | 'strangers'
  | 'repeats'
  | 'contradictions'
  | 'no_last_newline'
  | 'empty_error_file'
  | 'body_as_text'
  | 'broken_row';

export const callKinds = [
  'files.create',
  'files.retrieve',
  'files.content',
  'batches.create',
  'batches.retrieve',
  'batches.list',
  'batches.cancel',
] as const;
export type CallKind = (typeof callKinds)[number];
export const callFaults = [
  'reset_before',
  'reset_after',
  'hold_then_reset',
  'status_408',
  'status_408_after',
  'status_429',
  'status_500',
  'status_500_after',
  'html_502',
  'page_200',
  'page_200_after',
  'broken_json_200_after',
  'truncate',
  'truncate_clean',
  'enqueued_limit',
] as const;
export type CallFault = (typeof callFaults)[number];

/** What becomes of the n-th call of a kind. */
export interface CallScript {
  readonly call: CallKind;
  readonly nth: number;
  readonly fault: CallFault;
}

/** Typed, so that a new activity is not forgotten. */
const activities: Record<keyof Activities, null> = {
  buildShards: null,
  uploadInput: null,
  createBatch: null,
  watchBatches: null,
  pollBatches: null,
  fetchResults: null,
  settleRefusedShard: null,
  buildRetryShards: null,
  buildRebuyShards: null,
  buildPass: null,
  findBought: null,
  cancelBatch: null,
  checkAccount: null,
  assembleResults: null,
};
export const activityNames: readonly ActivityName[] = Object.keys(activities) as ActivityName[];
export type ActivityName = keyof Activities;

/**
 * The process dies in the n-th attempt of an activity, before or after the effect of a step: a call of the API, an
 * access to the store, or a piece of file work. Beyond the last step: before the result is reported. `given_up`: the
 * server gives the attempt up at that step, and it goes on while its successor runs.
 */
export interface Death {
  readonly activity: ActivityName;
  readonly nth: number;
  readonly step: number;
  readonly when: 'before' | 'after' | 'given_up';
}

/** `rows_…`: calls are accepted, and whatever runs ends in rows that say it. */
export const refusalKinds = [
  'status_401',
  'status_403',
  'insufficient_quota',
  'billing_limit',
  'rows_401',
  'rows_402',
  'rows_insufficient_quota',
  'rows_billing_limit',
] as const;

/** From a call on the key or the account is refused, until somebody has seen why the job pauses, and mends it. */
export interface Refusal {
  readonly atCall: number;
  readonly kind: (typeof refusalKinds)[number];
}

export const moveKinds = ['cancel', 'pause', 'reset', 'terminate'] as const;

/** What an operator does when the API has had so many calls; `pick` chooses the point of a reset. */
export interface Move {
  readonly atCall: number;
  readonly kind: (typeof moveKinds)[number];
  readonly pick: number;
}

/** How often each kind of trouble is drawn, against seven draws without it. */
const weight = {
  flawedLine: 0.4,
  junk: 1,
  damage: 2,
  counts: 4,
  words: 3,
  limits: 0.7,
  bytes: 1,
  listForm: 2,
  brokenList: 1,
  otherKey: 0.6,
  held: 1,
} as const;

const seldom = <T>(usual: T, other: fc.Arbitrary<T>, share: number = 1): fc.Arbitrary<T> =>
  fc.oneof(
    { arbitrary: fc.constant(usual), weight: 70 },
    { arbitrary: other, weight: Math.round(share * 10) },
  );

const lineRun: fc.Arbitrary<LineRun> = fc.constantFrom(
  'status_500',
  'status_429',
  'status_408',
  'status_409',
  'status_0',
  'bad_request',
  'error_body',
  'hopeless_body',
  'model_403',
  'model_404',
  'timeout',
  'no_row',
  'lost',
  'answer',
);

const line: fc.Arbitrary<LineScript> = fc.record({
  kind: fc.oneof(
    { arbitrary: fc.constant('chat' as const), weight: 10 },
    { arbitrary: fc.constantFrom('embedding' as const, 'response' as const, 'bad' as const), weight: 1 },
  ),
  customId: fc.oneof(
    fc.constant(null),
    fc.constantFrom('same', 'ünï\u2028 漢字', '"quoted\\', '7', '', '\u{1F600}'),
    fc.string({ maxLength: 8, unit: 'binary' }),
  ),
  runs: seldom([], fc.array(lineRun, { minLength: 1, maxLength: 3 }), 3),
  flaw: seldom<LineFlaw | null>(null, fc.constantFrom(...lineFlaws), weight.flawedLine),
});

const share = fc.integer({ min: 0, max: 4 }).map((quarters) => quarters / 4);

const batchEnd: fc.Arbitrary<BatchEnd> = fc.oneof(
  { arbitrary: fc.constant({ kind: 'completed' } as const), weight: 4 },
  {
    arbitrary: fc.record({
      kind: fc.constantFrom('expired' as const, 'cancelled' as const),
      afterShare: share,
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('refused' as const),
      why: fc.constantFrom(
        'token_limit' as const,
        'file_not_found' as const,
        'billing' as const,
        'model' as const,
      ),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('lines_refused' as const),
      every: fc.integer({ min: 1, max: 3 }),
    }),
    weight: 1,
  },
  { arbitrary: fc.constant({ kind: 'stuck' } as const), weight: 1 },
);

const junk = seldom<Junk | null>(
  null,
  fc.record({
    form: fc.constantFrom(...junkForms),
    lasts: fc.constantFrom('a while' as const, 'for ever' as const),
  }),
  weight.junk,
);

const fate: fc.Arbitrary<BatchFate> = fc.record({
  end: batchEnd,
  looks: fc.integer({ min: 0, max: 2 }),
  restRows: fc.boolean(),
  output: seldom<FileFate>('here', fc.constantFrom('late', 'missing', 'gone'), 2),
  errors: seldom<FileFate>('here', fc.constantFrom('late', 'missing', 'gone')),
  outputJunk: junk,
  errorsJunk: junk,
  absent: fc.constantFrom('null', 'empty', 'left_out'),
  words: seldom('usual', fc.constantFrom('capitals' as const, 'unknown' as const), weight.words),
  hiddenSweeps: seldom(0, fc.integer({ min: 1, max: 2 }), 3),
  unknownReads: seldom(0, fc.integer({ min: 1, max: 2 })),
  oddRows: seldom(
    [],
    fc.uniqueArray(
      fc.constantFrom<OddRow>(
        'strangers',
        'repeats',
        'contradictions',
        'no_last_newline',
        'empty_error_file',
        'body_as_text',
        'broken_row',
      ),
      { minLength: 1, maxLength: 3 },
    ),
    3,
  ),
  damage: seldom<RowDamage | null>(null, fc.constantFrom(...rowDamages), weight.damage),
  counts: seldom<CountsWord>('true', fc.constantFrom(...countsWords), weight.counts),
  earlyIds: seldom(false, fc.constant(true)),
  cancelledShare: share,
  ignoresCancel: seldom(false, fc.constant(true)),
});

/** Most steps of a job lie within its first dozens of calls. */
const atCall = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 }));

/** Random schedules: each kind of trouble in a part of them, so that simple and crowded ones both come up. */
export const schedules: fc.Arbitrary<Schedule> = fc.record({
  lines: fc.oneof(
    { arbitrary: fc.array(line, { minLength: 1, maxLength: 12 }), weight: 4 },
    { arbitrary: fc.array(line, { minLength: 13, maxLength: 40 }), weight: 1 },
  ),
  shardLines: fc.integer({ min: 2, max: 10 }),
  attempts: fc.integer({ min: 1, max: 3 }),
  inFlight: fc.integer({ min: 1, max: 5 }),
  stepQueues: fc.boolean(),
  rebuy: seldom(false, fc.constant(true), 2),
  giveUpAfterMs: seldom<number | null>(null, fc.integer({ min: 1, max: 2_000 })),
  maxHistoryEvents: fc.oneof(fc.constant(null), fc.integer({ min: 30, max: 120 })),
  list: fc.record({
    pageLines: fc.integer({ min: 1, max: 4 }),
    endless: seldom(false, fc.constant(true)),
    form: seldom('whole', fc.constantFrom('stale' as const, 'summaries' as const), weight.listForm),
    broken: seldom(
      null,
      fc.record({
        as: fc.constantFrom(...listTroubles),
        calls: fc.constantFrom(2, 10, Number.MAX_SAFE_INTEGER),
      }),
      weight.brokenList,
    ),
  }),
  limits: fc.record({
    bytes: seldom<number | null>(null, fc.constantFrom(100, 400, 1_000, 2_000), weight.limits),
    at: fc.constantFrom('files.create' as const, 'batches.create' as const),
    namedErrors: fc.integer({ min: 1, max: 3 }),
  }),
  bytes: seldom('true', fc.constantFrom('more' as const, 'less' as const, 'missing' as const), weight.bytes),
  fates: fc.array(fate, { maxLength: 5 }),
  calls: seldom(
    [],
    fc.array(
      fc.record({
        call: fc.constantFrom(...callKinds, 'batches.create' as const, 'batches.create' as const),
        nth: fc.integer({ min: 1, max: 4 }),
        fault: fc.constantFrom(...callFaults),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    9,
  ),
  deaths: seldom(
    [],
    fc.array(
      fc.record({
        activity: fc.constantFrom(...activityNames, 'createBatch' as const, 'fetchResults' as const),
        nth: fc.integer({ min: 1, max: 3 }),
        step: fc.integer({ min: 1, max: 10 }),
        when: fc.constantFrom('before' as const, 'after' as const, 'given_up' as const),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    9,
  ),
  refusals: seldom(
    [],
    fc.array(fc.record({ atCall, kind: fc.constantFrom(...refusalKinds) }), { minLength: 1, maxLength: 2 }),
    2,
  ),
  otherKey: seldom(
    null,
    fc.record({ atCall, calls: fc.constantFrom(3, 8, Number.MAX_SAFE_INTEGER) }),
    weight.otherKey,
  ),
  held: seldom(
    null,
    fc.record({
      call: fc.constantFrom(
        'files.create' as const,
        'files.content' as const,
        'batches.create' as const,
        'batches.retrieve' as const,
        'batches.cancel' as const,
      ),
      line: fc.integer({ min: 1, max: 8 }),
    }),
    weight.held,
  ),
  moves: seldom(
    [],
    fc.array(fc.record({ atCall, kind: fc.constantFrom(...moveKinds), pick: fc.nat({ max: 99 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    6,
  ),
});
