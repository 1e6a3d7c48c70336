import type { StepBytes } from '../client/pending-steps.ts';
import type { JobProgress } from '../core/progress.ts';

/** Shows a job's progress on standard error: standard output is kept for what scripts read. */
export interface ProgressView {
  show(progress: JobProgress, step: StepBytes | null): void;
  /** Writes a line that stays. */
  say(text: string): void;
  /** Ends the view: the cursor shows, and nothing is drawn any more. What was drawn stays, or makes room for the job's end. */
  end(how: 'stay' | 'make room'): void;
}
