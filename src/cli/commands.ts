import type { Command } from 'commander';

/** Each command's module is loaded on demand: loading one takes longer than another command takes in all. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import('./commands/run.ts')).addRun,
  start: async () => (await import('./commands/start.ts')).addStart,
  status: async () => (await import('./commands/status.ts')).addStatus,
  watch: async () => (await import('./commands/watch.ts')).addWatch,
  results: async () => (await import('./commands/results.ts')).addResults,
  cancel: async () => (await import('./commands/control.ts')).addCancel,
  pause: async () => (await import('./commands/control.ts')).addPause,
  resume: async () => (await import('./commands/control.ts')).addResume,
  estimate: async () => (await import('./commands/estimate.ts')).addEstimate,
  priority: async () => (await import('./commands/priority.ts')).addPriority,
  queue: async () => (await import('./commands/queue.ts')).addQueue,
  list: async () => (await import('./commands/list.ts')).addList,
  schedule: async () => (await import('./commands/schedule.ts')).addSchedule,
  worker: async () => (await import('./commands/worker.ts')).addWorker,
  dev: async () => (await import('./commands/dev.ts')).addDev,
  setup: async () => (await import('./commands/setup.ts')).addSetup,
  emulator: async () => (await import('./commands/emulator.ts')).addEmulator,
};

/** Adds the requested command, or all of them for the help if it is unknown. */
export async function addCommands(program: Command, asked: string | undefined): Promise<void> {
  const known = asked !== undefined && Object.hasOwn(commands, asked);
  for (const load of known ? [commands[asked]!] : Object.values(commands)) (await load())(program);
}
