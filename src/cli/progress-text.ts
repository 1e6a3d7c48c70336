import { isEndState, type JobProgress } from '../core/progress.ts';
import { count, usd } from '../core/number-format.ts';

/** A job's progress in one line, for logs. */
export function progressLine(progress: JobProgress): string {
  const { round, lines, answered, failed, running, shards } = progress;
  return [
    stateOf(progress),
    `round ${round}`,
    `${count(answered)} of ${count(lines)} answered${failed > 0 ? `, ${count(failed)} failed` : ''}${running > 0 ? `, ${count(running)} more done at the API` : ''}`,
    `shards ${shards.done}/${shards.total}`,
    named('batches', batchesOf(progress)),
    named('tokens', tokensOf(progress)),
    named('cost', costOf(progress)),
    ...noticesOf(progress),
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

/** The state of a job, with its reason if it has one. */
export function stateOf({ state, reason }: JobProgress): string {
  return reason === null ? state : `${state}: ${oneLine(reason)}`;
}

/** The batches in flight by status. */
export function batchesOf({ batches }: JobProgress): string {
  const parts = Object.entries(batches).map(([status, n]) => `${n} ${oneLine(status)}`);
  return parts.join(', ');
}

/** The tokens of settled shards; empty before the first. */
export function tokensOf({ inputTokens, outputTokens }: JobProgress): string {
  return inputTokens + outputTokens === 0 ? '' : `${count(inputTokens)} in, ${count(outputTokens)} out`;
}

/** The cost of these tokens, with and without batches; empty if a price is unknown; workers of version 0.1 send no cost. */
export function costOf({
  state,
  inputTokens,
  outputTokens,
  costUsd,
  costUsdWithoutBatch,
}: JobProgress): string {
  if (costUsd == null || costUsdWithoutBatch == null || inputTokens + outputTokens === 0) return '';
  return `${usd(costUsd)}${isEndState(state) ? '' : ' so far'} (${usd(costUsdWithoutBatch)} without batches)`;
}

/** Sentences about steps that take longer than they should. */
export function noticesOf({ notices }: JobProgress): string[] {
  return (notices ?? []).map(oneLine); // a worker of version 0.1 sends none
}

function named(name: string, text: string): string {
  return text === '' ? '' : `${name}: ${text}`;
}

/** Removes control characters: a reason may contain text from outside, which could move the cursor. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ').trim();
}
