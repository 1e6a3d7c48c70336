import type { FileWork } from '../../src/file-work/file-work.ts';
import type { Store } from '../../src/store/store.ts';
import type { Death } from './schedule.ts';

/** Every step of an attempt throws this once its process is gone. */
class ProcessGone extends Error {
  constructor() {
    super('The process is gone.');
  }
}

/** One attempt of an activity in a process of its own: once the process is gone, the attempt has no further effect. */
export class Attempt {
  private readonly death: Death | undefined;
  private steps = 0;
  private gone = false;
  private givenUp = false;
  private readonly onDeath: (death: Death) => void;

  constructor(death: Death | undefined, onDeath: (death: Death) => void) {
    this.death = death;
    this.onDeath = onDeath;
  }

  get isGone(): boolean {
    return this.gone;
  }

  /** True once the server has given up the attempt, which continues nevertheless. */
  get isGivenUp(): boolean {
    return this.givenUp;
  }

  /** A step with an effect outside the process. */
  async step<T>(effect: () => Promise<T>): Promise<T> {
    this.assertAlive();
    this.steps += 1;
    const here = this.steps === this.death?.step;
    if (here && this.death.when === 'given_up') this.giveUp();
    if (here && this.death.when === 'before') this.die();
    const result = await effect();
    this.assertAlive();
    if (here && this.death.when === 'after') this.die();
    return result;
  }

  /** Ends the attempt. If its death was due at a later step, it dies before its result is reported. */
  end(): void {
    this.assertAlive();
    if (this.death !== undefined && !this.givenUp) this.die();
  }

  kill(): void {
    this.gone = true;
  }

  private giveUp(): void {
    this.givenUp = true;
    this.onDeath(this.death!);
  }

  private die(): never {
    this.gone = true;
    this.onDeath(this.death!);
    throw new ProcessGone();
  }

  private assertAlive(): void {
    if (this.gone) throw new ProcessGone();
  }
}

/** A store whose accesses are steps of an attempt. */
export function storeOf(attempt: Attempt, store: Store): Store {
  return {
    read: (key) => attempt.step(() => store.read(key)),
    replace: (key, text) => attempt.step(() => store.replace(key, text)),
    claim: (key, text) => attempt.step(() => store.claim(key, text)),
    remove: (key) => attempt.step(() => store.remove(key)),
    moveToRoot: (folder) => attempt.step(() => store.moveToRoot(folder)),
    removeAll: (folder) => attempt.step(() => store.removeAll(folder)),
    size: (key) => attempt.step(() => store.size(key)),
    list: (folder) => attempt.step(() => store.list(folder)),
    listFolders: (folder) => attempt.step(() => store.listFolders(folder)),
    writeStream: (key, chunks) => attempt.step(() => store.writeStream(key, arriving(attempt, chunks))),
    blob: (key) => attempt.step(() => store.blob(key)),
    readAt: (key, offset, length) => attempt.step(() => store.readAt(key, offset, length)),
    readStream: (key) => store.readStream(key),
    withFiles: (keys, work) => store.withFiles(keys, work),
    locationOf: (key) => store.locationOf(key),
    check: () => store.check(),
  };
}

/** The process may die between any two chunks. */
async function* arriving(attempt: Attempt, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield await attempt.step(async () => chunk);
}

/** File work whose calls are steps of an attempt. */
export function filesOf(attempt: Attempt, files: FileWork): FileWork {
  const work: Omit<FileWork, 'close' | 'indexAnswers'> = {
    isBusyFor: () => false,
    shardInput: (sharding) => attempt.step(() => files.shardInput(sharding)),
    settleShard: (ended) => attempt.step(() => files.settleShard(ended)),
    cancelShard: (unsent) => attempt.step(() => files.cancelShard(unsent)),
    refuseShard: (refused) => attempt.step(() => files.refuseShard(refused)),
    countAnswers: (output) => attempt.step(() => files.countAnswers(output)),
    packRetries: (round) => attempt.step(() => files.packRetries(round)),
    estimateTokens: (round) => attempt.step(() => files.estimateTokens(round)),
    packRebuys: (round) => attempt.step(() => files.packRebuys(round)),
    mergeRows: (rows) => attempt.step(() => files.mergeRows(rows)),
    warmUpDrawing: () => undefined,
    drawReport: async () => '<p>Drawn.</p>', // drawing has no effect outside the process, and takes longer than all other work
  };
  return work as FileWork;
}
