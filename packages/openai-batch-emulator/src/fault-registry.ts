import { seededFraction } from './answers/seeded-random.ts';
import type { BatchFault } from './faults/batch-fault.ts';
import type { CallFault, CallKind } from './faults/call-fault.ts';
import type { BatchFaultRule, FaultCondition, FaultRule, LineFaultRule } from './faults/fault-rule.ts';
import type { FileFault } from './faults/file-fault.ts';
import type { LineFault } from './faults/line-fault.ts';

/** A rule as the registry keeps it: named, with how often it was met and how often it struck. */
export interface RegisteredRule {
  id: string;
  rule: FaultRule;
  met: number;
  struck: number;
  /** When it was added, by the account's clock; absent in older journals. */
  addedAtMs?: number;
}

/** What a line rule looks at. */
interface LineIdentity {
  customId: string;
  /** The content key, as text, from which shares of lines are drawn. */
  key: string;
  /** How often the line was executed before. */
  executions: number;
}

/** The rules in force. Several may strike one file, batch or call; of the line rules the first that fits does. */
export interface FaultRegistry {
  add(rule: FaultRule): RegisteredRule;
  list(): RegisteredRule[];
  remove(id: string): boolean;
  clear(): void;
  forCall(call: CallKind): CallFault[];
  forFile(): FileFault[];
  forBatch(metadata: Record<string, string>): BatchFault[];
  /** Returns undefined at once when no line rule is in force, the case that must cost nothing. */
  forLine(line: LineIdentity): LineFault | undefined;
  hasLineRules(): boolean;
}

/** Creates a registry; `onChange` is told of every rule added, met or removed, so that counts outlive a restart. */
export function createFaultRegistry(
  seed: number,
  restored: readonly RegisteredRule[],
  onChange: (id: string, registered: RegisteredRule | null) => void,
  now: () => number = Date.now,
): FaultRegistry {
  const rules = new Map<string, RegisteredRule>(restored.map((registered) => [registered.id, registered]));
  let lineRules: { registered: RegisteredRule; rule: LineFaultRule }[] = [];
  let named = 0;

  const indexLineRules = (): void => {
    lineRules = [...rules.values()].flatMap((registered) =>
      registered.rule.on === 'line' ? [{ registered, rule: registered.rule }] : [],
    );
  };
  indexLineRules();

  const isOver = ({ addedAtMs, rule }: RegisteredRule): boolean =>
    rule.seconds !== undefined && addedAtMs !== undefined && now() >= addedAtMs + rule.seconds * 1000;

  const strikes = (registered: RegisteredRule, condition: FaultCondition): boolean => {
    registered.met++;
    const strike =
      !isOver(registered) &&
      isNth(condition.nth, registered.met) &&
      (condition.count === undefined || registered.struck < condition.count) &&
      (condition.probability === undefined ||
        seededFraction(seed, `${registered.id} ${registered.met}`) < condition.probability);
    if (strike) registered.struck++;
    onChange(registered.id, registered);
    return strike;
  };

  return {
    add(rule) {
      let id = rule.id;
      while (id === undefined || (rule.id === undefined && rules.has(id))) id = `rule-${++named}`;
      const registered = { id, rule, met: 0, struck: 0, addedAtMs: now() };
      rules.set(id, registered);
      indexLineRules();
      onChange(id, registered);
      return registered;
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
      const struck: CallFault[] = [];
      for (const registered of rules.values()) {
        const { rule } = registered;
        if (rule.on === 'call' && namesCall(rule.call, call) && strikes(registered, rule))
          struck.push(rule.fault);
      }
      return struck;
    },
    forFile() {
      const struck: FileFault[] = [];
      for (const registered of rules.values()) {
        if (registered.rule.on === 'file' && strikes(registered, registered.rule))
          struck.push(registered.rule.fault);
      }
      return struck;
    },
    forBatch(metadata) {
      const struck: BatchFault[] = [];
      for (const registered of rules.values()) {
        const { rule } = registered;
        if (rule.on === 'batch' && carries(metadata, rule) && strikes(registered, rule))
          struck.push(rule.fault);
      }
      return struck;
    },
    forLine: (line) =>
      lineRules.find(
        ({ registered, rule }) => strikesLine(registered.id, rule, line, seed) && !isOver(registered),
      )?.rule.fault,
    hasLineRules: () => lineRules.length > 0,
  };
}

function isNth(nth: FaultCondition['nth'], occurrence: number): boolean {
  if (nth === undefined) return true;
  return typeof nth === 'number' ? nth === occurrence : nth.includes(occurrence);
}

function namesCall(named: CallKind | '*' | CallKind[], call: CallKind): boolean {
  if (Array.isArray(named)) return named.includes(call);
  return named === '*' || named === call;
}

function carries(metadata: Record<string, string>, rule: BatchFaultRule): boolean {
  return Object.entries(rule.metadata ?? {}).every(([key, value]) => metadata[key] === value);
}

function strikesLine(ruleId: string, rule: LineFaultRule, line: LineIdentity, seed: number): boolean {
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
