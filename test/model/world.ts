import { ApplicationFailure } from '@temporalio/common';
import { activityInfo, Context } from '@temporalio/activity';
import OpenAI from 'openai';
import { createActivities, type Activities, type Dependencies } from '../../src/activities/index.ts';
import type { FileWork } from '../../src/file-work/file-work.ts';
import type { Store } from '../../src/store/store.ts';
import { Attempt, filesOf, storeOf } from './attempt.ts';
import { activityNames, type ActivityName, type Schedule } from './schedule.ts';
import { ScriptedApi } from './scripted-api.ts';

/** Waits for a list that lags take milliseconds; a file that never appears is requested for 0.6 s. */
const PATIENCE = 0.001;

/** The world of one job: its API, and the processes in which its activities run and die. */
export class World {
  readonly schedule: Schedule;
  readonly api: ScriptedApi;
  /** The names of all faults and actions that happened. */
  readonly struck: Set<string> = new Set();
  private readonly starts = new Map<ActivityName, number>();
  private readonly live = new Map<Attempt, Promise<unknown>>();
  private readonly runs = new Set<string>();
  private readonly deadRuns = new Set<string>();
  private away = false;
  /** Attempts of activities so far; the number grows as long as the job makes progress. */
  attempts = 0;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
    this.api = new ScriptedApi(schedule, (what) => this.struck.add(what));
  }

  /** Runs one attempt of an activity, in a process of its own that may die by the schedule. */
  async attempt<T>(
    name: ActivityName,
    runId: string,
    { store, files }: Pick<Dependencies, 'store' | 'files'>,
    work: (deps: Dependencies) => Promise<T>,
  ): Promise<T> {
    if (this.away || this.deadRuns.has(runId)) throw processGone();
    this.runs.add(runId);
    this.attempts += 1;
    const nth = (this.starts.get(name) ?? 0) + 1;
    this.starts.set(name, nth);
    const death = this.schedule.deaths.find((one) => one.activity === name && one.nth === nth);
    let giveUp: (error: Error) => void;
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const attempt = new Attempt(death, ({ when }) => {
      if (name === 'createBatch') this.api.listMustWork = true;
      if (when !== 'given_up') {
        this.struck.add(`death: in ${name}`);
        return;
      }
      this.struck.add(`given up: ${name}`);
      // The server gets no more heartbeats of it.
      Object.assign(Context.current(), { heartbeat: () => undefined });
      giveUp(processGone());
    });
    const api = new OpenAI({
      apiKey: 'any',
      baseURL: 'http://api.test/v1',
      fetch: this.api.fetchFor(attempt),
      maxRetries: 0,
      logLevel: 'off',
    });
    const running = work({
      api,
      store: storeOf(attempt, store),
      files: filesOf(attempt, files),
      patience: PATIENCE,
      hasStepQueues: this.schedule.stepQueues,
    });
    const over = running.catch(() => undefined).finally(() => this.live.delete(attempt));
    this.live.set(attempt, over);
    try {
      const result = await Promise.race([running, givenUp]);
      attempt.end();
      return result;
    } catch (error) {
      throw attempt.isGone ? processGone() : error;
    }
  }

  /** Waits for attempts that were given up and still run. */
  async untilQuiet(): Promise<void> {
    while (this.live.size > 0) await Promise.all(this.live.values());
  }

  /**
   * Makes an operator's move that ends a run. The run's processes are killed first, so that the attempts of an activity run
   * one after another (the window in which they overlap is described in the README, and is not part of this model).
   */
  async whileAway(move: (runs: readonly string[]) => Promise<void>): Promise<void> {
    this.away = true;
    this.api.listMustWork = true;
    for (const attempt of this.live.keys()) attempt.kill();
    await Promise.allSettled(this.live.values());
    await move([...this.runs]);
    for (const run of this.runs) this.deadRuns.add(run);
    this.away = false;
  }
}

/** Activities of a worker with many worlds, one for each job. */
export function activitiesOf(worlds: ReadonlyMap<string, World>, store: Store, files: FileWork): Activities {
  const serve = (name: ActivityName) => async (request: never) => {
    const { workflowId, runId } = activityInfo().workflowExecution!;
    const world = worlds.get(workflowId)!;
    return await world.attempt(name, runId, { store, files }, (deps) =>
      (createActivities(deps)[name] as (request: never) => Promise<unknown>)(request),
    );
  };
  return Object.fromEntries(activityNames.map((name) => [name, serve(name)])) as unknown as Activities;
}

/** The failure that the server gets for a process that is gone; a heartbeat timeout would take longer. */
function processGone(): ApplicationFailure {
  return ApplicationFailure.create({
    message: 'The process is gone.',
    type: 'ProcessGone',
    nextRetryDelay: 1,
  });
}
