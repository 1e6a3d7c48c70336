import { LogView } from './log-view.ts';
import type { ProgressView } from './progress-view.ts';

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
