import type { StepBytes } from '../client/pending-steps.ts';
import type { JobProgress } from '../core/progress.ts';

/** Shows a job's progress on standard error: standard output is for scripts. */
export interface ProgressView {
  show(progress: JobProgress, step: StepBytes | null): void;
  /** Writes a permanent line. */
  say(text: string): void;
  /** Ends the view: shows the cursor, and draws nothing more. The last frame stays, or is erased for the job's report. */
  end(how: 'stay' | 'make room'): void;
}
