/** What an attempt without an answer uses up. */
export const AttemptCost = {
  /** One of the line's attempts. */
  Attempt: 'attempt',
  /** One of `MAX_IDLE_ATTEMPTS`: its batch expired, or someone else cancelled it. */
  Idle: 'idle',
  /** One of the line's `answerAttempts`: it was answered, and the answer is invalid, a refusal or cut. */
  Answer: 'answer',
  /** Nothing: the round made progress elsewhere, or a user has to act before the line is sent again. */
  Nothing: 'nothing',
} as const;
export type AttemptCost = (typeof AttemptCost)[keyof typeof AttemptCost];

/** Attempts that never ran, before a line ends `failed`: without the limit a job could run forever. */
const MAX_IDLE_ATTEMPTS = 20;

/** The counters that a line carries from one round to the next. */
export interface LineHistory {
  /** How often the line was put into a batch. */
  readonly sent: number;
  /** How many of those counted against `attempts`. */
  readonly charged: number;
  /** How many of those ended before the line ran, without progress elsewhere. */
  readonly idle: number;
  /** How many answers it has had that are invalid, refusals or cut; absent for none. */
  readonly wrong?: number;
}

/** After how many attempts of a kind a line ends `failed`. */
export interface AttemptLimits {
  readonly attempts: number;
  /** Wrong answers. @default no limit: the job does not check them */
  readonly answerAttempts?: number;
}

/** Returns a line's history after one more attempt, and whether it may be sent again. */
export function afterAttempt(
  before: LineHistory,
  use: AttemptCost,
  { attempts, answerAttempts = Number.POSITIVE_INFINITY }: AttemptLimits,
): LineHistory & { readonly again: boolean } {
  const sent = before.sent + 1;
  const charged = before.charged + (use === AttemptCost.Attempt ? 1 : 0);
  const idle = before.idle + (use === AttemptCost.Idle ? 1 : 0);
  const wrong = (before.wrong ?? 0) + (use === AttemptCost.Answer ? 1 : 0);
  const again = charged < attempts && idle < MAX_IDLE_ATTEMPTS && wrong < answerAttempts;
  return { sent, charged, idle, ...(wrong === 0 ? {} : { wrong }), again };
}
