import {
  activityNames,
  callFaults,
  countsForms,
  junkForms,
  lineFlaws,
  listTroubles,
  moveKinds,
  refusalKinds,
  rowDamages,
} from './schedule.ts';

/** Never called by these jobs (old histories call the first, `--retry-failed` the second), or by few of them (the last one). */
const rare: readonly string[] = ['pollBatches', 'buildPass', 'checkAccount'];

/** The names of all faults and actions that a run of some hundred schedules covers. */
const expected: readonly string[] = [
  ...callFaults.map((fault) => `call: ${fault}`),
  ...activityNames
    .filter((name) => !rare.includes(name))
    .flatMap((name) => [`death: in ${name}`, `given up: ${name}`]),
  ...moveKinds.map((kind) => `operator: ${kind}`),
  ...refusalKinds.map((kind) => `account: ${kind}`),
  ...[
    'status_408',
    'status_409',
    'status_429',
    'status_500',
    'status_0',
    'bad_request',
    'error_body',
    'hopeless_body',
    'model_403',
    'model_404',
    'timeout',
    'no_row',
    'lost',
  ].map((run) => `line: ${run}`),
  'batch: expired',
  'batch: cancelled',
  'batch: cancelled by us',
  'batch: refused token_limit',
  'batch: refused file_not_found',
  'batch: refused billing',
  'batch: refused model',
  'batch: lines_refused',
  'batch: stuck',
  ...countsForms.map((form) => `batch: counts ${form}`),
  'batch: file ids early',
  'batch: status words capitals',
  'batch: status words unknown',
  'batch: states skipped',
  'batch: unknown to a read',
  ...['output', 'errors'].flatMap((file) =>
    ['late', 'missing', 'gone', ...junkForms.flatMap((form) => [`${form} a while`, `${form} for ever`])].map(
      (fate) => `file: ${file} ${fate}`,
    ),
  ),
  ...['more', 'less', 'missing'].map((bytes) => `file: bytes ${bytes}`),
  ...lineFlaws.map((flaw) => `line: ${flaw}`),
  'input: too large for files.create',
  'input: too large for batches.create',
  'file: absent is empty',
  'file: absent is left_out',
  'rows: none for lines that never ran',
  ...[
    'strangers',
    'repeats',
    'contradictions',
    'no_last_newline',
    'empty_error_file',
    'body_as_text',
    'broken_row',
    ...rowDamages,
  ].map((odd) => `rows: ${odd}`),
  'list: lag',
  'list: several pages',
  'list: endless paging',
  'list: stale',
  'list: summaries',
  ...listTroubles.map((trouble) => `list: ${trouble}`),
  'key: another project',
  ...['files.create', 'files.content', 'batches.create', 'batches.retrieve', 'batches.cancel'].map(
    (call) => `held: ${call}`,
  ),
  'job: paused by itself',
];

/** Names that were never counted. A seed may miss a rare one; many missing names mean a broken generator. */
export function missingFrom(struck: ReadonlyMap<string, number>): { names: string[]; areMany: boolean } {
  const names = expected.filter((name) => !struck.has(name));
  return { names, areMany: names.length > expected.length / 20 };
}

/** The number of schedules by fault or action. */
export function coverageTable(struck: ReadonlyMap<string, number>, schedules: number): string {
  const rows = [...struck]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, n]) => `${String(n).padStart(5)}  ${name}`);
  return [`of ${schedules} schedules that passed, so many had:`, ...rows].join('\n');
}
