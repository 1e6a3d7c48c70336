import type { StepBytes } from '../client/pending-steps.ts';
import type { JobProgress } from '../core/progress.ts';
import { LogView } from './log-view.ts';

/** Shows a job's progress on standard error: standard output is kept for what scripts read. */
export interface ProgressView {
  show(progress: JobProgress, step: StepBytes | null): void;
  /** Writes a line that stays. */
  say(text: string): void;
  /** Ends the view: the cursor shows, and nothing is drawn any more. What was drawn stays, or makes room for the job's end. */
  end(how: 'stay' | 'make room'): void;
}

/** Bars for a person at a terminal, lines for a log. */
export async function openProgressView(): Promise<ProgressView> {
  if (!isForPeople()) return new LogView();
  // Loaded only here: what draws bars takes as long to load as half of all others.
  const { TerminalView } = await import('./terminal-view.ts');
  return new TerminalView();
}

/** CI runs have terminals that nobody looks at, and a dumb terminal cannot move its cursor. */
function isForPeople(): boolean {
  const { CI, TERM } = process.env;
  return process.stderr.isTTY && (CI === undefined || CI === '' || CI === 'false') && TERM !== 'dumb';
}
