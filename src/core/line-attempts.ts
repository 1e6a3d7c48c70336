/** What a try that gave no answer uses up. */
export const AttemptCost = {
  /** One of the line's attempts. */
  Attempt: 'attempt',
  /** Nothing, but a line goes again only so often that way: its batch expired or was cancelled by others. */
  Idle: 'idle',
  /** Nothing at all: the round made progress elsewhere, or a person has to act before the line goes again. */
  Nothing: 'nothing',
} as const;
export type AttemptCost = (typeof AttemptCost)[keyof typeof AttemptCost];

/** Lines whose tries never ran go again this often before they end `failed`, so that no job runs for ever. */
const MAX_IDLE_ATTEMPTS = 20;

/** What a line carries from one round to the next. */
export interface LineHistory {
  /** How often the line was put into a batch. */
  readonly sent: number;
  /** How many of those counted against `attempts`. */
  readonly charged: number;
  /** How many of those ended before the line ran, and nothing was gained by it. */
  readonly idle: number;
}

/** A line's history after one more try, and whether it may go again. */
export function afterAttempt(
  before: LineHistory,
  use: AttemptCost,
  attempts: number,
): LineHistory & { readonly again: boolean } {
  const sent = before.sent + 1;
  const charged = before.charged + (use === AttemptCost.Attempt ? 1 : 0);
  const idle = before.idle + (use === AttemptCost.Idle ? 1 : 0);
  return { sent, charged, idle, again: charged < attempts && idle < MAX_IDLE_ATTEMPTS };
}
