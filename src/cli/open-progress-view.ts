import { LogView } from './log-view.ts';
import type { ProgressView } from './progress-view.ts';

/** Returns bars for a terminal, or lines for a log. */
export async function openProgressView(): Promise<ProgressView> {
  if (!isInteractive()) return new LogView();
  // Loaded only here: the modules for bars take half as long to load as all others.
  const { TerminalView } = await import('./terminal-view.ts');
  return new TerminalView();
}

/** CI runs may have a terminal without a user, and a dumb terminal cannot move its cursor. */
function isInteractive(): boolean {
  const { CI, TERM } = process.env;
  return process.stderr.isTTY && (CI === undefined || CI === '' || CI === 'false') && TERM !== 'dumb';
}
