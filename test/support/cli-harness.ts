import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startEmulator, type Emulator, type EmulatorOptions } from 'openai-batch-emulator';
import { stopEmbeddedServer } from '../../src/temporal/index.ts';
import { brokenGuarantees, factsOfEmulator, type Losses } from './guarantees.ts';

const cli = join(import.meta.dirname, '../../dist/cli/main.js');
const DEADLINE_MS = 300_000;

/** How a command ended, and its output. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The part of a row of `results.jsonl` that tests check. */
export interface Row {
  readonly line: number;
  readonly id: string;
  readonly status: string;
  readonly response: { choices: { message: { content: string } }[] } | null;
  readonly error: { code: string } | null;
}

/** The emulator's ledger of what was paid. */
export interface Ledger {
  readonly lines: number;
  readonly paid: number;
  readonly lines_paid_twice_or_more: number;
  readonly batches: number;
  readonly batches_unread: number;
  readonly input_tokens: number;
}

/** Batches that take a second or two, so that a test can act while they run. */
export const slow: EmulatorOptions = {
  lifecycle: {
    mode: 'timed',
    validatingMs: 100,
    inProgressMs: 1_500,
    perLineMs: 1,
    finalizingMs: 50,
    cancellingMs: 100,
  },
};

/** Runs the built command line with its own home and emulator. */
export class CliHarness implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'durable-batch-test-'));
  readonly home: string = join(this.folder, 'home');
  emulator!: Emulator;
  private readonly children = new Set<ChildProcess>();
  private inputs = 0;

  /** Starts a new emulator in place of the previous one. */
  async useEmulator(options: EmulatorOptions = {}): Promise<void> {
    await (this.emulator as Emulator | undefined)?.close();
    this.emulator = await startEmulator(options);
  }

  /** `stdin` is standard input; without it there is none. */
  start(
    args: string[],
    env: NodeJS.ProcessEnv = {},
    stdin: string | null = null,
  ): { child: ChildProcess; ended: Promise<Ended> } {
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: [stdin === null ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        OPENAI_API_KEY: 'test',
        OPENAI_BASE_URL: this.emulator.url,
        DURABLE_BATCH_HOME: this.home,
        DURABLE_BATCH_PATIENCE: '0.01',
        ...env,
      },
    });
    child.stdin?.end(stdin);
    this.children.add(child);
    let out = '';
    let err = '';
    child.stdout!.on('data', (chunk) => (out += String(chunk)));
    child.stderr!.on('data', (chunk) => (err += String(chunk)));
    const ended = once(child, 'close').then(([code]) => {
      this.children.delete(child);
      return { code: code as number | null, out, err };
    });
    return { child, ended };
  }

  async run(args: string[], env?: NodeJS.ProcessEnv, stdin?: string): Promise<Ended> {
    return await this.start(args, env, stdin).ended;
  }

  /** Calls an admin route of the emulator. */
  async admin<T>(path: string): Promise<T> {
    return (await (await fetch(new URL(path, this.emulator.url))).json()) as T;
  }

  async ledger(): Promise<Ledger> {
    return await this.admin('/emulator/ledger');
  }

  /** The guarantees that are broken for the emulator's only job; rows are read from the job's output folder. */
  async brokenGuarantees(out: string, losses?: Losses): Promise<string[]> {
    const { url, adminUrl } = this.emulator;
    return brokenGuarantees(await factsOfEmulator({ url, adminUrl }), this.rowsOf(out), losses);
  }

  /** Writes a new input file. */
  write(content: string | Buffer): string {
    this.inputs += 1;
    const path = join(this.folder, `input-${this.inputs}.jsonl`);
    writeFileSync(path, content);
    return path;
  }

  /** A request line; every input has a different text, unless it is given. */
  request(i: number, text: string = `Prompt ${i} of file ${this.inputs}`): string {
    return JSON.stringify({
      custom_id: `id ${i}`,
      body: { model: 'gpt-5-mini', messages: [{ role: 'user', content: text }] },
    });
  }

  requests(count: number): string {
    return this.write(Array.from({ length: count }, (_, i) => `${this.request(i + 1)}\n`).join(''));
  }

  rowsOf(out: string): Row[] {
    return readFileSync(join(out, 'results.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Row);
  }

  killAll(): void {
    for (const child of this.children) child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    await this.closeHome();
    await this.emulator.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Does not close the emulator. */
  async closeHome(): Promise<void> {
    this.killAll();
    await stopEmbeddedServer({ home: this.home });
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits for a condition; fails after a generous deadline. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('The condition was not met in time.');
    await delay(50);
  }
}
