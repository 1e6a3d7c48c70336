import fc from 'fast-check';
import type { Activities } from '../../src/activities/index.ts';

/**
 * A schedule: one job and all its faults. It is plain data, so that fast-check can generate, print and shrink
 * it; an empty one is a job without faults.
 */
export interface Schedule {
  readonly lines: readonly LineScript[];
  readonly shardLines: number;
  readonly attempts: number;
  readonly inFlight: number;
  /** True when long steps have task queues of their own, so that polls continue. */
  readonly stepQueues: boolean;
  readonly rebuy: boolean;
  readonly giveUpAfterMs: number | null;
  /** A run continues as new after so many events; null: when the server suggests it, which never happens here. */
  readonly maxHistoryEvents: number | null;
  readonly list: ListScript;
  readonly limits: ApiLimits;
  /** How the `bytes` of file objects compare with the files. */
  readonly bytes: BytesForm;
  /** The fate of the n-th batch; later ones have no fault. */
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
  /** The outcomes of its executions, in order; later ones give an answer. */
  readonly runs: readonly LineRun[];
  /** The reason why the API refuses a file or batch with this line; null for most lines. */
  readonly flaw: LineFlaw | null;
}

/**
 * The permanent effect of a line on the file or batch that contains it.
 * - `named`: its batch fails validation, which names the line.
 * - `poison`: its batch fails as a whole, with an unknown code and without a line.
 * - `upload_400`, `create_400`, `create_403_model`: that call is refused.
 * - `content_400`: every read of the output file of its batch is refused.
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

/** The outcome of one execution of a line. `no_row` was never run, `lost` was run and paid; neither leaves a row. */
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

/** The limits of the API. */
export interface ApiLimits {
  /** A larger input is refused with 413; null: no limit. */
  readonly bytes: number | null;
  /** The call that refuses it. */
  readonly at: 'files.create' | 'batches.create';
  /** The most bad lines that validation names. */
  readonly namedErrors: number;
}

export type BytesForm = 'true' | 'more' | 'less' | 'missing';

/** How the server lists batches. */
export interface ListScript {
  readonly pageLines: number;
  /** The list always reports more pages, and starts over. */
  readonly endless: boolean;
  /** `stale`: it shows each batch as it was when it was first listed; `summaries`: without counts, errors and files. */
  readonly form: 'whole' | 'stale' | 'summaries';
  /** The reply to its first calls instead of a list. */
  readonly broken: { readonly as: ListTrouble; readonly calls: number } | null;
}
export const listTroubles = ['status_500', 'html_200', 'status_404', 'status_405'] as const;
export type ListTrouble = (typeof listTroubles)[number];

/** From this call on, every read goes to another project, which has none of our batches and files. */
export interface OtherKey {
  readonly atCall: number;
  /** It ends after so many calls, or when the operator corrects the key because the job paused. */
  readonly calls: number;
}

/** Calls of this kind for a file or batch with this line fail with 500 until the job's other batches are done. */
export interface Held {
  readonly call: 'files.create' | 'files.content' | 'batches.create' | 'batches.retrieve' | 'batches.cancel';
  readonly line: number;
}

/** How a batch ends unless it is cancelled. */
export type BatchEnd =
  | { readonly kind: 'completed' }
  | { readonly kind: 'expired' | 'cancelled'; readonly afterShare: number }
  /** Refused as a whole. */
  | { readonly kind: 'refused'; readonly why: 'token_limit' | 'file_not_found' | 'billing' | 'model' }
  /** Refused for some of its lines. */
  | { readonly kind: 'lines_refused'; readonly every: number }
  /** Runs far beyond its window, unless it is cancelled. */
  | { readonly kind: 'stuck' };

/** The fate of a batch. */
export interface BatchFate {
  readonly end: BatchEnd;
  /** Reads and lists of it before it ends. */
  readonly readsToEnd: number;
  /** False: lines that never ran have no row. */
  readonly restRows: boolean;
  readonly output: FileFate;
  readonly errors: FileFate;
  /** The content that reads of the file get instead, at first or always. */
  readonly outputJunk: Junk | null;
  readonly errorsJunk: Junk | null;
  readonly absent: 'null' | 'empty' | 'left_out';
  /** How its status is written. `unknown`: as another server writes it, also for a while after the end. */
  readonly statusForm: 'usual' | 'capitals' | 'unknown';
  /** Reads of the list that do not show it yet. */
  readonly hiddenLists: number;
  /** Reads of it that return 404 first. */
  readonly unknownReads: number;
  readonly oddRows: readonly OddRow[];
  /** Every second answer is in a row that is not strict JSON or UTF-8. */
  readonly damage: RowDamage | null;
  readonly counts: CountsForm;
  readonly earlyIds: boolean;
  /** Share of its lines that are done when the job cancels it. */
  readonly cancelledShare: number;
  readonly ignoresCancel: boolean;
}

export const junkForms = ['empty', 'error_object', 'json_array'] as const;
export interface Junk {
  readonly form: (typeof junkForms)[number];
  readonly lasts: 'a while' | 'for ever';
}

/** `cut` cannot be repaired; the others can be read. */
export const rowDamages = ['not_a_number', 'control_character', 'trailing_comma', 'bad_utf8', 'cut'] as const;
export type RowDamage = (typeof rowDamages)[number];

export const countsForms = ['zeros', 'too_many', 'too_few', 'null', 'missing'] as const;
export type CountsForm = 'true' | (typeof countsForms)[number];

/** The file of an ended batch: named at once, named after a while, never named, or named but deleted. */
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

/** The fault of the n-th call of a kind. */
export interface CallScript {
  readonly call: CallKind;
  readonly nth: number;
  readonly fault: CallFault;
}

/** Typed, so that the compiler reports a missing activity. */
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
 * access to the store, or a call of file work. After the last step: before the result is reported. `given_up`: the
 * server gives up the attempt at that step, and it continues while the next attempt runs.
 */
export interface Death {
  readonly activity: ActivityName;
  readonly nth: number;
  readonly step: number;
  readonly when: 'before' | 'after' | 'given_up';
}

/** `rows_…`: calls are accepted, and lines that run end in rows with this error. */
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

/** From this call on, the key or the account is refused, until the operator reads why the job pauses and fixes it. */
export interface Refusal {
  readonly atCall: number;
  readonly kind: (typeof refusalKinds)[number];
}

export const moveKinds = ['cancel', 'pause', 'reset', 'terminate'] as const;

/** An operator's action after so many calls of the API; `pick` chooses the point of a reset. */
export interface Move {
  readonly atCall: number;
  readonly kind: (typeof moveKinds)[number];
  readonly pick: number;
}

/** How often each kind of fault is drawn, against seven draws without it. */
const weight = {
  flawedLine: 0.4,
  junk: 1,
  damage: 2,
  counts: 4,
  statusForm: 3,
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
  readsToEnd: fc.integer({ min: 0, max: 2 }),
  restRows: fc.boolean(),
  output: seldom<FileFate>('here', fc.constantFrom('late', 'missing', 'gone'), 2),
  errors: seldom<FileFate>('here', fc.constantFrom('late', 'missing', 'gone')),
  outputJunk: junk,
  errorsJunk: junk,
  absent: fc.constantFrom('null', 'empty', 'left_out'),
  statusForm: seldom('usual', fc.constantFrom('capitals' as const, 'unknown' as const), weight.statusForm),
  hiddenLists: seldom(0, fc.integer({ min: 1, max: 2 }), 3),
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
  counts: seldom<CountsForm>('true', fc.constantFrom(...countsForms), weight.counts),
  earlyIds: seldom(false, fc.constant(true)),
  cancelledShare: share,
  ignoresCancel: seldom(false, fc.constant(true)),
});

/** Most jobs have only a few dozen calls. */
const atCall = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 }));

/** Random schedules: each kind of fault is in a part of them, so that some have few faults and some have many. */
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
