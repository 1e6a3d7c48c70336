import { drawFraction } from './answers/deterministic-draw.ts';
import type {
  BatchFault,
  BatchFaultRule,
  CallFault,
  CallKind,
  FaultCondition,
  FaultRule,
  FileFault,
  LineFault,
  LineFaultRule,
} from './fault-rule.ts';

/** A rule as the book keeps it: named, with how often it was met and how often it struck. */
export interface BookedRule {
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
export interface FaultBook {
  add(rule: FaultRule): BookedRule;
  list(): BookedRule[];
  remove(id: string): boolean;
  clear(): void;
  forCall(call: CallKind): CallFault[];
  forFile(): FileFault[];
  forBatch(metadata: Record<string, string>): BatchFault[];
  /** Returns undefined at once when no line rule is in force, the case that must cost nothing. */
  forLine(line: LineIdentity): LineFault | undefined;
  hasLineRules(): boolean;
}

/** Creates a book; `onChange` is told of every rule added, met or removed, so that counts outlive a restart. */
export function createFaultBook(
  seed: number,
  restored: readonly BookedRule[],
  onChange: (id: string, booked: BookedRule | null) => void,
  now: () => number = Date.now,
): FaultBook {
  const rules = new Map<string, BookedRule>(restored.map((booked) => [booked.id, booked]));
  let lineRules: { booked: BookedRule; rule: LineFaultRule }[] = [];
  let named = 0;

  const indexLineRules = (): void => {
    lineRules = [...rules.values()].flatMap((booked) =>
      booked.rule.on === 'line' ? [{ booked, rule: booked.rule }] : [],
    );
  };
  indexLineRules();

  const isOver = ({ addedAtMs, rule }: BookedRule): boolean =>
    rule.seconds !== undefined && addedAtMs !== undefined && now() >= addedAtMs + rule.seconds * 1000;

  const strikes = (booked: BookedRule, condition: FaultCondition): boolean => {
    booked.met++;
    const strike =
      !isOver(booked) &&
      isNth(condition.nth, booked.met) &&
      (condition.count === undefined || booked.struck < condition.count) &&
      (condition.probability === undefined ||
        drawFraction(seed, `${booked.id} ${booked.met}`) < condition.probability);
    if (strike) booked.struck++;
    onChange(booked.id, booked);
    return strike;
  };

  return {
    add(rule) {
      let id = rule.id;
      while (id === undefined || (rule.id === undefined && rules.has(id))) id = `rule-${++named}`;
      const booked = { id, rule, met: 0, struck: 0, addedAtMs: now() };
      rules.set(id, booked);
      indexLineRules();
      onChange(id, booked);
      return booked;
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
      for (const booked of rules.values()) {
        const { rule } = booked;
        if (rule.on === 'call' && namesCall(rule.call, call) && strikes(booked, rule))
          struck.push(rule.fault);
      }
      return struck;
    },
    forFile() {
      const struck: FileFault[] = [];
      for (const booked of rules.values()) {
        if (booked.rule.on === 'file' && strikes(booked, booked.rule)) struck.push(booked.rule.fault);
      }
      return struck;
    },
    forBatch(metadata) {
      const struck: BatchFault[] = [];
      for (const booked of rules.values()) {
        const { rule } = booked;
        if (rule.on === 'batch' && carries(metadata, rule) && strikes(booked, rule)) struck.push(rule.fault);
      }
      return struck;
    },
    forLine: (line) =>
      lineRules.find(({ booked, rule }) => strikesLine(booked.id, rule, line, seed) && !isOver(booked))?.rule
        .fault,
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
  return rule.fraction === undefined || drawFraction(seed, `${ruleId} ${line.key}`) < rule.fraction;
}
