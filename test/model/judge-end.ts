import type { JobReport } from '../../src/core/progress.ts';
import type { Row } from '../support/file-job.ts';
import { failures, type ApiBatch } from './api-batch.ts';
import type { Schedule } from './schedule.ts';

/** What the end of a job is judged by. */
export interface JobEnd {
  readonly schedule: Schedule;
  readonly batches: readonly ApiBatch[];
  readonly rows: readonly Row[];
  readonly report: JobReport;
  /** True when the job was told to cancel. */
  readonly cancelled: boolean;
}

/** How a line left a batch, by the design's table. */
type Fate =
  | { readonly kind: 'answered' }
  | { readonly kind: 'failed'; readonly code: string | null }
  | { readonly kind: 'again'; readonly counts: boolean; readonly code: string | null };

/** Lines whose tries never ran end so. */
const MAX_FREE_TRIES = 20;

/** Compares a job's rows and report with what its batches have really done; answers what is wrong. */
export function judgeEnd(end: JobEnd): string[] {
  const { schedule, batches, rows, report } = end;
  const wrong: string[] = [];
  const lines = schedule.lines.length;
  if (rows.map(({ line }) => line).join() !== Array.from({ length: lines }, (_, i) => i + 1).join())
    wrong.push(`rows are not the ${lines} lines in order: ${rows.map(({ line }) => line).join()}`);
  for (const batch of batches) {
    if (!batch.isEnded) wrong.push(`${batch.id} (${batch.key}) was left ${batch.status}`);
    else if (batch.offers('output') && !batch.readToEnd.has('output'))
      wrong.push(`the output of ${batch.id} (${batch.key}) was never read to its end`);
  }
  for (const row of rows) wrong.push(...judgeRow(end, row));
  const ended = (status: Row['status']): number => rows.filter((row) => row.status === status).length;
  const answered = rows.filter(({ status }) => status === 'answered');
  const sums = {
    lines,
    answered: answered.length,
    failed: ended('failed'),
    cancelled: ended('cancelled'),
    batches: batches.length,
    input_tokens: answered.reduce((sum, { usage }) => sum + usage!.input_tokens, 0),
    output_tokens: answered.reduce((sum, { usage }) => sum + usage!.output_tokens, 0),
  };
  for (const [name, value] of Object.entries(sums)) {
    const reported = report[name as keyof typeof sums];
    if (reported !== value) wrong.push(`the report says ${name} ${reported}, it is ${value}`);
  }
  return wrong;
}

function judgeRow({ schedule, batches, cancelled }: JobEnd, row: Row): string[] {
  const script = schedule.lines[row.line - 1]!;
  const wrong: string[] = [];
  const say = (what: string): void => void wrong.push(`line ${row.line}: ${what}`);
  const id = script.kind === 'bad' ? String(row.line) : (script.customId ?? String(row.line));
  if (row.id !== id) say(`has id ${JSON.stringify(row.id)} instead of ${JSON.stringify(id)}`);
  if (script.kind === 'bad') {
    if (row.status !== 'failed' || row.error?.code !== 'bad_line') say(`is bad and ended ${row.status}`);
    return wrong;
  }
  const tries = batches.filter(
    (batch) => batch.lines.includes(row.line) && !batch.isSentBack && batch.isEnded,
  );
  if (row.attempts !== tries.length) say(`says ${row.attempts} attempts of ${tries.length}`);
  let charged = 0;
  let end: Fate | null = null;
  for (const [index, batch] of tries.entries()) {
    if (end !== null) {
      say(`went again in ${batch.id} after it had ended ${end.kind}`);
      return wrong;
    }
    const fate: Fate = fateIn(batch, row.line, schedule.rebuy);
    if (fate.kind === 'again') {
      if (fate.counts) charged += 1;
      if (charged >= schedule.attempts || index + 1 - charged >= MAX_FREE_TRIES)
        end = { kind: 'failed', code: fate.code };
    } else {
      end = fate;
    }
  }
  const last = tries.at(-1);
  switch (row.status) {
    case 'answered': {
      const answer = last?.ran.get(row.line);
      if (end?.kind !== 'answered') say(`ended answered, but ${expected(end)}`);
      else if (JSON.stringify(row.response) !== JSON.stringify(answer!.body))
        say('has an answer that is not its own');
      else if (
        row.usage?.input_tokens !== answer!.inputTokens ||
        row.usage.output_tokens !== answer!.outputTokens
      )
        say('has the wrong usage');
      break;
    }
    case 'failed':
      if (end?.kind !== 'failed') say(`ended failed (${row.error?.code}), but ${expected(end)}`);
      else if (end.code !== null && row.error?.code !== end.code)
        say(`ended with ${row.error?.code} instead of ${end.code}`);
      break;
    case 'cancelled':
      if (!cancelled) say('ended cancelled, but nobody cancelled the job');
      if (end !== null) say(`ended cancelled, but ${expected(end)}`);
      break;
    default:
      row.status satisfies never;
  }
  if (row.status !== 'cancelled' && row.batch_id !== last?.id)
    say(`names ${row.batch_id} instead of ${last?.id}`);
  return wrong;
}

function expected(end: Fate | null): string {
  if (end === null) return 'its batches say that it should go again';
  return `its batches say ${end.kind}${end.kind === 'failed' ? ` (${end.code})` : ''}`;
}

/** The design's table, row by row, from what the API really did. */
function fateIn(batch: ApiBatch, line: number, rebuy: boolean): Fate {
  const execution = batch.ran.get(line);
  const run = execution?.run ?? null;
  const shows = (file: 'output' | 'errors'): boolean => batch.offers(file);
  if (run === 'answer' && shows('output')) return { kind: 'answered' };
  if (run === 'timeout' && shows('errors')) return { kind: 'again', counts: true, code: 'request_timeout' };
  if (run === null && batch.fate.restRows && batch.status !== 'failed' && shows('errors')) {
    const code = batch.status === 'expired' ? 'batch_expired' : 'batch_cancelled';
    return { kind: 'again', counts: false, code };
  }
  if (run !== null && run !== 'answer' && run !== 'timeout' && run !== 'no_row' && run !== 'lost') {
    const { file, final, code } = failures[run];
    if (shows(file)) return final ? { kind: 'failed', code } : { kind: 'again', counts: true, code };
  }
  return fateWithoutRow(batch, line, rebuy);
}

function fateWithoutRow(batch: ApiBatch, line: number, rebuy: boolean): Fate {
  const completed = batch.status === 'completed';
  if (batch.status === 'failed') {
    const position = batch.lines.indexOf(line) + 1;
    const named = batch.errors.find((entry) => entry.line === position);
    if (named !== undefined) return { kind: 'failed', code: named.code };
    const whole = batch.errors.find((entry) => entry.line === null);
    return whole === undefined
      ? { kind: 'again', counts: false, code: null }
      : { kind: 'failed', code: whole.code };
  }
  const wasNamed = batch.files.output !== null && batch.fate.output !== 'missing';
  const outputLost = !batch.offers('output') && (wasNamed || completed || batch.countedDone > 0);
  const errorsLost = batch.files.errors !== null && batch.fate.errors === 'gone';
  // Of a batch that ran and offers no file at all nobody can say what it answered.
  const unknown = !batch.offers('output') && !batch.offers('errors');
  if ((outputLost || errorsLost || unknown) && !rebuy) return { kind: 'failed', code: 'answer_unavailable' };
  return { kind: 'again', counts: completed, code: completed ? 'missing_row' : null };
}
