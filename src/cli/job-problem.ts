import type { JobStatus } from '../client/index.ts';
import { JobState } from '../core/progress.ts';
import { oneLine } from './progress-text.ts';

/** What keeps a job from going on, in a line; null when nothing does that is known. */
export function problemOf({ status, report, progress, retries }: JobStatus): string | null {
  if (status !== 'RUNNING' || report !== null) return null;
  if (progress === null)
    return 'No worker answers: start one with `durable-batch worker`, or run the job with `durable-batch run`.';
  if (progress.state === JobState.Paused) return `The job is paused: ${oneLine(progress.reason ?? '')}`;
  const failing = retries.filter(({ waits }) => !waits);
  const told = failing.length > 0 ? failing : retries;
  const [first] = told;
  if (first === undefined) return null;
  const more = told.length === 1 ? '' : ` (and ${told.length - 1} more)`;
  const what = first.waits ? 'waits' : 'fails and is tried again by itself';
  return `A step ${what}, ${first.activity}: ${oneLine(first.reason)}${more}`;
}

/** Tells what keeps a job from going on, once each time that it changes, and that it goes on. */
export class ProblemReporter {
  private readonly say: (text: string) => void;
  private last: string | null = null;

  constructor(say: (text: string) => void) {
    this.say = say;
  }

  readonly see = (status: JobStatus): void => {
    const trouble = problemOf(status);
    // How many more steps wait is no news.
    const news = trouble?.replace(/ \(and \d+ more\)$/, '') ?? null;
    if (news === this.last) return;
    this.last = news;
    if (trouble !== null) this.say(trouble);
    else if (status.status === 'RUNNING' && status.report === null) this.say('The job goes on.');
  };
}
