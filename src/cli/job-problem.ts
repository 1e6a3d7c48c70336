import type { JobStatus } from '../client/index.ts';
import { JobState } from '../core/progress.ts';
import { oneLine } from './progress-text.ts';

/** The reason why a job makes no progress, in one line; null if none is known. */
export function problemOf({ status, report, progress, retries }: JobStatus): string | null {
  if (status !== 'RUNNING' || report !== null) return null;
  if (progress === null)
    return 'No worker responds: start one with `durable-batch worker`, or run the job with `durable-batch run`.';
  if (progress.state === JobState.Paused) return `The job is paused: ${oneLine(progress.reason ?? '')}`;
  const failing = retries.filter(({ waits }) => !waits);
  const reported = failing.length > 0 ? failing : retries;
  const [first] = reported;
  if (first === undefined) return null;
  const more = reported.length === 1 ? '' : ` (and ${reported.length - 1} more)`;
  const state = first.waits ? 'waits' : 'failed and is retried automatically';
  return `Step ${first.activity} ${state}: ${oneLine(first.reason)}${more}`;
}

/** Reports why a job makes no progress, once for each reason, and when it continues. */
export class ProblemReporter {
  private readonly say: (text: string) => void;
  private last: string | null = null;

  constructor(say: (text: string) => void) {
    this.say = say;
  }

  readonly report = (status: JobStatus): void => {
    const problem = problemOf(status);
    // A change of the number of other steps is not reported.
    const reason = problem?.replace(/ \(and \d+ more\)$/, '') ?? null;
    if (reason === this.last) return;
    this.last = reason;
    if (problem !== null) this.say(problem);
    else if (status.status === 'RUNNING' && status.report === null) this.say('The job continues.');
  };
}
