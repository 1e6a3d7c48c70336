import { isDeepStrictEqual } from 'node:util';
import type { JobReport } from '../../src/core/progress.ts';
import type { Row } from '../support/file-job.ts';
import { failures, TEN_MINUTES_MS, type ApiBatch } from './api-batch.ts';
import type { Schedule } from './schedule.ts';
import type { RefusedInput } from './scripted-api.ts';

/** The facts by which the end of a job is judged. */
export interface JobEnd {
  readonly schedule: Schedule;
  readonly api: {
    readonly batches: readonly ApiBatch[];
    readonly refusedInputs: readonly RefusedInput[];
    readonly listMustWork: boolean;
    readonly hasUnsureCreate: boolean;
  };
  readonly rows: readonly Row[];
  readonly report: JobReport;
  /** True once the operator has cancelled the job. */
  readonly cancelled: boolean;
}

/** The tries without an execution after which a line may fail (README: "at most 20 times"). */
const FREE_TRIES = 20;

/**
 * Returns what is wrong with a job's end. Only facts of the API count (what ran, what was paid, what could be read, and for how
 * long it was requested), and only the guarantees:
 *
 * - every line ends exactly once;
 * - a paid answer that the API offers within ten minutes is returned, and every ended batch is read;
 * - a line fails only for a reason of the API that no further try can change, or when its attempts are used up;
 * - `answer_unavailable` and `answer_unreadable` are for answers that could not be fetched or read;
 * - lines are cancelled only after a cancel.
 *
 * `ScriptedApi` judges at each purchase that nothing is bought twice. The oracle uses nothing of the product: no counts, no
 * status names, none of its clocks.
 */
export function judgeEnd(end: JobEnd): string[] {
  const { schedule, api, rows } = end;
  const wrong: string[] = [];
  const lines = schedule.lines.length;
  if (rows.map(({ line }) => line).join() !== Array.from({ length: lines }, (_, i) => i + 1).join())
    wrong.push(`rows are not the ${lines} lines in order: ${rows.map(({ line }) => line).join()}`);
  for (const batch of api.batches) {
    // A batch after the end is not polled: its creator cancels it.
    if (batch.about.byZombie && (batch.cancelAsked || batch.cancelTried)) continue;
    if (!batch.isEnded) wrong.push(`${batch.id} (${batch.key}) was left ${batch.status}`);
    else if (batch.offers('output') && !batch.readToEnd.has('output'))
      wrong.push(`the output of ${batch.id} (${batch.key}) was never read to its end`);
  }
  for (const row of rows) wrong.push(...judgeRow(end, row).map((what) => `line ${row.line}: ${what}`));
  return [...wrong, ...judgeReport(end)];
}

function judgeReport({ schedule, api, rows, report }: JobEnd): string[] {
  const wrong: string[] = [];
  const count = (status: Row['status']): number => rows.filter((row) => row.status === status).length;
  const hasDuplicate = new Set(api.batches.map(({ key }) => key)).size < api.batches.length;
  const sums = {
    lines: schedule.lines.length,
    answered: count('answered'),
    failed: count('failed'),
    cancelled: count('cancelled'),
    ...(hasDuplicate ? {} : { batches: api.batches.length }),
  };
  for (const [name, value] of Object.entries(sums)) {
    const reported = report[name as keyof typeof sums];
    if (reported !== value) wrong.push(`the report says ${name} ${reported}, it is ${value}`);
  }
  const failed = rows.filter(({ status }) => status === 'failed').map(({ line }) => line);
  const named = (report.first_failed ?? []).map(({ line }) => line);
  if (!isDeepStrictEqual(named, failed.slice(0, 5)))
    wrong.push(`the report names ${named.join()} of the failed lines ${failed.join()}`);
  // Paid tokens that could not be used may be counted, unpaid ones may not.
  for (const [name, key] of [
    ['input_tokens', 'inputTokens'],
    ['output_tokens', 'outputTokens'],
  ] as const) {
    const used = rows.reduce((sum, { usage }) => sum + (usage?.[name] ?? 0), 0);
    const paid = api.batches.reduce(
      (sum, { ran }) => sum + [...ran.values()].reduce((all, execution) => all + execution[key], 0),
      0,
    );
    if (report[name] < used || report[name] > paid)
      wrong.push(`the report says ${name} ${report[name]}, of which ${used} were used and ${paid} paid`);
  }
  return wrong;
}

function judgeRow(end: JobEnd, row: Row): string[] {
  const { schedule, api, cancelled } = end;
  const script = schedule.lines[row.line - 1]!;
  const wrong: string[] = [];
  const say = (what: string): void => void wrong.push(what);
  const id = script.kind === 'bad' ? String(row.line) : (script.customId ?? String(row.line));
  if (row.id !== id) say(`has id ${JSON.stringify(row.id)} instead of ${JSON.stringify(id)}`);
  if (script.kind === 'bad') {
    if (row.status !== 'failed' || row.error?.code !== 'bad_line') say(`is bad and ended ${row.status}`);
    return wrong;
  }
  const tries = api.batches.filter((batch) => batch.lines.includes(row.line));
  const late = ({ about, isEnded }: ApiBatch): boolean => about.byZombie && !isEnded;
  const answers = tries.filter((batch) => !late(batch) && batch.isPaid(row.line));
  const readable = answers.filter((batch) => batch.readingOf(row.line) === 'readable');
  if (row.status !== 'answered' && readable.length > 0) {
    say(`ended ${describe(row)}, but its answer can be read in ${readable.map(({ id: at }) => at).join()}`);
    return wrong;
  }
  const most = tries.length;
  const fewest = new Set(tries.filter(({ status }) => status !== 'failed').map(({ key }) => key)).size;
  if (row.attempts < fewest || row.attempts > most)
    say(`says ${row.attempts} attempts of ${fewest} to ${most}`);
  if (row.batch_id !== null && !tries.some(({ id: at }) => at === row.batch_id))
    say(`names ${row.batch_id}, which never held it`);
  switch (row.status) {
    case 'answered':
      wrong.push(...judgeAnswer(tries, row));
      break;
    case 'failed': {
      const why = whyMayNotFail(end, tries, row);
      if (why !== null) say(`ended ${describe(row)}, but ${why}`);
      break;
    }
    case 'cancelled':
      if (!cancelled) say('ended cancelled, but the job was not cancelled');
      if (answers.some((batch) => batch.readingOf(row.line) === 'unreadable'))
        say('ended cancelled, but it has an answer, if an unreadable one');
      break;
    default:
      row.status satisfies never;
  }
  return wrong;
}

function judgeAnswer(tries: readonly ApiBatch[], row: Row): string[] {
  // The row of the batch that was kept may hold a duplicate's answer.
  const given = tries.filter((batch) => isDeepStrictEqual(batch.answerTo(row.line), row.response));
  const batch = given.find(({ id }) => id === row.batch_id) ?? given[0];
  if (batch === undefined) return ['has an answer that is not its own'];
  const { inputTokens, outputTokens } = batch.ran.get(row.line)!;
  const wrong = batch.id === row.batch_id ? [] : [`names ${row.batch_id} instead of ${batch.id}`];
  if (row.usage?.input_tokens !== inputTokens || row.usage.output_tokens !== outputTokens)
    wrong.push('has the wrong usage');
  return wrong;
}

/** The reason why a line without a readable answer must not fail with its code; null if it may. */
function whyMayNotFail(end: JobEnd, tries: readonly ApiBatch[], row: Row): string | null {
  const { line } = row;
  const code = row.error?.code ?? '';
  if (code === 'answer_unavailable') return whyIsAvailable(end, tries, line);
  const unreadable = tries.some((batch) => batch.readingOf(line) === 'unreadable');
  if (code === 'answer_unreadable') {
    const isCutInArray = tries.some((batch) => batch.isCut(line) && batch.hasRowInArray(line));
    return unreadable || isCutInArray ? null : 'no row of it is unreadable';
  }
  if (unreadable) return 'it has an answer, if an unreadable one';
  if (code === '') return 'without a reason';
  const last = tries.at(-1);
  // Refused permanently before it could run.
  const refused = end.api.refusedInputs.filter(({ lines }) => lines.includes(line));
  if (refused.some(({ lines, tooLarge }) => !tooLarge || lines.length === 1)) return null;
  if (last === undefined)
    return refused.length > 0 ? 'only together with others it was too large' : 'it was never sent';
  if (last.status === 'failed') return whyMayNotFailUnrun(end, tries, line);
  const run = last.ran.get(line)?.run ?? null;
  const isReadable = last.readingOf(line) === 'readable';
  if (run === 'account' && isReadable) return 'only the account was refused';
  if (run !== null && run in failures) {
    const failure = failures[run as keyof typeof failures];
    if (isReadable && failure.code !== null && code !== failure.code) return `its row says ${failure.code}`;
    // Rows in a JSON array give the same reason.
    if (failure.final && (isReadable || code === failure.code)) return null;
  }
  return whyMayNotBeUsedUp(end.schedule, tries, line);
}

/** The reason why a line must not fail with its batch; null if it may. */
function whyMayNotFailUnrun(end: JobEnd, tries: readonly ApiBatch[], line: number): string | null {
  const { schedule } = end;
  const last = tries.at(-1)!;
  const flaw = schedule.lines[line - 1]!.flaw;
  const named = last.errors.some((entry) => entry.line === last.lines.indexOf(line) + 1);
  if (named || flaw === 'poison') return null;
  if (last.errors.every((entry) => entry.line !== null)) return 'its batch was refused for other lines';
  if (last.isSentBack) return 'its batch was refused for a reason other than its lines';
  if (last.lines.length === 1) return null; // it was refused alone
  const whole = tries.filter(({ status, isSentBack }) => status === 'failed' && !isSentBack);
  const suspects = whole[0]!.lines.filter((each) => schedule.lines[each - 1]!.flaw === 'poison');
  if (whole[0]!.lines.length > 1 && suspects.length === 1)
    return `only line ${suspects.join()} of its batch is at fault`;
  return null;
}

function whyMayNotBeUsedUp(schedule: Schedule, tries: readonly ApiBatch[], line: number): string | null {
  const never = tries.filter((batch) => !batch.ran.has(line) && !batch.isSentBack);
  if (never.length >= FREE_TRIES) return null;
  // A batch that is refused as a whole uses an attempt, and a line without a row may use one.
  const charged = tries.filter((batch) => {
    const run = batch.ran.get(line)?.run;
    // With an unknown status the end of the batch is unknown.
    if (run === undefined && batch.fate.statusForm === 'unknown') return true;
    const isAccount = run === 'account' && batch.readingOf(line) === 'readable';
    return (run !== undefined && !isAccount) || (batch.status === 'failed' && !batch.isSentBack);
  });
  return charged.length >= schedule.attempts
    ? null
    : `it has used ${charged.length} of ${schedule.attempts} attempts`;
}

/** The reason why a line must not end `answer_unavailable`; null if it may. */
function whyIsAvailable({ schedule, api }: JobEnd, tries: readonly ApiBatch[], line: number): string | null {
  const last = tries.findLast(({ status }) => status !== 'failed');
  if (last === undefined) {
    // As far as its caller knows, a create whose reply was lost may have bought it.
    const refused = api.refusedInputs.some(({ lines }) => lines.includes(line));
    const isListRefused = schedule.list.broken?.as.startsWith('status_4') ?? false;
    const isUnsure = (refused && api.listMustWork) || (api.hasUnsureCreate && isListRefused);
    return isUnsure ? null : 'it was never bought';
  }
  if (last.isContentRefused) return null;
  const reading = last.readingOf(line);
  if (reading !== 'never') return `its row can be read (${reading})`;
  if (last.askedMs < TEN_MINUTES_MS / 2) return `${last.id} was asked for ${last.askedMs} ms only`;
  if (schedule.rebuy) return 'it had to be bought again';
  const isClear = last.offers('output') && (last.files.errors === null || last.offers('errors'));
  return isClear ? `the files of ${last.id} are whole and do not hold it` : null;
}

function describe({ status, error }: Row): string {
  return error === null ? status : `${status} (${error.code})`;
}
