import type { EmulatorOptions } from 'openai-batch-emulator';
import {
  type Content,
  type JobEnd,
  JobUnderAttack,
  type SharedServer,
  type Strike,
} from './job-under-attack.ts';

/** What distinguishes a job from that of the matrix; see `JobUnderAttack.prepare`. */
export type JobKind = [changes?: EmulatorOptions, content?: Content];

/** A kind of attack on a step that a worker takes. */
export const Attack = {
  /** SIGKILL of the worker; another one takes over. */
  Kill: 'worker is killed',
  /** SIGSTOP of the worker until another one has ended the job; then SIGCONT. */
  Zombie: 'worker is stopped and wakes up late',
  /** SIGKILL of the Temporal server; the worker restarts it. */
  Server: 'server is killed',
  /** SIGKILL of worker and server. */
  Both: 'worker and server are killed',
  /** SIGKILL of the client that follows the job; then the same command runs again. */
  Client: 'client is killed',
  /** The connection of a call of the API is reset. */
  Reset: 'connection is reset',
} as const;
export type Attack = (typeof Attack)[keyof typeof Attack];

/** Exit code of `run` for a job of which some lines fail. */
const SOME_FAILED = 3;

/** A step and how often a process takes it in an undisturbed run. */
export interface Step {
  readonly name: string;
  readonly count: number;
}

/** The end and the steps of undisturbed runs. */
export interface Undisturbed {
  readonly end: JobEnd;
  readonly workerSteps: readonly Step[];
  readonly clientSteps: readonly Step[];
}

/** Runs the job twice without an attack: once to record the worker's steps, once to record those of `run`. */
export async function recordUndisturbed(server: SharedServer): Promise<Undisturbed> {
  const { end, workerSteps } = await recordWorker(server);
  await using forClient = await JobUnderAttack.prepare(server);
  forClient.worker();
  const client = forClient.run();
  expectCode(await client.ended, client.log());
  const own = new Set(workerSteps.map(({ name }) => name));
  const clientSteps = counted(forClient.steps()).filter(({ name }) => !own.has(name));
  return { end, workerSteps, clientSteps };
}

/** Runs a job once without any attack, for a worker's steps. */
export async function recordWorker(
  server: SharedServer,
  ...kind: JobKind
): Promise<Omit<Undisturbed, 'clientSteps'>> {
  await using job = await JobUnderAttack.prepare(server, ...kind);
  await job.start();
  const worker = job.worker();
  await job.untilEnded();
  worker.child.kill('SIGTERM');
  await worker.ended;
  return { workerSteps: counted(job.steps()), end: await job.end() };
}

/**
 * True when every run takes the step equally often. The number of polls and workflow tasks varies, and so does
 * the number of simultaneous uploads that find no `api.json` yet.
 */
function isCounted(name: string): boolean {
  return !/^GET |watchBatches|^workflow task|^activity createBatch failed|refused|^api\.json/.test(name);
}

/** The occurrence of a step to strike at. A hash of the names chooses it, so that the matrix covers all occurrences. */
export function occurrenceOf({ name, count }: Step, attack: string): number {
  if (!isCounted(name)) return 1;
  let hash = 7;
  for (const character of `${name} ${attack}`) hash = (hash * 31 + character.charCodeAt(0)) >>> 0;
  return 1 + (hash % count);
}

/** How an attacked job ended. */
export interface Attacked {
  readonly end: JobEnd;
  /**
   * Batches that a stopped worker created when it woke up after the job's end. They belong to other shards than the attacked
   * one: the whole process was stopped, so their POSTs may have been stopped in the window that the API leaves open.
   */
  readonly late: number;
}

/** Attacks a worker at one of its steps, lets the job end by itself, and returns its end. */
export async function attackWorker(
  step: Step,
  attack: Attack,
  shared: SharedServer,
  ...kind: JobKind
): Promise<Attacked> {
  const ownServer = attack === Attack.Server || attack === Attack.Both;
  await using job = await JobUnderAttack.prepare(ownServer ? null : shared, ...kind);
  await job.start();
  const at = { step: step.name, occurrence: occurrenceOf(step, attack) };
  let late = 0;
  switch (attack) {
    case Attack.Kill:
    case Attack.Both: {
      const worker = job.worker({ ...at, kind: attack === Attack.Kill ? 'kill' : 'both' });
      await job.untilStruck();
      await worker.ended;
      job.worker();
      await job.untilEnded();
      break;
    }
    case Attack.Zombie: {
      const zombie = job.worker({ ...at, kind: 'stop' });
      await job.untilStruck();
      job.worker();
      await job.untilEnded();
      const { batches } = await job.ledger();
      zombie.child.kill('SIGCONT');
      zombie.child.kill('SIGTERM'); // it finishes its current work as far as possible, and ends
      await zombie.ended;
      late = (await job.ledger()).batches - batches;
      break;
    }
    case Attack.Server:
    case Attack.Reset: {
      job.worker({ ...at, kind: attack === Attack.Server ? 'server' : 'reset' });
      await job.untilStruck();
      await job.untilEnded();
      break;
    }
    case Attack.Client: {
      const client = job.run();
      await job.until('the client', () => client.log().includes('web ui') || client.log().includes('job  '));
      job.worker({ ...at, kind: 'client', clientPid: client.child.pid });
      await job.untilStruck();
      await client.ended;
      const again = job.run();
      expectCode(await again.ended, again.log());
      break;
    }
    default:
      attack satisfies never;
  }
  return { end: await job.end(), late };
}

/** Kills of one job. */
const KILLS_A_JOB = 10;

/** Distributes steps over jobs for `killInTurn`: those of one job are far from each other, and in order. */
export function stepsInTurn(steps: readonly Step[]): (readonly [names: string, steps: readonly Step[]])[] {
  const jobs = Math.ceil(steps.length / KILLS_A_JOB);
  return Array.from({ length: jobs }, (_, job) => {
    const own = steps.filter((_step, i) => i % jobs === job);
    return [own.map(({ name }) => name).join(' · '), own] as const;
  });
}

/** How a job ended whose workers were killed. */
export interface Killed {
  readonly end: JobEnd;
  /** Steps that the job did not take after the kill before them. */
  readonly notTaken: readonly Step[];
}

/**
 * Kills a worker of one job at each of the steps, each time another worker, and lets the job end by itself. Most of the time of an
 * attack is the start of its workers, so several attacks on one job take little more than half of the time.
 */
export async function killInTurn(
  steps: readonly Step[],
  shared: SharedServer,
  ...kind: JobKind
): Promise<Killed> {
  await using job = await JobUnderAttack.prepare(shared, ...kind);
  await job.start();
  let killed = 0;
  for (const step of steps) {
    // The earlier workers may have taken all but the last occurrence of a later step.
    const occurrence = killed === 0 ? occurrenceOf(step, Attack.Kill) : 1;
    const worker = job.worker({ step: step.name, occurrence, kind: 'kill' });
    if (!(await job.isStruckBeforeItsEnd())) break;
    await worker.ended;
    job.allowNextStrike();
    killed += 1;
  }
  if (killed === steps.length) job.worker();
  await job.untilEnded();
  return { end: await job.end(), notTaken: steps.slice(killed) };
}

/** Kills `run` at each of its steps, each time the same command again, and lets the last one end. */
export async function killClientInTurn(steps: readonly Step[], shared: SharedServer): Promise<Killed> {
  await using job = await JobUnderAttack.prepare(shared);
  job.worker();
  let killed = 0;
  for (const step of steps) {
    const client = job.run({ step: step.name, occurrence: 1, kind: 'kill' });
    const { code, signal } = await client.ended;
    if (signal === null) {
      expectCode({ code }, client.log());
      return { end: await job.end(), notTaken: steps.slice(killed) };
    }
    job.allowNextStrike();
    killed += 1;
  }
  const last = job.run();
  expectCode(await last.ended, last.log());
  return { end: await job.end(), notTaken: [] };
}

/** Kills `run` (or the server that it uses) at one of its steps, and runs the same command again. */
export async function attackClient(
  step: Step,
  kind: 'kill' | 'server',
  shared: SharedServer,
): Promise<{ end: JobEnd }> {
  await using job = await JobUnderAttack.prepare(kind === 'kill' ? shared : null);
  job.worker();
  const strike: Strike = { step: step.name, occurrence: occurrenceOf(step, kind), kind };
  const client = job.run(strike);
  await job.untilStruck();
  const { signal } = await client.ended;
  if (kind === 'server' && signal === null) expectCode(await client.ended, client.log());
  if (signal !== null) {
    const again = job.run();
    expectCode(await again.ended, again.log());
  }
  return { end: await job.end() };
}

function expectCode({ code }: { code: number | null }, log: string): void {
  if (code !== SOME_FAILED) throw new Error(`run ended with ${code}:\n${log}`);
}

function counted(names: readonly string[]): Step[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => ({ name, count }));
}
