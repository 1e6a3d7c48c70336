import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAccount } from './account.ts';
import type { Account } from './account.ts';
import { CallCounters } from './call-counters.ts';
import { createClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { createFaultRegistry } from './fault-registry.ts';
import type { RegisteredRule, FaultRegistry } from './fault-registry.ts';
import { openJournal, valuesOf } from './journal.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { LedgerSummary } from './ledger.ts';
import type { ResolvedEmulatorOptions } from './options.ts';

/** The emulator without its HTTP server: the accounts, and the clock, faults and counters that they share. */
export interface EmulatedApi {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultRegistry;
  calls: CallCounters;
  /** The account of an API key. */
  accountOf(key: string): Promise<Account>;
  /** The account of a project, by its name in the options. */
  accountOfProject(name: string): Promise<Account>;
  /** All accounts that exist. */
  accounts(): Promise<Account[]>;
  advanceClock(ms: number): void;
  /** Removes everything except the options. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the emulator's folder: reads the journals and continues the batches that have not ended. */
export async function openEmulatedApi(options: ResolvedEmulatorOptions): Promise<EmulatedApi> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'openai-emulator-'));
  mkdirSync(dataDir, { recursive: true });
  const { journal, entries } = openJournalOf(dataDir);
  const clock = createClock(valuesOf<number>(entries, 'clock')[0] ?? options.clockOffsetSeconds * 1000);
  const faults = openFaultRegistry(options, clock, journal, valuesOf<RegisteredRule>(entries, 'rule'));
  const calls = new CallCounters();
  const perKey = options.accounts === 'per-key';
  const accounts = new Map<string, Promise<Account>>();

  const open = (folderName: string): Promise<Account> => {
    const known = accounts.get(folderName);
    if (known) return known;
    const folder = join(dataDir, ACCOUNTS, folderName);
    mkdirSync(folder, { recursive: true });
    const account = openJournalOf(folder);
    const opened = openAccount(folder, { options, clock, faults, journal: account.journal }, account.entries);
    accounts.set(folderName, opened);
    return opened;
  };
  if (perKey) await Promise.all(foldersIn(join(dataDir, ACCOUNTS)).map(open));
  else accounts.set(SHARED_ACCOUNT, openAccount(dataDir, { options, clock, faults, journal }, entries));
  await Promise.all(accounts.values());

  const projectOf = new Map(
    Object.entries(options.projects).flatMap(([name, keys]) => keys.map((key) => [key, name] as const)),
  );
  const folderOfProject = (name: string): string => digestOf(`project ${name}`);
  const folderOfKey = (key: string): string => {
    const project = projectOf.get(key);
    return project === undefined ? digestOf(`key ${key}`) : folderOfProject(project);
  };
  const account = (folderName: string): Promise<Account> =>
    perKey ? open(folderName) : (accounts.get(SHARED_ACCOUNT) as Promise<Account>);

  return {
    options,
    clock,
    faults,
    calls,
    accountOf: (key) => account(folderOfKey(key)),
    accountOfProject: (name) => account(folderOfProject(name)),
    accounts: () => Promise.all(accounts.values()),
    advanceClock(ms) {
      clock.advance(ms);
      journal.append('clock', 'clock', clock.offsetMs());
    },
    async reset() {
      for (const each of await Promise.all(accounts.values())) await each.clear();
      calls.clear();
      faults.clear();
      journal.clear();
      for (const rule of options.faults) faults.add(rule);
      journal.append('clock', 'clock', clock.offsetMs());
    },
    async close() {
      for (const each of await Promise.all(accounts.values())) await each.close();
      journal.close();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The sum of the ledgers of several accounts. */
export function sumLedgers(summaries: readonly LedgerSummary[]): LedgerSummary {
  const sum: LedgerSummary = {
    lines: 0,
    executed: 0,
    paid: 0,
    lines_paid_once: 0,
    lines_paid_twice_or_more: 0,
    batches: 0,
    batches_unread: 0,
    input_tokens: 0,
    output_tokens: 0,
  };
  for (const summary of summaries)
    for (const name of Object.keys(sum) as (keyof LedgerSummary)[]) sum[name] += summary[name];
  return sum;
}

/** The folder below the data directory that holds a folder for each account. */
const ACCOUNTS = 'accounts';
/** The name of the shared account of all keys, which is in the data directory itself. */
const SHARED_ACCOUNT = '';

/** The folder of an account is named by a digest, so that no key is written to disk. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}

function foldersIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function openJournalOf(folder: string): { journal: Journal; entries: JournalEntry[] } {
  const entries: JournalEntry[] = [];
  const journal = openJournal(join(folder, 'journal.jsonl'), (entry) => entries.push(entry));
  return { journal, entries };
}

/** The rules of the options are added at the first start only; later starts read them from the journal with their counts. */
function openFaultRegistry(
  options: ResolvedEmulatorOptions,
  clock: Clock,
  journal: Journal,
  restored: readonly RegisteredRule[],
): FaultRegistry {
  const registry = createFaultRegistry(
    options.seed,
    restored,
    (id, registered) => journal.append('rule', id, registered),
    () => clock.now(),
  );
  const known = new Set(restored.map(({ rule }) => JSON.stringify(rule)));
  for (const rule of options.faults) if (!known.has(JSON.stringify(rule))) registry.add(rule);
  return registry;
}
