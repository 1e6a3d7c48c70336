import { BatchStatus, type BatchErrorEntry } from '../../core/batch-status.ts';
import { afterAttempt, AttemptCost, type AttemptLimits } from '../../core/line-attempts.ts';
import type { WholeRefusal } from '../../core/shard-plan.ts';
import type { EndedShard } from './ended-shard.ts';
import { lineState, type LineError, type ShardTally } from './shard-tally.ts';

/**
 * Decides how every line without a row ends, then applies the line's budget of attempts. Returns why the API refused the batch as a
 * whole, or null. `refusals`: the number of consecutive earlier batches of these lines that were refused as a whole.
 */
export function settleRest(tally: ShardTally, ended: EndedShard, refusals: number): WholeRefusal | null {
  const refusal = ended.status === BatchStatus.Failed ? settleRefused(tally, ended, refusals) : null;
  const { states, lines, errors, packs } = tally;
  const end = endOf(ended);
  for (let position = 0; position < states.length; position += 1) {
    if (states[position] !== lineState.none) continue;
    if (end === null) states[position] = lineState.cancelled;
    else tally.set(position, end.state, end.error);
  }
  for (const [position, { use }] of errors) {
    if (states[position] !== lineState.again && states[position] !== lineState.wrong) continue;
    const history = lines.historyOf(lines.numbers[position]!);
    const { again } = afterAttempt(history, use, limitsOf(ended));
    const isLast = use === AttemptCost.Answer && ended.cancelled === true;
    // The fault may be that of another line of the request: whatever the limit, each is sent alone before it fails.
    const isShared = use === AttemptCost.Attempt && packs.isShared(position);
    states[position] = (again || isShared) && !isLast ? lineState.again : lineState.failed;
  }
  return refusal;
}

/** After how many attempts the lines of a shard end `failed`. */
export function limitsOf({ attempts, answer }: EndedShard): AttemptLimits {
  return answer === undefined ? { attempts } : { attempts, answerAttempts: answer.attempts };
}

/** How lines without a row end; null for lines that a cancel ended. */
function endOf({ missing, status }: EndedShard): { state: number; error: LineError } | null {
  if (missing === 'cancelled') return null;
  if (missing === 'unavailable') {
    const message = 'The batch ended, but the API never offered this answer or deleted it.';
    return {
      state: lineState.failed,
      error: { code: 'answer_unavailable', message, use: AttemptCost.Attempt },
    };
  }
  const error: LineError =
    status === BatchStatus.Completed
      ? {
          code: 'missing_row',
          message: 'The batch completed without a row for this line.',
          use: AttemptCost.Attempt,
        }
      : {
          code: `batch_${status}`,
          message: `The batch ended ${status} before this line ran.`,
          use: AttemptCost.Idle,
        };
  return { state: lineState.again, error };
}

/**
 * Settles a batch that was refused as a whole: the lines that the API named fail, unless they shared a request, and the others are sent
 * again. If it named none, all are sent again, once unchanged and then in pieces (`shards/retry-groups.ts`), until the faulty line is alone.
 */
function settleRefused(tally: ShardTally, ended: EndedShard, refusals: number): WholeRefusal | null {
  const { states, lines, packs } = tally;
  if (states.some((state) => state !== lineState.none)) return null; // it has rows: it ran
  const named = namedLines(ended.refused, tally);
  for (const [position, { code, message }] of named) {
    const state = packs.isShared(position) ? lineState.again : lineState.failed;
    tally.set(position, state, { code, message, use: AttemptCost.Attempt });
  }
  if (ended.missing !== 'retry') return null;
  const { code, message } = reasonOf(ended.refused);
  const refusal = { code, message, named: named.size };
  if (named.size === 0 && states.length === 1 && refusals > 0) {
    tally.set(0, lineState.failed, { code, message, use: AttemptCost.Attempt });
    return refusal;
  }
  for (let position = 0; position < states.length; position += 1) {
    if (states[position] !== lineState.none) continue;
    if (named.size > 0) {
      const others = 'The API refused the batch for other lines of it.';
      tally.set(position, lineState.again, {
        code: 'batch_failed',
        message: others,
        use: AttemptCost.Nothing,
      });
      continue;
    }
    // The reason may be transient: the first refusal uses an attempt if the line has another one.
    const history = lines.historyOf(lines.numbers[position]!);
    const isFirst = refusals === 0 && afterAttempt(history, AttemptCost.Attempt, limitsOf(ended)).again;
    const use = isFirst ? AttemptCost.Attempt : AttemptCost.Nothing;
    tally.set(position, lineState.again, { code, message, use });
  }
  return refusal;
}

/** The lines of the requests that the API named, by position. */
function namedLines(
  refused: readonly BatchErrorEntry[],
  { packs, states }: ShardTally,
): Map<number, BatchErrorEntry> {
  const named = new Map<number, BatchErrorEntry>();
  for (const entry of refused)
    for (const position of entry.line === null ? [] : packs.positionsOf(entry.line - 1))
      if (position in states) named.set(position, entry);
  return named;
}

function reasonOf(refused: readonly BatchErrorEntry[]): Pick<BatchErrorEntry, 'code' | 'message'> {
  return (
    refused.find(({ line }) => line === null) ??
    refused[0] ?? {
      code: 'batch_failed',
      message: 'The API refused the batch as a whole and did not say why.',
    }
  );
}
