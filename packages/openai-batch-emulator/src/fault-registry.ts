import { seededFraction } from './answers/seeded-random.ts';
import type { BatchFault } from './faults/batch-fault.ts';
import type { CallFault, CallKind } from './faults/call-fault.ts';
import type { BatchFaultRule, FaultCondition, FaultRule, LineFaultRule } from './faults/fault-rule.ts';
import type { FileFault } from './faults/file-fault.ts';
import type { LineFault } from './faults/line-fault.ts';

/** A rule with its id and counts, as in the journal and in `GET /emulator/faults`. */
export interface RegisteredRule {
  id: string;
  rule: FaultRule;
  /** How many occurrences have matched the rule. */
  met: number;
  /** How many times the rule was applied. */
  struck: number;
  /** When it was added, by the account's clock; absent in older journals. */
  addedAtMs?: number;
}

/** What a line rule is matched against. */
interface LineIdentity {
  customId: string;
  /** The line's key as text; with the seed it decides whether the line belongs to a share. */
  key: string;
  /** How many times the line was executed before. */
  executions: number;
}

/** The active rules. Several may apply to one file, batch or call; of the line rules only the first that matches. */
export interface FaultRegistry {
  add(rule: FaultRule): RegisteredRule;
  list(): RegisteredRule[];
  remove(id: string): boolean;
  clear(): void;
  forCall(call: CallKind): CallFault[];
  forFile(): FileFault[];
  forBatch(metadata: Record<string, string>): BatchFault[];
  forLine(line: LineIdentity): LineFault | undefined;
  hasLineRules(): boolean;
}

/** Creates a registry. `onChange` is called for each rule that was added, matched or removed, to keep the counts across restarts. */
export function createFaultRegistry(
  seed: number,
  restored: readonly RegisteredRule[],
  onChange: (id: string, entry: RegisteredRule | null) => void,
  now: () => number = Date.now,
): FaultRegistry {
  const rules = new Map<string, RegisteredRule>(restored.map((entry) => [entry.id, entry]));
  let lineRules: { entry: RegisteredRule; rule: LineFaultRule }[] = [];
  let generatedIds = 0;

  const indexLineRules = (): void => {
    lineRules = [...rules.values()].flatMap((entry) =>
      entry.rule.on === 'line' ? [{ entry, rule: entry.rule }] : [],
    );
  };
  indexLineRules();

  const isOver = ({ addedAtMs, rule }: RegisteredRule): boolean =>
    rule.seconds !== undefined && addedAtMs !== undefined && now() >= addedAtMs + rule.seconds * 1000;

  const applies = (entry: RegisteredRule, condition: FaultCondition): boolean => {
    entry.met++;
    const isApplied =
      !isOver(entry) &&
      isNth(condition.nth, entry.met) &&
      (condition.count === undefined || entry.struck < condition.count) &&
      (condition.probability === undefined ||
        seededFraction(seed, `${entry.id} ${entry.met}`) < condition.probability);
    if (isApplied) entry.struck++;
    onChange(entry.id, entry);
    return isApplied;
  };

  return {
    add(rule) {
      let id = rule.id;
      while (id === undefined || (rule.id === undefined && rules.has(id))) id = `rule-${++generatedIds}`;
      const entry = { id, rule, met: 0, struck: 0, addedAtMs: now() };
      rules.set(id, entry);
      indexLineRules();
      onChange(id, entry);
      return entry;
    },
    list: () => [...rules.values()],
    remove(id) {
      const known = rules.delete(id);
      if (known) onChange(id, null);
      indexLineRules();
      return known;
    },
    clear() {
      for (const id of rules.keys()) onChange(id, null);
      rules.clear();
      indexLineRules();
    },
    forCall(call) {
      const faults: CallFault[] = [];
      for (const entry of rules.values()) {
        const { rule } = entry;
        if (rule.on === 'call' && matchesCall(rule.call, call) && applies(entry, rule))
          faults.push(rule.fault);
      }
      return faults;
    },
    forFile() {
      const faults: FileFault[] = [];
      for (const entry of rules.values()) {
        if (entry.rule.on === 'file' && applies(entry, entry.rule)) faults.push(entry.rule.fault);
      }
      return faults;
    },
    forBatch(metadata) {
      const faults: BatchFault[] = [];
      for (const entry of rules.values()) {
        const { rule } = entry;
        if (rule.on === 'batch' && matchesMetadata(metadata, rule) && applies(entry, rule))
          faults.push(rule.fault);
      }
      return faults;
    },
    forLine: (line) =>
      lineRules.find(({ entry, rule }) => appliesToLine(entry.id, rule, line, seed) && !isOver(entry))?.rule
        .fault,
    hasLineRules: () => lineRules.length > 0,
  };
}

function isNth(nth: FaultCondition['nth'], occurrence: number): boolean {
  if (nth === undefined) return true;
  return typeof nth === 'number' ? nth === occurrence : nth.includes(occurrence);
}

function matchesCall(named: CallKind | '*' | CallKind[], call: CallKind): boolean {
  if (Array.isArray(named)) return named.includes(call);
  return named === '*' || named === call;
}

function matchesMetadata(metadata: Record<string, string>, rule: BatchFaultRule): boolean {
  return Object.entries(rule.metadata ?? {}).every(([key, value]) => metadata[key] === value);
}

function appliesToLine(ruleId: string, rule: LineFaultRule, line: LineIdentity, seed: number): boolean {
  const limit = rule.executions === undefined ? 1 : rule.executions;
  if (limit !== null && line.executions >= limit) return false;
  const { customId } = rule;
  if (customId !== undefined) {
    const named =
      typeof customId === 'string' ? customId === line.customId : customId.includes(line.customId);
    if (!named) return false;
  }
  return rule.fraction === undefined || seededFraction(seed, `${ruleId} ${line.key}`) < rule.fraction;
}
